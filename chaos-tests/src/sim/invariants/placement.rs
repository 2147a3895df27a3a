//! After all faults have ended, everything comes to where it should be.

use crate::sim::world::Running;
use plimsoll_model::NodeId;
use plimsoll_ownership::{NodeState, State, placement};
use std::collections::{BTreeMap, BTreeSet};

/// Why the cluster is not yet where it should be; nothing when it is.
pub fn unsettled(running: &BTreeMap<usize, Running>) -> Option<String> {
    let leaders = running.values().filter(|host| host.ownership.is_leader());
    let Some(leader) = leaders.max_by_key(|host| host.ownership.status().term) else {
        return Some("the ownership group has no leader".to_owned());
    };
    let known = leader.metadata.read(|metadata| metadata.0.clone());
    if running.values().any(|host| host.metadata.read(|metadata| metadata.0.epoch()) != known.epoch()) {
        return Some("not every node has the newest metadata".to_owned());
    }
    let moving =
        |node: &&plimsoll_ownership::Node| matches!(node.state, NodeState::Joining | NodeState::Dead);
    if let Some(node) = known.nodes().find(moving) {
        return Some(format!("{} is {}", node.id, node.state));
    }
    misplaced(&known).or_else(|| known.shards().iter().find_map(|shard| off_course(running, shard)))
}

/// A shard that the metadata does not put where it should be.
fn misplaced(state: &State) -> Option<String> {
    let wanted = placement::wanted(state.nodes(), state.shards(), state.replication());
    state.shards().iter().zip(wanted).find_map(|(shard, place)| {
        let (now, then): (BTreeSet<_>, BTreeSet<_>) =
            (shard.replicas.iter().collect(), place.replicas.iter().collect());
        (now != then).then(|| format!("{} is placed on {now:?} instead of {then:?}", shard.id))
    })
}

/// Why a shard is not where the metadata puts it.
fn off_course(running: &BTreeMap<usize, Running>, shard: &plimsoll_ownership::Shard) -> Option<String> {
    let id = shard.id;
    let replicas: Vec<_> = running
        .values()
        .filter_map(|host| host.shards.get(&id).map(|(group, _)| (host.node, group.status())))
        .collect();
    let Some((_, leader)) =
        replicas.iter().filter(|(_, status)| status.is_leader).max_by_key(|(_, s)| s.term)
    else {
        return Some(format!("{id} has no leader"));
    };
    let set = |nodes: &[NodeId]| nodes.iter().copied().collect::<BTreeSet<_>>();
    if set(&leader.voters) != set(&shard.replicas) || !leader.learners.is_empty() || leader.changing {
        return Some(format!(
            "{id} has voters {:?} and learners {:?} instead of {:?}",
            leader.voters, leader.learners, shard.replicas
        ));
    }
    let holders: BTreeSet<NodeId> = replicas.iter().map(|(node, _)| *node).collect();
    if holders != set(&shard.replicas) {
        return Some(format!("{id} is held by {holders:?} instead of {:?}", shard.replicas));
    }
    replicas.iter().find(|(_, status)| status.applied != leader.last_log).map(|(node, status)| {
        format!("{node} has applied {:?} of {:?} entries of {id}", status.applied, leader.last_log)
    })
}
