//! What is wrong with a cluster, and the command that mends it. Pure.

use super::super::exit::Exit;
use super::super::units::{show_bytes, show_duration};
use crate::{Cluster, ClusterNode};
use std::collections::BTreeSet;
use std::time::Duration;

/// Clocks further apart than this make fresh samples invisible, or refused.
const CLOCK_WARN_MS: u64 = 5_000;
/// Copies that outlive the loss of a node while another one is away.
const SAFE_COPIES: u64 = 3;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Finding {
    /// What it is about, in a word.
    pub about: &'static str,
    /// Whether something does not work, or would not after one more loss; otherwise it is advice.
    pub degrades: bool,
    /// What was found.
    pub found: String,
    /// What to do.
    pub fix: String,
}

/// Everything that is wrong with `c`, the worst first.
pub(in crate::cli) fn findings(c: &Cluster) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut add =
        |about, degrades, found: String, fix: String| out.push(Finding { about, degrades, found, fix });
    let shards =
        |state: &str| -> Vec<u64> { c.shards.iter().filter(|s| s.state == state).map(|s| s.id).collect() };
    if !c.quorum {
        let found = "the ownership group has no quorum: data is written and read, but nothing can be moved or changed";
        add("quorum", true, found.into(), "start the nodes that are down".into());
    }
    let leaderless = shards("no_leader");
    if !leaderless.is_empty() {
        let found = format!("{} without a leader take no writes", named("shard", &leaderless));
        add(
            "leaders",
            true,
            found,
            "start the nodes that hold them: plimsoll cluster status --shards".into(),
        );
    }
    for node in members(c) {
        let who = format!("node {} ({})", node.id, node.address);
        if node.state == "dead" && c.shards_on(node.id) == 0 {
            let found = format!("{who} is dead and holds nothing");
            add("node", false, found, format!("plimsoll cluster remove {}", node.id));
        } else if node.state == "dead" {
            let found = format!("{who} is dead; its replicas are being rebuilt elsewhere");
            add("node", true, found, "plimsoll cluster watch".into());
        } else if !node.live {
            let fix = format!("start it again, or give it up: plimsoll cluster replace {}", node.id);
            add("node", true, format!("{who} is not heard of{}", since(node)), fix);
        } else if node.read_only {
            let room = node.disk_free_bytes.map(|b| format!(" ({} free)", show_bytes(b))).unwrap_or_default();
            let fix = "free space on its disk; it takes writes again by itself".to_owned();
            add("disk", true, format!("{who} is read-only{room}"), fix);
        }
    }
    let short = shards("under_replicated");
    if !short.is_empty() {
        let found = format!("{} with too few copies", named("shard", &short));
        add(
            "copies",
            true,
            found,
            "plimsoll cluster watch    (they are rebuilt where there is a node for them)".into(),
        );
    }
    advice(c, &mut add);
    out
}

/// What works, but not as it might.
fn advice(c: &Cluster, add: &mut impl FnMut(&'static str, bool, String, String)) {
    if c.replication < SAFE_COPIES {
        let found = match c.replication {
            0 | 1 => "one copy of the data: a lost disk loses it".to_owned(),
            n => format!("{n} copies of every sample: with one node away nothing can be written"),
        };
        add("replication", false, found, "plimsoll cluster add    (three nodes give three copies)".into());
    }
    let far = |n: &&ClusterNode| n.clock_offset_ms.is_some_and(|ms| ms.unsigned_abs() > CLOCK_WARN_MS);
    for node in members(c).filter(far) {
        let ms = node.clock_offset_ms.unwrap_or_default();
        let side = if ms > 0 { "ahead of" } else { "behind" };
        let by = show_duration(Duration::from_millis(ms.unsigned_abs()));
        let found = format!("the clock of node {} is {by} {side} that of node {}", node.id, c.asked);
        add(
            "clock",
            false,
            found,
            "timedatectl set-ntp true    (on the machine whose clock is wrong)".into(),
        );
    }
    let versions: BTreeSet<&str> = members(c).map(|n| n.version.as_str()).filter(|v| !v.is_empty()).collect();
    if versions.len() > 1 {
        let all = versions.into_iter().collect::<Vec<_>>().join(", ");
        add("versions", false, format!("nodes of versions {all}"), "finish the upgrade".into());
    }
}

/// The state in one sentence, and what it means for the exit code.
pub(in crate::cli) fn verdict(c: &Cluster) -> (String, Exit) {
    let bad: Vec<String> = findings(c).into_iter().filter(|f| f.degrades).map(|f| f.found).collect();
    if !bad.is_empty() {
        return (format!("degraded: {}", bad.join("; ")), Exit::Degraded);
    }
    let nodes = members(c).filter(|n| n.state != "dead").count();
    let copies = match c.replication {
        0 | 1 => "one copy of the data: a lost disk loses it".to_owned(),
        n => format!("{n} copies of every sample"),
    };
    let moving = match c.unsettled().max(c.moves.len()) {
        0 => String::new(),
        n => format!("; {}", counted(n, "shard is moving", "shards are moving")),
    };
    let nodes = counted(nodes, "node", "nodes");
    (format!("healthy: {nodes}, {}, {copies}{moving}", counted(c.shards.len(), "shard", "shards")), Exit::Ok)
}

/// The nodes that belong to the cluster.
pub(in crate::cli) fn members(c: &Cluster) -> impl Iterator<Item = &ClusterNode> {
    c.nodes.iter().filter(|n| n.state != "removed")
}

/// How long ago the node was heard of, as the end of a sentence.
fn since(node: &ClusterNode) -> String {
    let seen = node.seen_seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    seen.map(|s| format!(" for {}", show_duration(s))).unwrap_or_default()
}

pub(in crate::cli) fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `shard 3`, `shards 3, 5`, and for many their number.
fn named(what: &str, ids: &[u64]) -> String {
    match ids {
        [one] => format!("{what} {one}"),
        few if few.len() <= 8 => {
            format!("{what}s {}", few.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))
        }
        many => format!("{} {what}s", many.len()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// Three nodes that are well, changed by `change`.
    pub(in crate::cli::cluster) fn three(change: impl FnOnce(&mut Cluster)) -> Cluster {
        let node = |id: u64| {
            json!({"id": id, "address": format!("10.0.0.{id}:7777"), "state": "active", "live": true,
            "version": "0.1.0", "replicas": 2, "leaders": 1, "seen_seconds": 0.1})
        };
        let shard = |id: u64| json!({"id": id, "replicas": [1, 2, 3], "voters": [1, 2, 3], "leader": 1, "state": "ok"});
        let json = json!({"id": "ab", "epoch": 7, "replication": 3, "leader": 1, "quorum": true, "asked": 2,
            "nodes": [node(1), node(2), node(3)], "shards": [shard(0), shard(1)]});
        let mut cluster = serde_json::from_value(json).expect("a cluster");
        change(&mut cluster);
        cluster
    }

    #[test]
    fn three_nodes_that_are_well_are_healthy() {
        let c = three(|_| {});
        assert_eq!(findings(&c), []);
        let text = "healthy: 3 nodes, 2 shards, 3 copies of every sample".to_owned();
        assert_eq!(verdict(&c), (text, Exit::Ok));
    }

    #[test]
    fn what_does_not_work_degrades_and_names_what_to_do() {
        type Change = fn(&mut Cluster);
        let cases: [(Change, &str, &str); 6] = [
            (|c| c.quorum = false, "no quorum", "start the nodes"),
            (
                |c| c.nodes[1].live = false,
                "node 2 (10.0.0.2:7777) is not heard of",
                "plimsoll cluster replace 2",
            ),
            (|c| c.shards[1].state = "no_leader".into(), "shard 1 without a leader", "status --shards"),
            (
                |c| c.shards[0].state = "under_replicated".into(),
                "shard 0 with too few copies",
                "cluster watch",
            ),
            (|c| c.nodes[0].read_only = true, "node 1 (10.0.0.1:7777) is read-only", "free space"),
            (|c| c.nodes[2].state = "dead".into(), "is dead; its replicas", "cluster watch"),
        ];
        for (change, found, fix) in cases {
            let c = three(change);
            let all = findings(&c);
            assert!(all[0].found.contains(found) && all[0].fix.contains(fix), "{all:?}");
            assert_eq!(verdict(&c).1, Exit::Degraded, "{found}");
        }
    }

    #[test]
    fn advice_does_not_degrade() {
        let c = three(|c| {
            c.replication = 2;
            c.nodes[2].clock_offset_ms = Some(-9_000);
            c.nodes[1].version = "0.2.0".into();
            c.shards[1].learners = vec![4];
        });
        let about: Vec<_> = findings(&c).iter().map(|f| f.about).collect();
        assert_eq!(about, ["replication", "clock", "versions"]);
        let (text, exit) = verdict(&c);
        assert_eq!(exit, Exit::Ok);
        assert!(text.ends_with("2 copies of every sample; 1 shard is moving"), "{text}");
    }

    #[test]
    fn a_removed_node_is_of_no_account() {
        let c = three(|c| {
            c.nodes.push(ClusterNode { id: 4, state: "removed".into(), ..ClusterNode::default() });
        });
        assert_eq!(findings(&c), []);
    }
}
