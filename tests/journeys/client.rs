//! The client library in a process of its own: its example beside a node, and while the node is killed.

use crate::fixture::{SOON, now_ms, seconds};
use plimsoll_client::Spill;
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::process::{Process, folder_bytes};
use plimsoll_tests::wait::wait_until;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// The example of the client, which cargo builds beside the tests.
fn agent_loop() -> PathBuf {
    let me = std::env::current_exe().expect("Linux tells");
    let found = me.ancestors().map(|folder| folder.join("examples/agent_loop")).find(|path| path.is_file());
    found.expect("build it first: cargo build --release -p plimsoll-client --example agent_loop")
}

/// What the example says it did: a word and a figure a line.
fn said(log: &str) -> BTreeMap<String, f64> {
    let pairs = log.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    });
    pairs.collect()
}

fn answer(http: &Http, query: &str) -> f64 {
    let data = http.data("/api/v1/query", &[("query", query), ("time", &seconds(now_ms()))]);
    let value =
        data["result"][0]["value"][1].as_str().unwrap_or_else(|| panic!("{query}: no answer: {data}"));
    value.parse().unwrap_or_else(|e| panic!("{query}: {e}"))
}

/// Holds what the node answers against what the example counted.
fn compare(http: &Http, said: &BTreeMap<String, f64>) {
    for (what, query) in [
        ("tokens", "sum(llm_tokens_total)"),
        ("tools", "sum(tool_invocations_total)"),
        ("errors", "sum(loop_errors_total)"),
        ("loops", "sum(loop_execution_duration_seconds_count)"),
        ("loops", "sum(loop_execution_duration_seconds_bucket{le=\"+Inf\"})"),
        // Every series began at zero, so the last value less the first is all that was counted.
        ("tokens", "sum(max_over_time(llm_tokens_total[1h]) - min_over_time(llm_tokens_total[1h]))"),
    ] {
        assert_eq!(answer(http, query), said[what], "{query}");
    }
}

#[test]
fn what_the_example_counts_is_what_the_node_answers() {
    let node = Node::start();
    let log = node.folder().join("agent_loop.log");
    let mut example = Process::start(Command::new(agent_loop()).args([&node.url(), "40"]), log);
    wait_until("the example to end", SOON, || example.ended().is_some());
    let said = said(&example.log());
    assert_eq!((said["loops"], said["lost"]), (41.0, 0.0), "{}", example.log());
    compare(&node.http(), &said);
    let errors = answer(&node.http(), "sum(loop_errors_total{error_type=\"rate_limit\"})");
    assert_eq!(errors, 8.0, "every fifth loop");
    assert_eq!(
        answer(&node.http(), "count(active_loops) or vector(0)"),
        0.0,
        "gauges end with their process"
    );
}

#[test]
fn a_client_rides_out_kill_9_of_its_node_without_loss_and_counts_nothing_twice() {
    let mut node = Node::start();
    let spill = node.folder().join("spill");
    let log = node.folder().join("agent_loop.log");
    let mut command = Command::new(agent_loop());
    command.args([&node.url(), "400"]).env("SPILL", &spill);
    let mut example = Process::start(&mut command, log);
    let http = node.http();
    let some = || http.data("/api/v1/query", &[("query", "sum(llm_tokens_total)")])["result"][0].is_object();
    wait_until("the first figures to be there", SOON, some);
    node.kill();
    wait_until("samples to lie on disk", SOON, || folder_bytes(&spill) > 1_000);
    node.restart();
    wait_until("the example to end", SOON * 2, || example.ended().is_some());
    let text = example.log();
    let said = said(&text);
    assert_eq!((said["loops"], said["lost"]), (401.0, 0.0), "{text}");
    assert!(text.contains(" queued 0 ") && !text.contains("spilled 0"), "{text}");
    compare(&node.http(), &said);
    let left = Spill::open(&spill, 1 << 20).expect("the example has left the folder").totals();
    assert_eq!((left.samples, left.damaged_bytes), (0, 0));
}
