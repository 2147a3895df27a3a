//! A cluster is written to files while it works, and comes back from them as another one.

use crate::fixture::{self, SOON, now_ms};
use plimsoll_tests::cluster::Cluster;
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::{Node, folder, run};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use plimsoll_tests::wait::wait_until;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const SHARDS: usize = 4;
const SETTINGS: &[(&str, &str)] = &[("shards.count", "4")];

fn backup(to: &Path, urls: &str) -> Output {
    run(&["backup", "--to", &to.display().to_string(), "--url", urls])
}

fn restore(from: &Path, data_dir: &Path) -> Output {
    run(&["restore", "--from", &from.display().to_string(), "--data-dir", &data_dir.display().to_string()])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it said; panics unless it failed with exit code 1.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    said(output)
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// Writes `samples` samples, ten ms apart and ending at `end_ms`, of each of `series` series of `metric`.
fn write(http: &Http, metric: &str, series: usize, samples: i64, end_ms: i64) {
    let mut request = WriteRequest::new();
    for n in 0..series {
        let labels = [("__name__", metric), ("job", "backup"), ("series", &*format!("{n:03}"))];
        let points: Vec<(i64, f64)> =
            (0..samples).map(|i| (end_ms - (samples - 1 - i) * 10, (i * (n as i64 + 1)) as f64)).collect();
        request.series(&SeriesBytes::new(&labels), &points);
    }
    fixture::write(http, &request);
}

/// Every series of `metric` with all its samples, as lines.
fn lines(http: &Http, metric: &str) -> BTreeSet<String> {
    let answer = http.get("/api/v1/export", &[("match[]", metric)]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().lines().map(str::to_owned).collect()
}

/// The digest of a replica and the entry of the log that it covers.
fn replica(http: &Http, shard: usize) -> Option<(String, u64, u64)> {
    let answer = http.get("/api/v1/admin/replica", &[("shard", &shard.to_string())]).ok()?;
    let data = (answer.status == 200).then(|| answer.json()["data"].take())?;
    Some((data["digest"].as_str()?.to_owned(), data["samples"].as_u64()?, data["applied"].as_u64()?))
}

#[test]
fn a_cluster_is_backed_up_under_load_and_grows_again_from_what_was_restored() {
    let cluster = Cluster::start(3, SETTINGS);
    let end = now_ms() - 60_000;
    for part in 0..5 {
        write(&cluster.node(part % 3).http(), "before_total", 200, 500, end - part as i64 * 5_000);
    }
    let before = lines(&cluster.node(0).http(), "before_total");
    assert_eq!(before.len(), 200);

    let files = tempfile::tempdir().expect("a temporary folder");
    let (to, over) = (files.path().join("backup"), AtomicBool::new(false));
    let taken = thread::scope(|scope| {
        let http = cluster.node(1).http();
        let over = &over;
        let load = scope.spawn(move || {
            let mut written = 0;
            while !over.load(Ordering::Relaxed) {
                write(&http, "during_total", 50, 20, now_ms());
                written += 1;
            }
            written
        });
        let taken = backup(&to, &cluster.urls());
        over.store(true, Ordering::Relaxed);
        assert!(load.join().expect("the load") > 0);
        taken
    });
    done(&taken);
    eprint!("{}", said(&taken));
    assert!(refused(&backup(&to, &cluster.urls())).contains("not empty"));

    let place = folder();
    let data = place.path().join("data");
    let restored = restore(&to, &data);
    done(&restored);
    eprint!("{}", said(&restored));
    assert!(refused(&restore(&to, &data)).contains("not empty"));

    let first = Node::start_in(place, SETTINGS, None);
    let grown = grows(first, &before);
    // nor does a crash right after the first start make a log whole that never held what was restored
    let place = folder();
    done(&restore(&to, &place.path().join("data")));
    let mut crashed = Node::start_in(place, SETTINGS, None);
    crashed.kill();
    crashed.restart();
    grows(crashed, &before);

    // the clusters know nothing of each other
    let ids = [&cluster, &grown].map(|c| c.node(0).http().data("/api/v1/cluster", &[])["id"].clone());
    assert_ne!(ids[0], ids[1]);
    for node in (0..3).map(|at| cluster.node(at)).chain((0..2).map(|at| grown.node(at))) {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
}

/// Lets a second node join `first`, which was restored; both must hold all of it then, and what came since.
fn grows(first: Node, before: &BTreeSet<String>) -> Cluster {
    assert!(
        lines(&first.http(), "before_total") == *before,
        "samples acknowledged before the backup are gone"
    );
    write(&first.http(), "after_total", 50, 10, now_ms());
    let after = lines(&first.http(), "after_total");
    let grown = Cluster::of(first, 2, SETTINGS);
    for shard in 0..SHARDS {
        wait_until(&format!("shard {shard} to be the same on both nodes"), SOON, || {
            let replicas = [0, 1].map(|at| replica(&grown.node(at).http(), shard));
            replicas[0].is_some() && replicas[0] == replicas[1]
        });
    }
    assert!(lines(&grown.node(1).http(), "before_total") == *before);
    assert!(lines(&grown.node(1).http(), "after_total") == after);
    grown
}

/// The files of a backup.
fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of ours").flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_of(&path)),
            path => found.push(path),
        }
    }
    found
}

#[test]
fn what_is_damaged_or_unfinished_or_in_the_way_is_refused_by_name_and_leaves_nothing() {
    let node = Node::start_with(&[("shards.count", "2")]);
    write(&node.http(), "some_total", 20, 100, now_ms());
    let place = tempfile::tempdir().expect("a temporary folder");
    let (to, data) = (place.path().join("backup"), place.path().join("data"));
    done(&backup(&to, &node.url()));
    let files = files_of(&to);
    assert!(files.len() >= 5, "{files:?}");
    for path in &files {
        let whole = fs::read(path).expect("a file of ours");
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 64;
        fs::write(path, &damaged).expect("a file of ours");
        let text = refused(&restore(&to, &data));
        let folder = path.parent().expect("it lies in a folder").display().to_string();
        assert!(text.contains(&folder), "{name}: {text}");
        assert!(text.contains(&name) || text.contains("manifest"), "{name}: {text}");
        fs::remove_file(path).expect("a file of ours");
        let text = refused(&restore(&to, &data));
        assert!(text.contains(&name) || text.contains("not finished"), "{name}: {text}");
        assert!(!data.exists() || fs::read_dir(&data).expect("ours").next().is_none(), "{name}: {text}");
        fs::write(path, &whole).expect("a file of ours");
    }
    done(&restore(&to, &data));
    drop(node);
    // no node, no folder of a backup that looks like one
    let nowhere = place.path().join("nowhere");
    let away = run(&["backup", "--to", &nowhere.display().to_string(), "--url", "http://127.0.0.1:9"]);
    assert_eq!(away.status.code(), Some(5), "{}", said(&away));
    assert!(!nowhere.exists());
    fs::create_dir(&nowhere).expect("a folder");
    assert!(refused(&restore(&nowhere, &place.path().join("data-2"))).contains("backup.json"));
}
