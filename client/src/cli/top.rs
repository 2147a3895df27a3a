use super::output::{Format, say};
use super::screen::Screen;
use super::units::{show_bytes, show_count, show_duration, show_rate};
use super::{Global, Outcome, cluster::health, escape, exit::Exit, graph};
use crate::{Client, Cluster, Error, Query, Status};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll top
  plimsoll top --every 5s
  plimsoll top --once -o json";

/// Past rates that the sparklines show.
const HISTORY: usize = 40;

/// Running queries that are shown, the longest first, and how much of their text. Only
/// the live view cuts it.
const RUNNING: usize = 5;
const QUERY_CHARS: usize = 100;

/// Arguments of `top`.
#[derive(clap::Args, Clone, Debug)]
pub struct Top {
    /// How often to look.
    #[arg(long, default_value = "2s", value_parser = super::units::duration, value_name = "DURATION")]
    every: Duration,
    /// Look twice, a second apart, print and end.
    #[arg(long)]
    once: bool,
}

impl Top {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.cluster_client()?;
        let mut view = View::default();
        view.take(look(&client).await?);
        if self.once || !std::io::stdout().is_terminal() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            view.take(look(&client).await?);
            match global.output {
                Format::Json | Format::Jsonl => say(&format!("{}\n", view.json()))?,
                Format::Csv => say(&view.csv())?,
                Format::Table | Format::Wide | Format::Md | Format::Html => say(&view.text(usize::MAX))?,
            }
            return Ok(Exit::Ok);
        }
        self.watch(&client, view).await
    }

    async fn watch(&self, client: &Client, mut view: View) -> Outcome {
        let screen = Screen::enter();
        let mut ticks = tokio::time::interval(self.every.max(Duration::from_millis(200)));
        loop {
            screen.draw(&view.text(QUERY_CHARS))?;
            tokio::select! {
                _ = tokio::signal::ctrl_c() => return Ok(Exit::Ok),
                _ = ticks.tick() => {}
            }
            match look(client).await {
                Ok(seen) => view.take(seen),
                // The node may be restarting; the view says so and goes on.
                Err(e) => view.trouble = Some(e.to_string()),
            }
        }
    }
}

/// One look at a node.
struct Seen {
    at: Instant,
    status: Status,
    metrics: BTreeMap<String, f64>,
    running: Vec<Query>,
    /// Of a cluster of several nodes; the rest is about the node that answers.
    cluster: Option<Cluster>,
}

async fn look(client: &Client) -> Result<Seen, Error> {
    let status = client.status().await?;
    // Memory is among the node's own metrics; without them the rest is still worth showing.
    let metrics = client.metrics_text().await.map(|t| sums(&t)).unwrap_or_default();
    let mut running = client.queries().await.map(|q| q.active).unwrap_or_default();
    running.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let cluster = client.cluster().await.ok().filter(|c| health::members(c).count() > 1);
    Ok(Seen { at: Instant::now(), status, metrics, running, cluster })
}

/// The metrics of a text exposition, series of one name added up.
fn sums(text: &str) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let name_len = line.find(['{', ' ']).unwrap_or(line.len());
        let after = match line[name_len..].strip_prefix('{') {
            // Label values may hold braces and blanks; the value follows the last brace.
            Some(rest) => rest.rsplit_once('}').map(|(_, v)| v),
            None => Some(&line[name_len..]),
        };
        let value = after.and_then(|v| v.split_ascii_whitespace().next()).and_then(|v| v.parse::<f64>().ok());
        if let Some(v) = value {
            *out.entry(line[..name_len].to_owned()).or_insert(0.0) += v;
        }
    }
    out
}

#[derive(Default)]
struct View {
    last: Option<Seen>,
    ingest: VecDeque<Option<f64>>,
    queries: VecDeque<Option<f64>>,
    refused_rate: f64,
    trouble: Option<String>,
}

impl View {
    fn take(&mut self, seen: Seen) {
        self.trouble = None;
        if let Some(last) = &self.last {
            let seconds = seen.at.duration_since(last.at).as_secs_f64().max(0.001);
            // A restart sets the counters back: what is there then came since.
            let rate = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now) as f64 / seconds;
            let (now, then) = (&seen.status, &last.status);
            push(&mut self.ingest, rate(now.ingest.samples_total, then.ingest.samples_total));
            push(&mut self.queries, rate(now.queries.total, then.queries.total));
            self.refused_rate = rate(now.ingest.refused_total, then.ingest.refused_total);
        }
        self.last = Some(seen);
    }

    fn ingest_rate(&self) -> f64 {
        self.ingest.back().copied().flatten().unwrap_or(0.0)
    }

    fn query_rate(&self) -> f64 {
        self.queries.back().copied().flatten().unwrap_or(0.0)
    }

    fn memory_bytes(&self) -> Option<u64> {
        let metrics = &self.last.as_ref()?.metrics;
        let names = [
            "process_resident_memory_bytes",
            "plimsoll_process_resident_memory_bytes",
            "plimsoll_memory_bytes",
        ];
        names.iter().find_map(|n| metrics.get(*n)).map(|v| *v as u64)
    }

    fn text(&self, query_chars: usize) -> String {
        let Some(seen) = &self.last else { return String::new() };
        let s = &seen.status;
        let up = Duration::try_from_secs_f64(s.node.uptime_seconds).unwrap_or_default();
        let state = if s.node.ready { "ready" } else { "not ready" };
        let line = |points: &VecDeque<Option<f64>>| {
            graph::sparkline(&points.iter().copied().collect::<Vec<_>>(), HISTORY)
        };
        let mut out = String::new();
        let head = format!("node {} {} {state}, up {}", s.node.id, s.node.version, show_duration(up));
        let mut add = |name: &str, value: String, more: String| {
            let text = format!("  {name:<8} {value:>14}  {more}");
            let _ = writeln!(out, "{}", text.trim_end());
        };
        add("ingest", show_rate(self.ingest_rate()), line(&self.ingest));
        add(
            "refused",
            show_rate(self.refused_rate),
            format!("{} since the start", show_count(s.ingest.refused_total)),
        );
        add("queries", show_rate(self.query_rate()), line(&self.queries));
        add("running", show_count(s.queries.active), String::new());
        add(
            "series",
            show_count(s.storage.series),
            format!("{} samples in the head", show_count(s.storage.head_samples)),
        );
        add("memory", self.memory_bytes().map_or("unknown".into(), show_bytes), String::new());
        add("disk", show_bytes(s.storage.disk_bytes), format!("{} of log", show_bytes(s.storage.log_bytes)));
        for q in seen.running.iter().take(RUNNING) {
            let text: String = q.query.chars().take(query_chars).collect();
            let more = if text.len() < q.query.len() { " ..." } else { "" };
            let _ = writeln!(out, "  {:>8.1}s  {}{more}", q.seconds, escape::terminal(&text));
        }
        if let Some(cluster) = &seen.cluster {
            out.push_str(&nodes(cluster));
        }
        let trouble = self.trouble.as_deref().map(|t| format!("  ! {}\n", escape::terminal(t)));
        format!("{}\n{}{out}", escape::terminal(&head), trouble.unwrap_or_default())
    }

    fn json(&self) -> serde_json::Value {
        let status = self.last.as_ref().map(|seen| &seen.status);
        json!({
            "schema": "plimsoll.top/1",
            "ingest_samples_per_second": self.ingest_rate(),
            "refused_samples_per_second": self.refused_rate,
            "queries_per_second": self.query_rate(),
            "memory_bytes": self.memory_bytes(),
            "status": status,
            "running": self.last.as_ref().map(|seen| &seen.running),
            "cluster": self.last.as_ref().map(|seen| &seen.cluster),
        })
    }

    fn csv(&self) -> String {
        let mut out = "name,value\n".to_owned();
        let Some(seen) = &self.last else { return out };
        let s = &seen.status.storage;
        let rows: [(&str, String); 8] = [
            ("ingest_samples_per_second", self.ingest_rate().to_string()),
            ("refused_samples_per_second", self.refused_rate.to_string()),
            ("queries_per_second", self.query_rate().to_string()),
            ("queries_active", seen.status.queries.active.to_string()),
            ("series", s.series.to_string()),
            ("memory_bytes", self.memory_bytes().map(|m| m.to_string()).unwrap_or_default()),
            ("disk_bytes", s.disk_bytes.to_string()),
            ("log_bytes", s.log_bytes.to_string()),
        ];
        for (name, value) in rows {
            let _ = writeln!(out, "{name},{value}");
        }
        out
    }
}

/// A line a node of the cluster, and the verdict.
fn nodes(c: &Cluster) -> String {
    let mut out = String::new();
    for n in health::members(c) {
        let state = if n.live { n.state.clone() } else { format!("{}, away", n.state) };
        let leads = format!("leads {} of {} shards", n.leaders, n.replicas);
        let line = format!(
            "node {:<3} {state:<14} {leads:<24} {:>9}  {}",
            n.id,
            show_bytes(n.disk_bytes),
            n.address
        );
        let _ = writeln!(out, "  {}", escape::terminal(&line));
    }
    let _ = writeln!(out, "  {}", escape::terminal(&health::verdict(c).0));
    out
}

fn push(points: &mut VecDeque<Option<f64>>, value: f64) {
    if points.len() == HISTORY {
        points.pop_front();
    }
    points.push_back(Some(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: Instant, samples: u64) -> Seen {
        let json = json!({
            "node": {"id": 1, "version": "0.1.0", "ready": true, "uptime_seconds": 65},
            "ingest": {"samples_total": samples},
            "storage": {"series": 10100, "disk_bytes": 1 << 20},
        });
        let metrics = sums("process_resident_memory_bytes 104857600\n");
        let running = vec![Query { query: "sum(\nup)".into(), seconds: 2.5, ..Query::default() }];
        let status = serde_json::from_value(json).expect("a status");
        Seen { at, status, metrics, running, cluster: None }
    }

    #[test]
    fn rates_come_from_two_looks_and_survive_a_restart() {
        let t0 = Instant::now();
        let mut view = View::default();
        view.take(seen(t0, 1_000));
        view.take(seen(t0 + Duration::from_secs(2), 25_000));
        assert_eq!(view.ingest_rate(), 12_000.0);
        view.take(seen(t0 + Duration::from_secs(3), 500));
        assert_eq!(view.ingest_rate(), 500.0);
        let text = view.text(QUERY_CHARS);
        assert!(text.starts_with("node 1 0.1.0 ready, up 1m 5s\n"), "{text}");
        assert!(text.contains("memory          100 MiB"), "{text}");
        assert!(text.contains("2.5s  sum(\\nup)"), "{text}");
        assert_eq!(view.json()["memory_bytes"], json!(104_857_600));
    }

    #[test]
    fn the_nodes_of_a_cluster_are_listed() {
        let mut view = View::default();
        let mut one = seen(Instant::now(), 0);
        let cluster = json!({"quorum": true, "replication": 3, "nodes": [
            {"id": 1, "address": "a:1", "state": "active", "live": true, "leaders": 6, "replicas": 16},
            {"id": 2, "address": "a:2", "state": "active"}]});
        one.cluster = Some(serde_json::from_value(cluster).expect("a cluster"));
        view.take(one);
        let text = view.text(QUERY_CHARS);
        assert!(text.contains("node 1   active         leads 6 of 16 shards"), "{text}");
        assert!(text.ends_with("  degraded: node 2 (a:2) is not heard of\n"), "{text}");
    }

    #[test]
    fn the_history_is_bounded() {
        let t0 = Instant::now();
        let mut view = View::default();
        for i in 0..200 {
            view.take(seen(t0 + Duration::from_secs(i), i));
        }
        assert_eq!(view.ingest.len(), HISTORY);
    }

    #[test]
    fn series_of_one_name_are_added_up() {
        let text = "# TYPE a counter\na{x=\"} 9\"} 1\na{x=\"2\"} 2.5 1700000000000\nb 4\nbroken\n";
        assert_eq!(sums(text), BTreeMap::from([("a".to_owned(), 3.5), ("b".to_owned(), 4.0)]));
    }
}
