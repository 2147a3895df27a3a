//! Samples out of a node and into another one, in every format; and out of Prometheus.

use crate::fixture::{self, COUNT, SOON, now_ms, seconds};
use plimsoll_tests::answer::Answer;
use plimsoll_tests::http::Http;
use plimsoll_tests::peers::{self, PrometheusJob};
use plimsoll_tests::plimsoll::{Node, run};
use plimsoll_tests::wait::wait_until;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Everything but what a node writes about itself.
const ALL: &str = "{__name__!~\"plimsoll_.*|\"}";

fn plimsoll(node: &Node, args: &[&str]) -> Output {
    run(&[args, &["--url", &node.url()]].concat())
}

fn must(node: &Node, args: &[&str]) -> String {
    let output = plimsoll(node, args);
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {messages}");
    messages
}

/// Raw samples of everything, by the API.
fn everything(http: &Http, at_ms: i64) -> Answer {
    let parameters = [("query", "{__name__!~\"plimsoll_.*|\"}[1h]"), ("time", &seconds(at_ms))];
    let answer = http.get("/api/v1/query", &parameters).unwrap_or_else(|e| panic!("{e}"));
    Answer::read(&answer.body).unwrap_or_else(|e| panic!("{e}"))
}

/// Lines of a file of text in an order that does not depend on the shards; a binary file as it is.
fn content(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    lines.sort_unstable();
    lines
}

/// A native histogram, a stale marker and a NaN: what only some formats can hold.
fn add_odd_samples(http: &Http, at: i64) {
    let line = format!(
        "{{\"metric\":{{\"__name__\":\"odd\"}},\"values\":[\"NaN\",\"StaleNaN\",\"-Infinity\",-0.0],\"timestamps\":[{},{},{},{}]}}\n\
         {{\"metric\":{{\"__name__\":\"sizes\",\"a\":\"b\"}},\"histograms\":[{{\"timestamp\":{at},\"reset_hint\":\"unknown\",\"schema\":3,\
         \"zero_threshold\":0.001,\"zero_count\":1,\"count\":6,\"sum\":12.5,\"positive_spans\":[[0,2],[3,1]],\"negative_spans\":[[1,1]],\
         \"positive_buckets\":[1,2,1],\"negative_buckets\":[1],\"custom_values\":[]}}]}}\n",
        at - 3,
        at - 2,
        at - 1,
        at
    );
    let answer = http.post("/api/v1/import", &[], line.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.status, 204, "{}", answer.text());
}

#[test]
fn what_is_exported_imported_and_exported_again_is_the_same_in_every_format() {
    let node = Node::start();
    let end = now_ms() - 1000;
    fixture::write(&node.http(), &fixture::request(end));
    add_odd_samples(&node.http(), end);
    // Which exit code tells that something has no form in the format.
    for (format, exit) in [("jsonl", 0), ("csv", 4), ("prom", 4), ("openmetrics", 4), ("parquet", 0)] {
        let other = Node::start();
        let file = |name: &str| other.folder().join(format!("{name}.{format}"));
        let [first, second] = [file("first"), file("second")];
        let export = |node: &Node, to: &Path| {
            plimsoll(node, &["export", ALL, "--format", format, "--to", &to.to_string_lossy()])
        };
        let output = export(&node, &first);
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{format}: {messages}");
        assert_eq!(messages.contains("1 native histograms were left out"), exit == 4, "{format}: {messages}");
        must(&other, &["import", &first.to_string_lossy(), "--format", format]);
        let again = export(&other, &second);
        assert_eq!(again.status.code(), Some(0), "{format}: {}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(content(&first), content(&second), "{format}");
        let expected = everything(&node.http(), end - 10);
        assert_eq!(everything(&other.http(), end - 10).difference(&expected, 0.0), None, "{format}");
    }
}

#[test]
fn what_a_node_refuses_is_told_by_reason_and_the_rest_is_stored() {
    let node = Node::start();
    let file = node.folder().join("mixed.jsonl");
    let now = now_ms();
    let text = format!(
        "{{\"metric\":{{\"__name__\":\"good\"}},\"values\":[1],\"timestamps\":[{now}]}}\nno line\n\
         {{\"metric\":{{\"__name__\":\"future\"}},\"values\":[1,2],\"timestamps\":[{},{}]}}\n",
        now + 86_400_000,
        now + 86_400_001
    );
    fs::write(&file, text).expect("a temporary file");
    let state = node.folder().join("state");
    let args = ["import", &file.to_string_lossy(), "--state", &state.to_string_lossy()];
    let output = plimsoll(&node, &args);
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{messages}");
    assert!(messages.contains("refused 1 as bad_line"), "{messages}");
    assert!(messages.contains("refused 2 as too_far_in_future"), "{messages}");
    let data = node.http().data("/api/v1/query", &[("query", "count(good)")]);
    assert_eq!(data["result"][0]["value"][1], "1");
    assert!(must(&node, &args).contains("is done"), "the state says so");
}

#[test]
fn blocks_made_by_promtool_are_imported_and_deleted_samples_are_not() {
    let node = Node::start();
    let end = now_ms() - 1000;
    fixture::write(&node.http(), &fixture::request(end));
    let text = node.folder().join("all.om");
    let blocks = node.folder().join("blocks");
    must(&node, &["export", ALL, "--to", &text.to_string_lossy()]);
    let mut promtool = Command::new("promtool");
    promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&text).arg(&blocks);
    let made = promtool.output().expect("promtool is installed: Debian's package prometheus");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let other = Node::start();
    let folder = blocks.to_string_lossy();
    must(&other, &["import", &folder]);
    let expected = everything(&node.http(), end + 1);
    assert_eq!(expected.size(), (25, 25 * COUNT as usize));
    assert_eq!(everything(&other.http(), end + 1).difference(&expected, 0.0), None);

    // A selector and a range, and again over what is there already.
    let some = Node::start();
    let start = seconds(end - 120_000);
    must(&some, &["import", &folder, "--match", "up{instance!=\"c:9100\"}", "--start", &start]);
    must(&some, &["import", &folder, "--match", "up{instance!=\"c:9100\"}", "--start", &start]);
    assert_eq!(everything(&some.http(), end + 1).size(), (2, 2 * 9));
}

#[test]
fn a_prometheus_is_read_by_its_remote_read() {
    let prometheus = peers::prometheus(&PrometheusJob { receive: true, ..PrometheusJob::default() });
    let end = now_ms() - 1000;
    fixture::write(&prometheus.http(), &fixture::request(end));
    wait_until("Prometheus to have it", SOON, || everything(&prometheus.http(), end + 1).size().0 == 25);
    let node = Node::start();
    let url = format!("http://{}/api/v1/read", prometheus.address());
    let args = ["import", &url, "--match", ALL, "--start", &seconds(end - 3_600_000), "--window", "7m"];
    must(&node, &args);
    let expected = everything(&prometheus.http(), end + 1);
    assert_eq!(everything(&node.http(), end + 1).difference(&expected, 0.0), None);
}
