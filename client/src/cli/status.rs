use super::output::{Cell, Column, Format, Listing, say};
use super::units::{show_bytes, show_count, show_duration};
use super::{Global, Outcome, cluster::health, escape, exit::Exit};
use crate::ShardStatus;
use serde_json::json;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll status
  plimsoll status -o json | jq .status.storage
  plimsoll status --url http://10.0.0.2:7777 || echo 'not well'

Exit code 4: the node is not ready, a shard has no leader, or its cluster is degraded (`plimsoll cluster status`).";

/// Arguments of `status`.
#[derive(clap::Args, Clone, Debug)]
pub struct Status {}

impl Status {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        let status = client.status().await?;
        // A node of an older version does not know of a cluster; what it says of itself is all there is then.
        let cluster = client.cluster().await.ok();
        let verdict = joint(verdict(&status), cluster.as_ref());
        let mut l = shards(&status.shards);
        l.head.insert("verdict".into(), json!(verdict.text));
        l.head.insert("status".into(), json!(status));
        l.head.insert("cluster".into(), json!(cluster));
        match global.output {
            Format::Table | Format::Wide => {
                for line in heading(&status) {
                    say(&format!("{}\n", escape::terminal(&line)))?;
                }
                if !status.shards.is_empty() {
                    say("\n")?;
                    l.print(global.output)?;
                }
                say(&format!("\n{}\n", verdict.text))?;
            }
            other => l.print(other)?,
        }
        Ok(verdict.exit)
    }
}

/// The state in one sentence.
struct Verdict {
    text: String,
    exit: Exit,
}

fn verdict(status: &crate::Status) -> Verdict {
    let leaderless: Vec<String> =
        status.shards.iter().filter(|s| !has_leader(s)).map(|s| s.id.to_string()).collect();
    if !status.node.ready {
        let text = "not ready: the node does not take writes yet; its log says what it waits for".to_owned();
        return Verdict { text, exit: Exit::Degraded };
    }
    if !leaderless.is_empty() {
        let text = format!("degraded: shards without a leader: {}", leaderless.join(", "));
        return Verdict { text, exit: Exit::Degraded };
    }
    let nodes = status.cluster.node_count().unwrap_or(1);
    let text = match (nodes, status.cluster.replication_factor) {
        (_, 0 | 1) => "healthy; one copy of the data: a lost disk loses it".to_owned(),
        (n, rf) => format!("healthy: {n} nodes, {rf} copies of every sample"),
    };
    Verdict { text, exit: Exit::Ok }
}

/// The verdict on the node, or on its cluster where that is the worse one or says more.
fn joint(node: Verdict, cluster: Option<&crate::Cluster>) -> Verdict {
    let Some(cluster) = cluster.filter(|c| node.exit == Exit::Ok && health::members(c).count() > 1) else {
        return node;
    };
    let (text, exit) = health::verdict(cluster);
    Verdict { text, exit }
}

/// The sentence and what it means for the exit code.
pub(super) fn verdict_of(status: &crate::Status) -> (String, Exit) {
    let verdict = verdict(status);
    (verdict.text, verdict.exit)
}

fn has_leader(shard: &ShardStatus) -> bool {
    !matches!(shard.leader.as_str(), "" | "null" | "none")
}

fn heading(status: &crate::Status) -> Vec<String> {
    let (n, s, i) = (&status.node, &status.storage, &status.ingest);
    let seconds = |s: f64| show_duration(Duration::try_from_secs_f64(s).unwrap_or_default());
    let mut lines = vec![format!(
        "node {}  version {}  up {}  listens on {}  data in {}",
        n.id,
        n.version,
        seconds(n.uptime_seconds),
        n.listen,
        n.data_dir
    )];
    lines.push(format!(
        "cluster {}  nodes {}  shards {}  copies {}",
        status.cluster.id,
        status.cluster.node_count().unwrap_or(1),
        status.cluster.shards,
        status.cluster.replication_factor
    ));
    lines.push(format!(
        "storage  {} series  {} samples in the head  {} on disk  {} of log  kept for {}",
        show_count(s.series),
        show_count(s.head_samples),
        show_bytes(s.disk_bytes),
        show_bytes(s.log_bytes),
        seconds(s.retention_seconds)
    ));
    lines.push(format!(
        "ingest   {} samples  {} refused  {} requests",
        show_count(i.samples_total),
        show_count(i.refused_total),
        show_count(i.requests_total)
    ));
    lines.push(format!(
        "queries  {} running  {} answered",
        show_count(status.queries.active),
        show_count(status.queries.total)
    ));
    lines
}

fn shards(all: &[ShardStatus]) -> Listing {
    let columns = vec![
        Column::right("shard"),
        Column::left("role"),
        Column::left("leader"),
        Column::right("term").wide(),
        Column::right("applied").wide(),
        Column::right("series"),
        Column::right("head samples"),
        Column::right("disk"),
    ];
    let mut l = Listing::new("status/1", columns);
    for s in all {
        let row = vec![
            Cell::text(s.id.to_string()),
            Cell::text(&s.role),
            Cell::text(&s.leader),
            Cell::text(s.term.to_string()),
            Cell::count(s.applied),
            Cell::count(s.series),
            Cell::count(s.head_samples),
            Cell::bytes(s.bytes),
        ];
        l.push(row, json!(s));
    }
    l
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &str) -> crate::Status {
        serde_json::from_str(json).expect("a status")
    }

    #[test]
    fn a_node_without_a_leader_or_not_ready_is_degraded() {
        let cases = [
            (
                r#"{"node":{"ready":true},"shards":[{"id":0,"leader":1}],"cluster":{"replication_factor":1}}"#,
                Exit::Ok,
            ),
            (r#"{"node":{"ready":true},"shards":[{"id":3,"leader":null}]}"#, Exit::Degraded),
            (r#"{"node":{"ready":false}}"#, Exit::Degraded),
        ];
        for (json, exit) in cases {
            assert_eq!(verdict(&status(json)).exit, exit, "{json}");
        }
        assert!(verdict(&status(cases[1].0)).text.ends_with("without a leader: 3"));
    }

    #[test]
    fn a_node_that_is_well_in_a_cluster_that_is_not_is_degraded() {
        let well = || verdict(&status(r#"{"node":{"ready":true}}"#));
        let cluster = |live: bool| -> crate::Cluster {
            let node = |id: u64, live: bool| json!({"id": id, "state": "active", "live": live});
            serde_json::from_value(json!({"quorum": true, "nodes": [node(1, true), node(2, live)]}))
                .expect("a cluster")
        };
        assert_eq!(joint(well(), Some(&cluster(true))).exit, Exit::Ok);
        assert_eq!(joint(well(), Some(&cluster(false))).exit, Exit::Degraded);
        let ill = verdict(&status(r#"{"node":{"ready":false}}"#));
        assert!(joint(ill, Some(&cluster(false))).text.starts_with("not ready"));
    }

    #[test]
    fn the_heading_names_every_figure_with_its_unit() {
        let s = status(
            r#"{"node":{"id":1,"version":"0.1.0","uptime_seconds":3700,"listen":"127.0.0.1:7777","data_dir":"d1"},
            "storage":{"series":10100,"disk_bytes":8388608,"retention_seconds":2592000}}"#,
        );
        let text = heading(&s).join("\n");
        assert!(
            text.starts_with("node 1  version 0.1.0  up 1h 1m  listens on 127.0.0.1:7777  data in d1\n"),
            "{text}"
        );
        assert!(text.contains("storage  10,100 series  0 samples in the head  8.00 MiB on disk"), "{text}");
        assert!(text.contains("kept for 30d"), "{text}");
    }
}
