//! A disk that fills up under load, for real: a small file system in memory, mounted for the test.

use crate::fixture::{self, SOON, now_ms};
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::{Node, folder};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use plimsoll_tests::wait::wait_until;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Of the file system; a twentieth of it, 12.8 MiB, is to stay free.
const DISK_MIB: u64 = 256;
const WITHIN: Duration = Duration::from_secs(1);

/// A mounted file system; goes with the value.
struct Disk(PathBuf);

impl Disk {
    /// Nothing where this process may not mount.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).expect("a folder of ours");
        let size = format!("size={DISK_MIB}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    /// A file of so many bytes that are really taken.
    fn fill(&self, mib: u64) -> PathBuf {
        let path = self.0.join("filler");
        fs::write(&path, vec![1u8; (mib << 20) as usize]).expect("there is room for it");
        path
    }

    fn free_mib(&self) -> u64 {
        let output =
            Command::new("df").args(["-m", "--output=avail"]).arg(&self.0).output().expect("df is there");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .last()
            .and_then(|line| line.trim().parse().ok())
            .unwrap_or_else(|| panic!("df said {text}"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // lazily: the node may still be ending
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Writes a sample of a counter at `at_ms`; whether it was acknowledged, and what was said.
fn write(http: &Http, at_ms: i64) -> (u16, String, bool) {
    let mut request = WriteRequest::new();
    for series in 0..50 {
        let labels = [("__name__", "load_total"), ("job", "disk"), ("series", &*format!("{series:02}"))];
        request.series(&SeriesBytes::new(&labels), &[(at_ms, series as f64)]);
    }
    let answer = request.send(http).unwrap_or_else(|e| panic!("no answer: {e}"));
    (answer.status, answer.text(), answer.header("retry-after").is_some())
}

/// Samples that the node has of every series of the load; panics unless all have as many.
fn count(http: &Http) -> u64 {
    let query = [("query", "count_over_time(load_total[1h])"), ("time", &*fixture::seconds(now_ms() + 1000))];
    let data = http.data("/api/v1/query", &query);
    let all = data["result"].as_array().expect("a vector");
    let counts: Vec<u64> = all.iter().filter_map(|one| one["value"][1].as_str()?.parse().ok()).collect();
    assert_eq!(counts.len(), 50, "{data}");
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{counts:?}");
    counts[0]
}

fn wait_for_state(http: &Http, state: &str, limit: Duration) {
    wait_until(&format!("the disk to be {state}"), limit, || {
        http.data("/api/v1/status", &[])["disk"]["state"] == state
    });
}

#[test]
fn a_disk_that_fills_up_turns_the_node_read_only_and_loses_nothing() {
    let folder = folder();
    let Some(disk) = Disk::mount(folder.path().join("data")) else {
        eprintln!("not run: this process may not mount a file system (it needs root)");
        return;
    };
    let mut node = Node::start_in(folder, &[("shards.count", "2")], None);
    let http = node.http();
    let (mut at_ms, mut acknowledged) = (now_ms() - 600_000, 0);
    let mut load = |http: &Http| {
        at_ms += 10;
        let said = write(http, at_ms);
        acknowledged += u64::from(said.0 / 100 == 2);
        said
    };
    for _ in 0..200 {
        assert_eq!(load(&http).0 / 100, 2);
    }
    let filler = disk.fill(disk.free_mib() - 10);
    let full = Instant::now();
    let refused = loop {
        let said = load(&http);
        if said.0 == 503 {
            break said;
        }
        assert_eq!(said.0 / 100, 2, "{}", said.1);
        assert!(full.elapsed() < WITHIN, "writes are still taken on a full disk");
    };
    assert!(refused.1.contains("storage.min_free_disk") && refused.2, "{refused:?}");
    // few: a gateway may look for a replica with room before it gives up
    for _ in 0..5 {
        assert_eq!(load(&http).0, 503);
    }
    let status = http.data("/api/v1/status", &[]);
    assert_eq!(status["disk"]["state"], "read-only", "{}", status["disk"]);
    let ready = http.get("/-/ready", &[]).unwrap_or_else(|e| panic!("{e}"));
    assert!(ready.status == 200 && ready.text().contains("read-only"), "{}", ready.text());
    let metrics = http.get("/metrics", &[]).unwrap_or_else(|e| panic!("{e}")).text();
    assert!(metrics.contains("plimsoll_disk_read_only 1") && metrics.contains("plimsoll_disk_free_bytes "));
    assert!(node.process().ended().is_none(), "{}", node.log());
    let whole = count(&http);
    free(&filler);
    let freed = Instant::now();
    wait_for_state(&http, "writable", SOON / 2);
    assert!(freed.elapsed() < Duration::from_secs(10));
    for _ in 0..200 {
        assert_eq!(load(&http).0 / 100, 2);
    }
    assert_eq!(whole, acknowledged - 200, "what was acknowledged is answered while the disk is full");
    assert_eq!(count(&http), acknowledged);
    node.kill();
    node.restart();
    assert_eq!(count(&node.http()), acknowledged, "and after kill -9");
    assert!(!node.log().contains("panicked"), "{}", node.log());
    node.kill();
    drop(disk);
}

fn free(path: &Path) {
    fs::remove_file(path).expect("a file of ours");
}
