//! The writer against a node that is slow, busy, away, or refuses.

use crate::fake::{Asked, FakeNode, Gone, Say, wait_until};
use plimsoll_client::model::{Fault, Histogram, Labels, Span};
use plimsoll_client::{Backoff, Client, Error, Outcome, PushError, Sample, Writer};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn sample(name: &str, timestamp: i64) -> Sample {
    let labels = Labels::from_pairs([("__name__", name), ("job", "test")]).expect("labels");
    Sample::float(labels, timestamp, timestamp as f64)
}

fn quick() -> Backoff {
    let (first, longest) = (Duration::from_millis(1), Duration::from_millis(50));
    Backoff { first, longest, give_up_after: SOON }
}

fn client(node: &FakeNode) -> Client {
    Client::new(&node.url).expect("a client")
}

/// A writer that sends only when flushed or when a batch is full.
fn writer(node: &FakeNode, batch_samples: usize) -> Writer {
    let builder = client(node).writer().interval(Duration::from_secs(3600)).backoff(quick());
    builder.batch_samples(batch_samples).start()
}

fn timestamps(asked: &[Asked]) -> Vec<Vec<i64>> {
    asked.iter().map(|a| a.samples().iter().map(|s| s.1).collect()).collect()
}

#[tokio::test]
async fn samples_go_in_batches_as_remote_write_and_in_order() {
    let node = FakeNode::start([]).await;
    let w = writer(&node, 2);
    for t in 1..=5 {
        w.push(sample("up", t)).await.expect("room");
    }
    w.flush().await.expect("all stored");
    let asked = node.asked();
    assert_eq!(timestamps(&asked), [vec![1, 2], vec![3, 4], vec![5]]);
    assert_eq!(asked[0].uri.path(), "/api/v1/write");
    assert_eq!(asked[0].header("content-encoding"), "snappy");
    assert_eq!(asked[0].header("content-type"), "application/x-protobuf");
    assert_eq!(asked[0].header("x-prometheus-remote-write-version"), "0.1.0");
    assert_eq!(asked[0].samples()[0].0, "up{job=\"test\"}");
    let c = w.close(SOON).await;
    assert_eq!((c.pushed, c.written, c.lost(), c.queued, c.requests), (5, 5, 0, 0, 3));
}

#[tokio::test]
async fn a_batch_that_does_not_fill_goes_after_the_interval() {
    let node = FakeNode::start([]).await;
    let w = client(&node).writer().interval(Duration::from_millis(5)).start();
    w.try_push(sample("up", 1)).expect("room");
    wait_until(SOON, || w.counters().written == 1).await;
}

#[tokio::test]
async fn native_histograms_travel_whole() {
    let node = FakeNode::start([]).await;
    let h = Histogram {
        schema: -2,
        count: 5.0,
        sum: -1.5,
        zero_threshold: 0.25,
        zero_count: 1.0,
        positive_spans: vec![Span { offset: -3, length: 2 }],
        positive_buckets: vec![1.0, 3.0],
        ..Histogram::default()
    };
    let labels = Labels::from_pairs([("__name__", "h")]).expect("labels");
    client(&node).write(&[Sample::histogram(labels, -7, h.clone())]).await.expect("stored");
    let plain = snap::raw::Decoder::new().decompress_vec(&node.asked()[0].body).expect("snappy");
    let mut decoded = plimsoll_proto::prometheus::v1::WriteRequest::default();
    prost::Message::merge(&mut decoded, &plain[..]).expect("a message");
    let wire = &decoded.timeseries[0].histograms[0];
    assert_eq!((wire.timestamp, wire.schema, wire.sum), (-7, h.schema, h.sum));
    assert_eq!((wire.zero_threshold, &wire.positive_counts), (0.25, &vec![1.0, 3.0]));
    assert_eq!((wire.positive_spans[0].offset, wire.positive_spans[0].length), (-3, 2));
}

#[tokio::test]
async fn a_busy_node_is_asked_again_after_the_time_it_asked_for() {
    let busy = || Say::status(429).header("retry-after", 1);
    let node = FakeNode::start([busy(), Say::status(503), Say::status(500)]).await;
    let w = client(&node).writer().backoff(Backoff { longest: Duration::from_secs(5), ..quick() }).start();
    w.push(sample("up", 1)).await.expect("room");
    w.flush().await.expect("stored at last");
    let asked = node.asked();
    assert_eq!(timestamps(&asked), [[1], [1], [1], [1]]);
    let waited = asked[1].at - asked[0].at;
    assert!(waited >= Duration::from_secs(1), "waited {waited:?}");
    let c = w.counters();
    assert_eq!((c.written, c.retries, c.requests), (1, 3, 4));
    assert!(w.last_error().expect("an error that was mended").contains("500"));
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_cut_in_two_until_it_fits() {
    let node = FakeNode::start([]).await.rule(|asked| (asked.samples().len() > 2).then(|| Say::status(413)));
    let w = writer(&node, 8);
    for t in 1..=8 {
        w.push(sample("up", t)).await.expect("room");
    }
    w.flush().await.expect("all stored");
    let taken: Vec<_> = timestamps(&node.asked()).into_iter().filter(|b| b.len() <= 2).collect();
    assert_eq!(taken, [[1, 2], [3, 4], [5, 6], [7, 8]]);
    let c = w.counters();
    assert_eq!((c.written, c.splits, c.refused), (8, 3, 0));
}

#[tokio::test]
async fn a_single_sample_that_is_too_large_is_dropped_and_counted() {
    let node = FakeNode::start([]).await.rule(|_| Some(Say::status(413)));
    let w = writer(&node, 2);
    w.push(sample("up", 1)).await.expect("room");
    w.push(sample("up", 2)).await.expect("room");
    let lost = w.flush().await.expect_err("nothing fits");
    assert_eq!(lost.samples, 2);
    assert_eq!(w.counters().refused, 2);
}

#[tokio::test]
async fn what_a_node_refuses_is_counted_and_not_repeated() {
    let partly = Say::status(400).header("x-prometheus-remote-write-samples-written", 3).body("too_old: 2");
    let node = FakeNode::start([partly]).await;
    let w = writer(&node, 5);
    for t in 1..=5 {
        w.push(sample("up", t)).await.expect("room");
    }
    let lost = w.flush().await.expect_err("two are refused");
    assert_eq!(lost.samples, 2);
    assert!(lost.to_string().contains("too_old: 2"), "{lost}");
    let c = w.counters();
    assert_eq!((c.written, c.refused, c.requests), (3, 2, 1));
}

#[tokio::test]
async fn memory_is_bounded_and_a_push_waits_for_room() {
    let node = FakeNode::start([Say::status(204).after(Duration::from_millis(200))]).await;
    let size = sample("up", 1).size_bytes();
    let builder = client(&node).writer().interval(Duration::from_secs(3600)).backoff(quick());
    let w = Arc::new(builder.batch_samples(2).max_memory_bytes(3 * size).start());
    for t in 1..=3 {
        w.try_push(sample("up", t)).expect("room");
    }
    let Err(PushError::Full(back)) = w.try_push(sample("up", 4)) else {
        panic!("the memory was not bounded")
    };
    assert_eq!(back.timestamp, 4);
    assert!(w.memory_bytes() <= 3 * size);
    // The first batch of two is on its way; this waits until the node has taken it.
    w.push(back).await.expect("room after the first batch");
    assert!(w.counters().written >= 2);
    w.flush().await.expect("all stored");
    assert_eq!((w.counters().turned_away, w.counters().written, w.memory_bytes()), (1, 4, 0));
    let huge = Labels::from_pairs([("__name__", "x".repeat(4 * size).as_str())]).expect("labels");
    let refused = w.push(Sample::float(huge, 1, 1.0)).await.expect_err("larger than all memory");
    assert_eq!(refused.fault(), Fault::Asker);
}

#[tokio::test]
async fn close_ends_in_time_and_tells_what_was_not_sent() {
    let node = FakeNode::start([]).await.rule(|_| Some(Say::status(503).header("retry-after", 10)));
    let w = Arc::new(writer(&node, 1));
    let size = sample("up", 1).size_bytes();
    w.push(sample("up", 1)).await.expect("room");
    w.push(sample("up", 2)).await.expect("room");
    let flusher = tokio::spawn({
        let w = Arc::clone(&w);
        async move { w.flush().await }
    });
    wait_until(SOON, || w.counters().requests >= 1).await;
    let c = w.close(Duration::from_millis(50)).await;
    assert_eq!((c.pushed, c.written, c.unsent, c.queued), (2, 0, 2, 0));
    let lost = flusher.await.expect("the flush ends").expect_err("nothing was stored");
    assert!(lost.to_string().contains("503"), "{lost}");
    let refused = w.push(sample("up", 3)).await.expect_err("closed");
    assert!(matches!(refused, PushError::Closed(_)), "{refused}");
    assert!(size > 0);
}

#[tokio::test]
async fn a_node_that_stays_away_is_given_up_in_the_end() {
    let gone = Gone::new();
    let client = Client::new(&gone.url).expect("a client");
    let e = client.write(&[sample("up", 1)]).await.expect_err("nobody is there");
    assert!(matches!(e, Error::Unreachable { .. }), "{e:?}");
    assert_eq!((e.outcome(), e.fault()), (Outcome::NotDone, Fault::Moment));
    let give_up_after = Duration::from_millis(40);
    let w = client.writer().backoff(Backoff { give_up_after, ..quick() }).start();
    w.push(sample("up", 1)).await.expect("room");
    assert_eq!(w.flush().await.expect_err("given up").samples, 1);
    assert_eq!(w.counters().given_up, 1);
}

#[tokio::test]
async fn samples_of_a_series_keep_their_order_over_many_lanes() {
    let node = FakeNode::start([]).await;
    let w = client(&node).writer().lanes(8).batch_samples(16).start();
    for t in 0..50 {
        for series in 0..20 {
            w.push(sample(&format!("m{series}"), t)).await.expect("room");
        }
    }
    w.flush().await.expect("all stored");
    let asked = node.asked();
    for series in 0..20 {
        let name = format!("m{series}{{job=\"test\"}}");
        let seen: Vec<i64> =
            asked.iter().flat_map(|a| a.samples()).filter(|s| s.0 == name).map(|s| s.1).collect();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }
    assert_eq!(w.close(SOON).await.written, 1000);
}

#[tokio::test]
async fn a_writer_that_is_dropped_still_sends_what_it_holds() {
    let node = FakeNode::start([]).await;
    let w = writer(&node, 100);
    w.push(sample("up", 1)).await.expect("room");
    drop(w);
    wait_until(SOON, || !node.asked().is_empty()).await;
    assert_eq!(timestamps(&node.asked()), [[1]]);
}
