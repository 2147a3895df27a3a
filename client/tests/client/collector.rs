//! Metrics of a program on their way to a node of straw.

use crate::fake::{FakeNode, Gone};
use plimsoll_client::{Client, Collector, CollectorBuilder, LoopExecution, Rule, Tokens};
use std::collections::BTreeMap;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn builder(url: &str) -> CollectorBuilder {
    let client = Client::builder().url(url).discover(false).build().expect("a client");
    // Told only when it is flushed.
    client.collector().flush_interval(SOON * 100).instance("i").self_metrics(false)
}

/// The newest value of each series that came to the node.
fn newest(node: &FakeNode) -> BTreeMap<String, f64> {
    node.asked().iter().flat_map(|asked| asked.samples()).map(|(series, _, value)| (series, value)).collect()
}

async fn flushed(collector: &Collector) {
    collector.flush().await.expect("all stored");
}

#[tokio::test]
async fn a_counter_is_told_with_its_beginning_and_the_labels_of_the_process() {
    let node = FakeNode::start([]).await;
    let collector = builder(&node.url).label("job", "j").start();
    let done = collector.registry().counter("done_total", &[("queue", "mail")]).expect("a counter");
    done.add(3.0);
    flushed(&collector).await;
    done.inc();
    flushed(&collector).await;
    let samples: Vec<_> = node.asked().iter().flat_map(|asked| asked.samples()).collect();
    let series = "done_total{instance=\"i\", job=\"j\", queue=\"mail\"}";
    assert!(samples.iter().all(|s| s.0 == series), "{samples:?}");
    assert_eq!(samples.iter().map(|s| s.2).collect::<Vec<_>>(), [0.0, 3.0, 4.0]);
    assert!(samples.windows(2).all(|w| w[0].1 < w[1].1), "{samples:?}");
}

#[tokio::test]
async fn an_interval_flushes_by_itself() {
    let node = FakeNode::start([]).await;
    let collector = builder(&node.url).flush_interval(Duration::from_millis(20)).start();
    collector.registry().gauge("g", &[]).expect("a gauge").set(7.0);
    crate::fake::wait_until(SOON, || newest(&node).get("g{instance=\"i\"}") == Some(&7.0)).await;
}

#[tokio::test]
async fn closing_tells_the_last_figures_and_ends_gauges_alone() {
    let node = FakeNode::start([]).await;
    let collector = builder(&node.url).start();
    let run = collector.loop_guard("triage");
    run.success();
    collector.collect_loop_metrics(&LoopExecution {
        loop_type: "triage".into(),
        llm_calls: vec![plimsoll_client::LlmCall {
            provider: "p".into(),
            model: "m".into(),
            tokens: Tokens::from_openai(10, 5, 4, 2),
            ..Default::default()
        }],
        ..LoopExecution::default()
    });
    let counters = collector.close(SOON).await;
    assert_eq!((counters.lost(), counters.queued), (0, 0));
    let newest = newest(&node);
    let loops =
        "loop_execution_duration_seconds_count{instance=\"i\", loop_type=\"triage\", status=\"success\"}";
    assert_eq!(newest.get(loops), Some(&2.0), "{newest:?}");
    assert!(newest["active_loops{instance=\"i\", loop_type=\"triage\"}"].is_nan());
    let tokens: f64 = newest.iter().filter(|(s, _)| s.starts_with("llm_tokens_total")).map(|(_, v)| v).sum();
    assert_eq!(tokens, 15.0);
}

#[tokio::test]
async fn rules_join_series_before_they_are_sent() {
    let node = FakeNode::start([]).await;
    let collector = builder(&node.url).rule(Rule::drop_label("llm_*", "session")).start();
    for session in 0..100 {
        let labels = [("session", &*format!("s{session}"))];
        collector.registry().counter("llm_calls_total", &labels).expect("a counter").add(2.0);
    }
    flushed(&collector).await;
    assert_eq!(newest(&node), BTreeMap::from([("llm_calls_total{instance=\"i\"}".to_owned(), 200.0)]));
}

#[tokio::test]
async fn without_a_node_memory_is_bounded_and_what_had_no_room_is_counted() {
    let gone = Gone::new();
    let collector = builder(&gone.url).writer(|w| w.max_memory_bytes(10_000)).start();
    for n in 0..200 {
        collector.registry().gauge("g", &[("n", &n.to_string())]).expect("a gauge").set(1.0);
    }
    for _ in 0..5 {
        // It waits for a node that does not come, and is given up.
        tokio::time::timeout(Duration::from_millis(10), collector.flush())
            .await
            .expect_err("nobody is there");
        assert!(collector.writer().memory_bytes() <= 10_000);
    }
    assert!(collector.turned_away() > 800, "{}", collector.turned_away());
    let counters = collector.close(Duration::from_millis(10)).await;
    assert_eq!(counters.pushed, counters.lost());
}

#[tokio::test]
async fn the_client_tells_how_it_fares_itself() {
    let node = FakeNode::start([]).await;
    let collector = builder(&node.url).self_metrics(true).start();
    flushed(&collector).await;
    flushed(&collector).await;
    let written = newest(&node)["plimsoll_client_samples_total{fate=\"written\", instance=\"i\"}"];
    assert!(written > 0.0);
}
