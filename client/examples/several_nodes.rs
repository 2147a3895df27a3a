//! A cluster from a program: one url is enough, and any node may die meanwhile. `docs/client.md` shows this file, and a
//! test runs it while a node dies.
//!
//! `cargo run --release -p plimsoll-client --example several_nodes -- http://127.0.0.1:7777`

use plimsoll_client::{Client, Data, Sample, Value, model::Labels};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes `count` samples of a counter and reads the last one back.
pub async fn run(url: &str, count: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let client = Client::builder().url(url).timeout(Duration::from_secs(10)).build()?;

    // Tells about the cluster; the client learns from it where the other nodes are.
    let cluster = client.cluster().await?;
    println!(
        "{} nodes, {} shards, {} copies",
        cluster.nodes.len(),
        cluster.shards.len(),
        cluster.replication
    );

    // Samples in: batched, repeated on another node when one dies, in bounded memory.
    let writer = client.writer().max_memory_bytes(16 << 20).start();
    let labels = Labels::from_pairs([("__name__", "jobs_done_total"), ("queue", "mail")])?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    for i in 0..count {
        let at = now - i64::from(count - i);
        writer.push(Sample::float(labels.clone(), at, f64::from(i + 1))).await?;
    }
    writer.flush().await?; // everything pushed is stored on a majority of its replicas
    let counters = writer.close(Duration::from_secs(5)).await;
    println!("{} written, {} lost", counters.written, counters.lost());

    // A question: asked of whichever node answers.
    let answer = client.query("jobs_done_total{queue=\"mail\"}", None).await?;
    match answer.data {
        Data::Vector(series) => match series.first().map(|s| &s.value) {
            Some(Value::Float(value)) => Ok(*value),
            _ => Err("the counter is not there".into()),
        },
        other => Err(format!("not a vector: {other:?}").into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| Client::DEFAULT_URL.to_owned());
    println!("the counter stands at {}", run(&url, 100).await?);
    Ok(())
}
