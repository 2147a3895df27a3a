//! What the health report says of the cluster.

use super::Analytics;
use plimsoll_analytics::report::{Check, Report, State};
use plimsoll_model::NodeId;
use plimsoll_ownership::NodeState;

fn check(name: &str, of: String, state: State, seen: String, next: &str) -> Check {
    let next = if state >= State::Warn { next.to_owned() } else { String::new() };
    Check { name: name.to_owned(), of, state, seen, next }
}

impl Analytics {
    pub(super) fn cluster_checks(&self) -> Vec<Check> {
        let shards = &self.0.parts.shards;
        let cluster = shards.cluster();
        let mut checks = Vec::new();
        let nodes: Vec<(NodeId, NodeState, String)> =
            cluster.read(|s| s.nodes().map(|n| (n.id, n.state, n.address.clone())).collect());
        for (id, state, address) in nodes.into_iter().filter(|(_, s, _)| *s != NodeState::Removed) {
            let me = id == shards.node();
            let alive = me || cluster.view().is_alive(id);
            let judged = match (alive, state) {
                (false, _) | (_, NodeState::Dead) => State::Bad,
                (true, NodeState::Active) => State::Ok,
                _ => State::Warn,
            };
            let seen = format!("{address} is {state}{}", if alive { "" } else { " and does not answer" });
            checks.push(check("node", id.to_string(), judged, seen, "plimsoll cluster status"));
            let own = me.then(|| (self.0.parts.report)());
            if let Some(report) = own.or_else(|| cluster.view().of(id).map(|(_, report)| report)) {
                let judged = if report.read_only { State::Bad } else { State::Ok };
                let free = report.disk_free_bytes as f64 / (1u64 << 30) as f64;
                let seen = format!("{free:.1} GiB free{}", if report.read_only { ", read-only" } else { "" });
                checks.push(check("disk", id.to_string(), judged, seen, "free disk space on this node"));
            }
        }
        checks.push(self.shard_check());
        checks
    }

    fn shard_check(&self) -> Check {
        let shards = &self.0.parts.shards;
        let (active, wanted) = shards.cluster().read(|s| {
            let active = s.nodes().filter(|n| n.state == NodeState::Active).count();
            (active, usize::from(s.replication()))
        });
        let lost = shards.leaderless().len();
        let thin = shards
            .all()
            .filter_map(|id| shards.leader_report(id))
            .filter(|(_, report)| report.voters.len() < active.min(wanted))
            .count();
        let (state, seen) = match (lost, thin) {
            (0, 0) => (State::Ok, format!("{} shards have a leader and all copies", shards.count())),
            (0, thin) => (State::Warn, format!("{thin} shards have too few copies")),
            (lost, thin) => (State::Bad, format!("{lost} shards have no leader, {thin} too few copies")),
        };
        check("shards", String::new(), state, seen, "plimsoll cluster status --shards")
    }
}

/// Whether all tokens have a price.
pub(super) fn prices(tokens: &Report) -> Check {
    let unpriced = tokens.notes.iter().find(|note| note.contains("have no price"));
    let (state, seen) = match unpriced {
        Some(note) => (State::Warn, note.clone()),
        None => (State::Ok, "all tokens that were used have a price".to_owned()),
    };
    check("prices", String::new(), state, seen, "plimsoll report tokens")
}
