//! The writer with a folder for what no node takes.

use crate::fake::{FakeNode, Gone, Say, wait_until};
use plimsoll_client::model::Labels;
use plimsoll_client::{Backoff, Client, Sample, Spill, Writer};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn sample(timestamp: i64) -> Sample {
    let labels = Labels::from_pairs([("__name__", "x"), ("job", "test")]).expect("labels");
    Sample::float(labels, timestamp, timestamp as f64)
}

fn writer(url: &str, folder: &Path, max_bytes: u64) -> Writer {
    let spill = Spill::open(folder, max_bytes).expect("a folder of ours");
    let (first, longest) = (Duration::from_millis(1), Duration::from_millis(20));
    let client = Client::builder().url(url).discover(false).build().expect("a client");
    let builder = client.writer().interval(Duration::from_millis(1)).batch_samples(5);
    let backoff = Backoff { first, longest, give_up_after: SOON };
    builder.backoff(backoff).spill(spill).spill_after(Duration::from_millis(5)).start()
}

fn times(node: &FakeNode) -> Vec<i64> {
    node.asked().iter().flat_map(|asked| asked.samples()).map(|(_, at, _)| at).collect()
}

#[tokio::test]
async fn what_no_node_takes_waits_on_disk_and_comes_in_order_when_it_is_back() {
    let away = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&away);
    let node = FakeNode::start([]).await.rule(move |_| seen.load(Ordering::SeqCst).then(|| Say::status(503)));
    let folder = tempfile::tempdir().expect("a folder");
    let w = writer(&node.url, folder.path(), 1 << 20);
    for t in 0..50 {
        w.push(sample(t)).await.expect("room");
    }
    w.flush().await.expect("it is on disk");
    let c = w.counters();
    assert_eq!((c.pushed, c.on_disk, c.queued, c.written, c.lost()), (50, 50, 50, 0, 0));
    assert_eq!(w.memory_bytes(), 0, "memory is free again");
    away.store(false, Ordering::SeqCst);
    w.push(sample(50)).await.expect("room");
    assert!(w.drained(SOON).await);
    wait_until(SOON, || w.counters().written == 51).await;
    let all = times(&node);
    assert_eq!(all[all.len() - 51..], (0..51).collect::<Vec<_>>(), "in order, the new one last");
    let c = w.close(SOON).await;
    assert_eq!((c.written, c.queued, c.lost()), (51, 0, 0));
}

#[tokio::test]
async fn what_waits_on_disk_survives_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = Gone::new();
    let w = writer(&gone.url, folder.path(), 1 << 20);
    for t in 0..20 {
        w.push(sample(t)).await.expect("room");
    }
    let c = w.close(Duration::from_millis(50)).await;
    assert_eq!((c.on_disk, c.queued, c.unsent, c.lost()), (20, 20, 0, 0));
    drop(w);
    let node = FakeNode::start([]).await;
    let w = writer(&node.url, folder.path(), 1 << 20);
    assert!(w.drained(SOON).await);
    wait_until(SOON, || w.counters().written == 20).await;
    assert_eq!(times(&node), (0..20).collect::<Vec<_>>());
    let c = w.close(SOON).await;
    assert_eq!((c.recovered, c.pushed, c.queued, c.lost()), (20, 0, 0, 0));
}

#[tokio::test]
async fn a_node_that_hangs_does_not_keep_a_writer_from_closing_onto_disk() {
    let node = FakeNode::start([]).await.rule(|_| Some(Say::status(204).after(SOON * 10)));
    let folder = tempfile::tempdir().expect("a folder");
    let w = writer(&node.url, folder.path(), 1 << 20);
    for t in 0..7 {
        w.push(sample(t)).await.expect("room");
    }
    wait_until(SOON, || !node.asked().is_empty()).await;
    let c = w.close(Duration::from_millis(20)).await;
    assert_eq!((c.on_disk, c.unsent, c.lost()), (7, 0, 0));
}

#[tokio::test]
async fn what_is_too_large_for_the_node_is_cut_when_it_comes_from_disk() {
    let away = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&away);
    let node = FakeNode::start([]).await.rule(move |asked| {
        if seen.load(Ordering::SeqCst) {
            return Some(Say::status(503));
        }
        (asked.samples().len() > 2).then(|| Say::status(413))
    });
    let folder = tempfile::tempdir().expect("a folder");
    let w = writer(&node.url, folder.path(), 1 << 20);
    for t in 0..5 {
        w.push(sample(t)).await.expect("room");
    }
    w.flush().await.expect("it is on disk");
    away.store(false, Ordering::SeqCst);
    wait_until(SOON, || w.counters().written == 5).await;
    let c = w.counters();
    assert!(c.splits >= 2);
    assert_eq!((c.refused, c.lost()), (0, 0));
}

#[tokio::test]
async fn memory_and_disk_stay_bounded_while_no_node_is_there_and_the_rest_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = Gone::new();
    let w = writer(&gone.url, folder.path(), 1);
    let mut t = 0;
    while w.counters().dropped == 0 {
        for _ in 0..500 {
            w.push(sample(t)).await.expect("room");
            t += 1;
        }
        w.flush().await.ok();
        assert!(t < 1_000_000, "the bound of the folder is never reached");
    }
    let size: u64 = std::fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .map(|e| e.metadata().map_or(0, |m| m.len()))
        .sum();
    assert!(size <= (64 << 10) + 10 * 8, "{size} bytes");
    let c = w.close(Duration::from_millis(20)).await;
    assert_eq!(c.pushed, t as u64);
    assert_eq!(c.pushed, c.written + c.lost() + c.queued);
    assert_eq!(c.queued, c.on_disk);
}

#[tokio::test]
async fn a_wrong_token_keeps_the_samples_until_it_is_mended() {
    let wrong = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&wrong);
    let node = FakeNode::start([]).await.rule(move |_| seen.load(Ordering::SeqCst).then(|| Say::status(401)));
    let folder = tempfile::tempdir().expect("a folder");
    let w = writer(&node.url, folder.path(), 1 << 20);
    w.push(sample(1)).await.expect("room");
    w.flush().await.expect("it is on disk");
    assert_eq!(w.counters().on_disk, 1);
    wrong.store(false, Ordering::SeqCst);
    wait_until(SOON, || w.counters().written == 1).await;
}
