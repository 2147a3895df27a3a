//! The examples of `docs/client.md`: they are those in `examples/`, and they work.

use crate::fake::{FakeNode, Say, cluster_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../examples/several_nodes.rs"]
mod several_nodes;

#[cfg(feature = "metrics")]
#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../examples/metrics_recorder.rs"]
mod metrics_recorder;

#[tokio::test]
async fn the_example_works_although_the_node_it_was_given_dies() {
    let (first, second) = (FakeNode::mortal().await, FakeNode::start([]).await);
    let cluster = cluster_of(&[first.address(), second.address()]);
    first.says_of_cluster(&cluster);
    second.says_of_cluster(&cluster);
    let answer = r#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2000"]}]}}"#;
    let second = second.rule(move |asked| asked.uri.path().contains("query").then(|| Say::json(answer)));
    // The first node dies with the first write, whose fate nobody knows then.
    let (writes, dying) = (Arc::new(AtomicUsize::new(0)), first.clone());
    let seen = Arc::clone(&writes);
    let known = second.clone();
    let first = first.rule(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        let (dying, known) = (dying.clone(), known.clone());
        std::thread::spawn(move || {
            // Not before the client has learned of the other node: without one it could only wait.
            while known.looks() == 0 {
                std::thread::yield_now();
            }
            dying.die();
        });
        Some(Say::status(503))
    });
    let url = first.url.clone();
    let value = several_nodes::run(&url, 2_000).await.expect("the example works");
    assert_eq!(value, 2_000.0);
    assert!(writes.load(Ordering::Relaxed) >= 1, "the first node was asked first");
    let stored: usize =
        second.asked().iter().filter(|a| a.uri.path() == "/api/v1/write").map(|a| a.samples().len()).sum();
    assert_eq!(stored, 2_000);
}

#[test]
fn the_documentation_shows_the_example_as_it_is() {
    let source = include_str!("../../examples/several_nodes.rs");
    let page = include_str!("../../../docs/client.md");
    let begin = source.find("use plimsoll_client").expect("the file begins with what it uses");
    let end = source.find("#[tokio::main").expect("the file ends with its main");
    let shown = source[begin..end].trim_end();
    assert!(page.contains(shown), "docs/client.md shows something else than examples/several_nodes.rs");
}

#[test]
fn the_documentation_shows_the_loop_of_agent_loop_as_it_is() {
    let source = include_str!("../../examples/agent_loop.rs");
    let page = include_str!("../../../docs/client.md");
    let begin = source.find("/// A loop with a guard").expect("the loop is there");
    let end = source.find("/// A loop that somebody else timed").expect("another follows");
    assert!(
        page.contains(source[begin..end].trim_end()),
        "docs/client.md shows something else than agent_loop.rs"
    );
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn the_macros_of_the_metrics_crate_reach_the_node() {
    let node = FakeNode::start([]).await;
    assert!(metrics_recorder::run(&node.url, 11).await.expect("the example works") > 0);
    let samples: Vec<_> = node.asked().iter().flat_map(|asked| asked.samples()).collect();
    let newest = |part: &str, label: &str| {
        let mut newest_first = samples.iter().rev();
        let found =
            newest_first.find(|(s, _, value)| s.contains(part) && s.contains(label) && !value.is_nan());
        found.map(|(_, _, value)| *value)
    };
    assert_eq!(newest("jobs_done_total{", "mail"), Some(6.0));
    assert_eq!(newest("job_seconds_count{", ""), Some(11.0));
    assert!(samples.iter().any(|(series, ..)| series.starts_with("job_size_bytes{")), "a native histogram");
}

#[test]
fn the_documentation_shows_the_beginning_of_metrics_recorder_as_it_is() {
    let source = include_str!("../../examples/metrics_recorder.rs");
    let page = include_str!("../../../docs/client.md");
    let begin = source.find("    let collector").expect("it makes a collector");
    let end = source.find("\n\n    for n in").expect("and then works");
    assert!(
        page.contains(&source[begin..end]),
        "docs/client.md shows something else than metrics_recorder.rs"
    );
}
