//! Three nodes against one: what replication costs, what pushing aggregation down saves, what growing moves.

use crate::profiles::{DataSet, Profile, Shape};
use crate::replay::{Sent, replay_over};
use anyhow::{Context, Result, ensure};
use plimsoll_tests::cluster::Cluster;
use plimsoll_tests::http::Http;
use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

/// After the last acknowledgement nodes still work on what they took.
const SETTLE: Duration = Duration::from_secs(5);
/// A cluster of this size is at rest within this.
const REST: Duration = Duration::from_secs(120);
/// Both questions are asked so often; the median counts.
const RUNS: usize = 5;

/// What shall be measured.
pub struct Plan {
    /// Samples that are in the cluster when it grows.
    pub samples: usize,
    pub end: i64,
}

/// Runs the plan; answers the table.
pub fn run(plan: &Plan) -> Result<String> {
    let full = Profile::Devops.shape();
    let each = DataSet::make(Profile::Devops, Shape { scrapes: 10, ..full }, plan.end, 1).samples() / 10;
    let scrapes = (plan.samples / each.max(1)).max(20);
    eprintln!("making {scrapes} scrapes of {each} series");
    let data = DataSet::make(Profile::Devops, Shape { scrapes, ..full }, plan.end, 1);
    let mut table =
        String::from("| | one node | three nodes, three replicas | ratio |\n|---|---:|---:|---:|\n");
    let (one, cpu_one) = load(&mut Cluster::start(1, &[]), &data)?;
    let mut cluster = Cluster::start(3, &[]);
    cluster.wait_settled(REST);
    let (three, cpu_three) = load(&mut cluster, &data)?;
    row(&mut table, "CPU of all nodes, µs a sample", cpu_one, cpu_three)?;
    row(&mut table, "ingest latency p50, ms", one.latency_ms(0.5), three.latency_ms(0.5))?;
    row(&mut table, "ingest latency p99, ms", one.latency_ms(0.99), three.latency_ms(0.99))?;
    row(&mut table, "samples a second", rate(&one), rate(&three))?;
    pushdown(&mut table, &cluster, data.end)?;
    grow(&mut table, &mut cluster)?;
    Ok(table)
}

fn rate(sent: &Sent) -> f64 {
    sent.acknowledged as f64 / sent.seconds
}

fn row(table: &mut String, what: &str, one: f64, three: f64) -> Result<()> {
    writeln!(table, "| {what} | {one:.2} | {three:.2} | {:.2} |", three / one)?;
    Ok(())
}

fn cpu(cluster: &mut Cluster) -> f64 {
    (0..cluster.len()).map(|at| cluster.node_mut(at).process().cpu_seconds()).sum()
}

/// Sends the data over all nodes; answers what the senders saw, and µs of all nodes' processors a sample.
fn load(cluster: &mut Cluster, data: &DataSet) -> Result<(Sent, f64)> {
    eprintln!("{} nodes take {} samples", cluster.len(), data.samples());
    let nodes: Vec<Http> = (0..cluster.len()).map(|at| cluster.node(at).http()).collect();
    let before = cpu(cluster);
    let sent = replay_over(data, &nodes);
    thread::sleep(SETTLE);
    let spent = cpu(cluster) - before;
    ensure!(sent.failures.is_empty(), "requests failed: {:?}", sent.failures);
    let us = spent * 1e6 / sent.acknowledged.max(1) as f64;
    Ok((sent, us))
}

/// The same rate by aggregation where the data is, and by fetching all raw samples of the range.
fn pushdown(table: &mut String, cluster: &Cluster, end: i64) -> Result<()> {
    let http = cluster.node(0).http();
    let name = "node_cpu_seconds_total";
    let pushed = format!("sum by (mode) (rate({name}[30m]))");
    let raw = format!("{name}[30m]");
    let (pushed_bytes, pushed_ms) = ask(&http, &pushed, end)?;
    let (raw_bytes, raw_ms) = ask(&http, &raw, end)?;
    writeln!(
        table,
        "\n| question to one of three nodes | bytes from the others | median, ms |\n|---|---:|---:|"
    )?;
    writeln!(table, "| `{pushed}` | {pushed_bytes:.0} | {pushed_ms:.1} |")?;
    writeln!(table, "| `{raw}` (all raw samples of it) | {raw_bytes:.0} | {raw_ms:.1} |")?;
    Ok(())
}

/// Bytes that other nodes answered for one question, and the median of its times.
fn ask(http: &Http, query: &str, end: i64) -> Result<(f64, f64)> {
    let before = counter(http, "plimsoll_query_peer_bytes_total")?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let time = end.to_string();
        let answer = http.get("/api/v1/query", &[("query", query), ("time", &time)]);
        let answer = answer.map_err(|e| anyhow::anyhow!("{query}: {e}"))?;
        ensure!(answer.status == 200, "{query}: {}", answer.status);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let bytes = counter(http, "plimsoll_query_peer_bytes_total")? - before;
    Ok((bytes / RUNS as f64, times[RUNS / 2]))
}

/// A counter of a node's own metrics; one that was never counted is 0.
fn counter(http: &Http, name: &str) -> Result<f64> {
    let page = http.get("/metrics", &[]).map_err(|e| anyhow::anyhow!("metrics: {e}"))?;
    let text = String::from_utf8(page.body)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(Ok(0.0), |value| value.parse().context("a counter"))
}

/// A fourth node: how long until it holds its share, and how many bytes that moved.
fn grow(table: &mut String, cluster: &mut Cluster) -> Result<()> {
    // what is on disk is what moves
    for at in 0..cluster.len() {
        let done = cluster.node(at).http().post("/api/v1/admin/checkpoint", &[], b"");
        done.map_err(|e| anyhow::anyhow!("checkpoint: {e}"))?;
    }
    let moved = |cluster: &Cluster| -> Result<f64> {
        (0..3).map(|at| counter(&cluster.node(at).http(), "plimsoll_moved_bytes_total")).sum()
    };
    let before = moved(cluster)?;
    let whole = copy_bytes(&cluster.node(0).http(), cluster)?;
    let began = Instant::now();
    cluster.add();
    cluster.wait_settled(Duration::from_secs(600));
    let seconds = began.elapsed().as_secs_f64();
    // three replicas of everything over four nodes: the new one gets three quarters of one replica
    let ideal = whole * 0.75;
    let bytes = moved(cluster)? - before;
    writeln!(table, "\n| three nodes become four | |\n|---|---:|")?;
    writeln!(table, "| bytes of one copy of all shards, as they are sent | {whole:.0} |")?;
    writeln!(table, "| bytes moved | {bytes:.0} |")?;
    writeln!(table, "| of the ideal (three quarters of it) | {:.2} |", bytes / ideal)?;
    writeln!(table, "| seconds until balanced, the start of the node included | {seconds:.1} |")?;
    Ok(())
}

/// Bytes of one copy of every shard, as a move or a backup sends it.
fn copy_bytes(http: &Http, cluster: &Cluster) -> Result<f64> {
    let view = cluster.view().context("no node answers")?;
    let mut bytes = 0;
    for shard in 0..view["shards"].as_array().context("shards")?.len() {
        let copy = http.get(&format!("/api/v1/backup/shard/{shard}"), &[]);
        let copy = copy.map_err(|e| anyhow::anyhow!("shard {shard}: {e}"))?;
        ensure!(copy.status == 200, "shard {shard}: {}", copy.status);
        bytes += copy.body.len();
    }
    Ok(bytes as f64)
}
