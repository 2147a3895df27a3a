//! What goes before its time, and what stays longer: deletion and rules of retention, on real nodes.

use crate::fixture::{self, SOON, now_ms, seconds};
use plimsoll_tests::cluster::{Cluster, SETTLE_LIMIT};
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::{Node, run};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use plimsoll_tests::wait::wait_until;
use serde_json::Value;

const DAY_MS: i64 = 86_400_000;

/// Sixteen series of two jobs, so that all shards have some, at each of these times.
fn two_jobs(times: &[i64]) -> WriteRequest {
    let mut request = WriteRequest::new();
    for number in 0..16 {
        for job in ["debug", "api"] {
            let number = number.to_string();
            let series = SeriesBytes::new(&[("__name__", "work"), ("job", job), ("number", &number)]);
            let samples: Vec<(i64, f64)> = times.iter().map(|at| (*at, *at as f64)).collect();
            request.series(&series, &samples);
        }
    }
    request
}

/// How many series of a job a node names, and how many samples it has between two times.
fn of_job(http: &Http, job: &str, from_ms: i64, to_ms: i64) -> (usize, u64) {
    let selector = format!("work{{job=\"{job}\"}}");
    let named = http.data("/api/v1/series", &[("match[]", &selector), ("consistency", "strong")]);
    let query = format!("sum(count_over_time({selector}[{}ms]))", to_ms - from_ms + 2);
    let parameters = [("query", query.as_str()), ("time", &seconds(to_ms + 1)), ("consistency", "strong")];
    let data = http.data("/api/v1/query", &parameters);
    let samples = data["result"][0]["value"][1].as_str().map_or(0, |n| n.parse().expect("a count"));
    (named.as_array().map_or(0, Vec::len), samples)
}

fn plimsoll(url: &str, arguments: &[&str], code: i32) -> (String, String) {
    let output = run(&[arguments, &["--url", url]].concat());
    let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b).into_owned());
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

fn json(url: &str, arguments: &[&str]) -> Value {
    let (out, _) = plimsoll(url, &[arguments, &["-o", "json"]].concat(), 0);
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

#[test]
fn what_is_deleted_is_gone_on_all_nodes_for_good_and_may_be_written_anew() {
    let mut cluster = Cluster::start(3, &[("shards.count", "4")]);
    let end = now_ms() - 60_000;
    let times = [end - 30_000, end - 15_000, end];
    fixture::write(&cluster.node(0).http(), &two_jobs(&times));
    let urls = cluster.urls();
    let seen = |cluster: &Cluster, at: usize, job: &str| of_job(&cluster.node(at).http(), job, times[0], end);

    let would = json(&urls, &["delete", "work{job=\"debug\"}"]);
    assert_eq!(would["items"][0]["series"], 16, "{would}");
    assert_eq!(seen(&cluster, 0, "debug"), (16, 48), "a dry run deletes nothing");

    let done = json(&urls, &["delete", "work{job=\"debug\"}", "--yes"]);
    let job = &done["items"][0];
    assert_eq!(job["state"], "done", "{done}");
    assert_eq!(
        [&job["series"], &job["shards"], &job["shards_done"]].map(Value::as_u64),
        [16, 4, 4].map(Some)
    );
    for at in 0..3 {
        assert_eq!(seen(&cluster, at, "debug"), (0, 0), "node {at}");
        assert_eq!(seen(&cluster, at, "api"), (16, 48), "node {at}");
    }
    let (log, _) = plimsoll(&urls, &["cluster", "log"], 0);
    assert!(log.contains("deletions"), "{log}");

    (0..3).for_each(|at| cluster.node_mut(at).kill());
    (0..3).for_each(|at| cluster.node_mut(at).launch());
    (0..3).for_each(|at| cluster.node_mut(at).wait_ready());
    cluster.wait_settled(SETTLE_LIMIT);
    for at in 0..3 {
        assert_eq!(seen(&cluster, at, "debug"), (0, 0), "node {at} after the kill of all");
        assert_eq!(seen(&cluster, at, "api"), (16, 48), "node {at} after the kill of all");
    }

    fixture::write(&cluster.node(1).http(), &two_jobs(&[end]));
    for at in 0..3 {
        assert_eq!(seen(&cluster, at, "debug"), (16, 16), "node {at}: the same labels and time, anew");
        assert_eq!(seen(&cluster, at, "api"), (16, 48), "node {at}");
    }
    // a part of the day goes, the rest of it stays
    let to = seconds(times[1]);
    plimsoll(&urls, &["delete", "work{job=\"api\"}", "--to", &to, "--yes"], 0);
    assert_eq!(seen(&cluster, 2, "api"), (16, 16));
    let listed = json(&urls, &["delete", "list"]);
    let states: Vec<&Value> =
        listed["items"].as_array().expect("a list").iter().map(|j| &j["state"]).collect();
    assert_eq!(states, ["done", "done"], "{listed}");

    let (_, err) = plimsoll(&urls, &["delete", "{job=", "--yes"], 1);
    assert!(err.contains("match[]"), "{err}");
    let (_, err) = plimsoll(&urls, &["delete", "x{job=~\"(\"}"], 1);
    assert!(err.contains("regex") || err.contains("match[]"), "{err}");
}

#[test]
fn rules_keep_some_series_longer_and_let_others_go_earlier() {
    let mut node = Node::start_with(&[("storage.retention", "10d"), ("shards.count", "4")]);
    let (http, url, now) = (node.http(), node.url(), now_ms());
    let (old, recent) = (now - 30 * DAY_MS, now - 5 * DAY_MS);
    let refused = two_jobs(&[old]).send(&http).expect("the node lives");
    assert_eq!(refused.status, 400, "older than all that is kept");

    plimsoll(&url, &["retention", "set", "{job=\"api\"}", "60d"], 0);
    fixture::write(&http, &two_jobs(&[recent, now - 60_000]));
    let mut request = WriteRequest::new();
    let api = SeriesBytes::new(&[("__name__", "work"), ("job", "api"), ("number", "0")]);
    request.series(&api, &[(old, 1.0)]);
    fixture::write(&http, &request);
    assert_eq!(of_job(&http, "api", old, old).1, 1, "what is kept longer is taken and shown");

    let dry = json(&url, &["retention", "dry-run", "{job=\"debug\"}", "2d"]);
    let row = &dry["items"][1];
    assert_eq!(row["match"], "{job=\"debug\"}", "{dry}");
    assert_eq!(row["series"], 16, "{dry}");
    assert!(row["bytes"].as_u64().is_some(), "{dry}");
    assert_eq!(of_job(&http, "debug", recent, now).1, 32, "a dry run deletes nothing");

    plimsoll(&url, &["retention", "set", "{job=\"debug\"}", "2d"], 0);
    wait_until("the rule to be carried out", SOON, || of_job(&http, "debug", recent, now).1 == 16);
    assert_eq!(of_job(&http, "api", old, now), (16, 33), "other series stay");
    node.kill();
    node.restart();
    assert_eq!(of_job(&http, "debug", recent, now), (16, 16), "after a kill");

    let shown = json(&url, &["retention", "show"]);
    let rules: Vec<&Value> = shown["items"].as_array().expect("a list").iter().map(|r| &r["match"]).collect();
    assert_eq!(rules, ["{job=\"api\"}", "{job=\"debug\"}", ""], "{shown}");
    let (_, err) = plimsoll(&url, &["retention", "set", "{job=\"debug\"}", "1h"], 1);
    assert!(err.contains("1d to 100y"), "{err}");
    plimsoll(&url, &["retention", "remove", "{job=\"api\"}"], 0);
    wait_until("what is kept no longer to go", SOON, || of_job(&http, "api", old, now).1 == 32);
    let (_, err) = plimsoll(&url, &["retention", "remove", "{job=\"api\"}"], 1);
    assert!(err.contains("no rule"), "{err}");
}
