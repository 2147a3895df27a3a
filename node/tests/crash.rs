//! A shard actor that panics is restarted from disk and no acknowledged sample is lost.

use plimsoll_cluster_config::{LoadArgs, Settings};
use plimsoll_model::{Labels, METRIC_NAME, Matcher, TimeRange};
use plimsoll_node::boot::Node;
use plimsoll_node::collector::{Row, RowValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn rows(count: usize, at: i64) -> Vec<Row> {
    let row = |i: usize| Row {
        labels: Labels::from_pairs([(METRIC_NAME, "crash_test"), ("series", &i.to_string())])
            .expect("labels"),
        timestamp: at,
        value: RowValue::Float((at % 1000) as f64 + i as f64),
    };
    (0..count).map(row).collect()
}

/// Everything that the shards hold, read past the HTTP side.
fn stored(node: &Node) -> usize {
    let matchers = [Matcher::equal(METRIC_NAME, "crash_test")];
    let mut samples = 0;
    for shard in node.shards().locals() {
        let live = shard.live().expect("the shard is live");
        let selection = live.storage().select(&matchers, TimeRange::ALL).expect("a selection");
        let mut read = Vec::new();
        selection.read(0..selection.len(), &mut read).expect("samples");
        samples += read.iter().map(plimsoll_model::Samples::len).sum::<usize>();
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_panics_comes_back_from_disk_with_every_acknowledged_sample() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let load = LoadArgs::new().flag("--data-dir", "node.data_dir", Some(dir.path().display())).flag(
        "--listen",
        "node.listen",
        Some("127.0.0.1:0"),
    );
    let panics_left = Arc::new(AtomicU32::new(0));
    let left = panics_left.clone();
    let fault: plimsoll_node::shard::Fault = Arc::new(move |_| {
        if left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() {
            panic!("an injected fault");
        }
    });
    let settings = Settings::load(load).expect("settings");
    let node = Node::start_with(settings, Some(fault)).await.expect("a node");
    let now = plimsoll_node::now_ms();
    let mut acknowledged = 0;
    for round in 0..20 {
        if round % 5 == 2 {
            panics_left.store(1, SeqCst);
        }
        let began = Instant::now();
        while node.collector().rows(rows(100, now + round)).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "the shard did not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        acknowledged += 100;
        assert_eq!(stored(&node), acknowledged, "after round {round}");
    }
    node.stop(Duration::from_secs(5)).await;
}
