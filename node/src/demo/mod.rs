//! `plimsoll demo`: a node with a simulated fleet of agent loops and this host's own metrics.
//!
//! Owns: the simulator and what the demo prints. The node is the same as `plimsoll start` runs.

mod simulator;

use crate::boot::{DemoArgs, Node, run_until_stopped};
use crate::collector::{Collector, Row};
use crate::host::{self, Host};
use anyhow::Context;
use plimsoll_cluster_config::{LoadArgs, Settings};
use ractor::Actor;
use simulator::Fleet;
use std::path::PathBuf;
use std::time::Duration;

/// History that is there from the start, so that the first query has an answer.
const HISTORY_S: i64 = 15 * 60;
/// Seconds between two samples of the history; live samples come every second.
const HISTORY_STEP_S: i64 = 5;
/// Rows in one write.
const ROWS: usize = 5_000;

/// Runs the demo until it is stopped.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let temporary = args.data_dir.is_none().then(Temporary::new).transpose()?;
    let data_dir = match (&args.data_dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(temporary)) => temporary.0.clone(),
        (None, None) => anyhow::bail!("no folder for the demo"),
    };
    let load = LoadArgs::new().flag("--data-dir", "node.data_dir", Some(data_dir.display())).flag(
        "--listen",
        "node.listen",
        Some(&args.listen),
    );
    let settings = Settings::load(load)?;
    crate::telemetry::install_logs("warn", false);
    let node = Node::start(settings).await?;
    let mut fleet = Fleet::new(args.agents, 7);
    backfill(&mut fleet, node.collector()).await?;
    let live = tokio::spawn(feed(fleet, node.collector().clone()));
    let host_args = host::Args {
        collector: node.collector().clone(),
        instance: "localhost".to_owned(),
        interval: Duration::from_secs(1),
    };
    let (host, _) = Host::spawn(None, Host, host_args).await?;
    greet(&node, args.agents);
    let outcome = run_until_stopped(node, args.seconds.map(Duration::from_secs)).await;
    live.abort();
    host.stop(None);
    drop(temporary);
    outcome
}

/// Writes the last quarter of an hour at once.
async fn backfill(fleet: &mut Fleet, collector: &Collector) -> anyhow::Result<()> {
    let now = crate::now_ms();
    let mut rows = Vec::new();
    let mut back = HISTORY_S;
    while back > 0 {
        rows.extend(fleet.step(now - back * 1000, HISTORY_STEP_S as f64));
        back -= HISTORY_STEP_S;
        if rows.len() >= ROWS || back <= 0 {
            write(collector, std::mem::take(&mut rows)).await?;
        }
    }
    Ok(())
}

async fn feed(mut fleet: Fleet, collector: Collector) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let rows = fleet.step(crate::now_ms(), 1.0);
        if let Err(e) = write(&collector, rows).await {
            tracing::warn!(error = %e, "the demo's samples were not taken");
        }
    }
}

async fn write(collector: &Collector, rows: Vec<Row>) -> anyhow::Result<()> {
    let receipt = collector.rows(rows).await.context("the demo's samples were not taken")?;
    metrics::counter!("plimsoll_ingest_samples_total", "format" => "demo")
        .increment(receipt.decoded.samples());
    Ok(())
}

fn greet(node: &Node, agents: usize) {
    let url = format!("http://{}", node.address());
    let flag = if node.address().port() == 7777 { String::new() } else { format!(" --url {url}") };
    println!(
        "
Plimsoll demo: {agents} agent loops and this host, live. Stop with Ctrl-C.

  start page   {url}/
  PromQL API   {url}/api/v1/query?query=active_loops
  own metrics  {url}/metrics

Ask it from another terminal:

  plimsoll query{flag} 'sum by (loop_type) (rate(llm_tokens_used[5m]))'
  plimsoll query{flag} 'histogram_quantile(0.95, sum by (le, loop_type) (rate(loop_execution_duration_bucket[5m])))'
  plimsoll query{flag} 'topk(3, sum by (tool) (increase(tool_invocations[10m])))'
  plimsoll range{flag} 'avg(system_cpu_usage)' --start now-5m
  plimsoll top{flag}

Use it from Prometheus or Grafana:

  remote_write url    {url}/api/v1/write
  Grafana data source {url}   (type Prometheus)
"
    );
}

/// A folder that goes with the demo.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("plimsoll-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}: name a folder with --data-dir", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // what is left behind lies in the folder for temporary files
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
