//! Keeps the members of the ownership group: every node listens, and up to five of them vote.

use super::Cluster;
use plimsoll_consensus::Status;
use plimsoll_model::NodeId;
use plimsoll_ownership::{Node, NodeState, State};
use std::collections::BTreeSet;
use std::time::Duration;

const ROUND: Duration = Duration::from_millis(300);
/// Entries that a listener may be behind when it begins to vote.
const NEARLY: u64 = 16;

/// What brings the members one step nearer to what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Let a node listen.
    Listen(NodeId),
    /// Make these the voters; the others go on listening.
    Vote(Vec<NodeId>),
    /// Drop those who left the cluster.
    Drop(Vec<NodeId>),
}

/// Runs for ever; does something only on the node that leads the group.
pub async fn keep(cluster: Cluster) {
    loop {
        tokio::time::sleep(ROUND).await;
        if !cluster.group().is_leader() {
            continue;
        }
        let status = cluster.group().status();
        let alive = |node| node == cluster.node_id() || cluster.view().is_alive(node);
        let Some(step) = cluster.read(|state| next(state, &status, &alive)) else { continue };
        tracing::info!(?step, "members of the ownership group");
        let group = cluster.group();
        let taken = match &step {
            Step::Listen(node) => group.add_learner(*node).await,
            Step::Vote(voters) => group.change_voters(voters, true).await,
            Step::Drop(nodes) => group.remove_learners(nodes).await,
        };
        if let Err(e) = taken {
            tracing::debug!(error = %e, ?step, "a step of the ownership group's members is tried again");
        }
    }
}

/// The next step, or nothing when all is as it should be or must wait. Pure.
pub fn next(state: &State, status: &Status, alive: &dyn Fn(NodeId) -> bool) -> Option<Step> {
    let members: BTreeSet<NodeId> = status.voters.iter().chain(&status.learners).copied().collect();
    let belongs = |n: &&Node| n.state != NodeState::Removed;
    if let Some(node) = state.nodes().filter(belongs).find(|n| !members.contains(&n.id) && alive(n.id)) {
        return Some(Step::Listen(node.id));
    }
    let wanted = voters(state, &status.voters, &|node| {
        let matched = status.matched.get(&node).copied().flatten();
        alive(node) && (status.voters.contains(&node) || matched.map(|m| m + NEARLY) >= status.committed)
    });
    let present: BTreeSet<NodeId> = status.voters.iter().copied().collect();
    if !wanted.is_empty() && (wanted != present || status.changing) {
        return Some(Step::Vote(wanted.into_iter().collect()));
    }
    let gone: Vec<NodeId> = status
        .learners
        .iter()
        .filter(|id| state.node(**id).is_none_or(|n| n.state == NodeState::Removed))
        .copied()
        .collect();
    (!gone.is_empty()).then_some(Step::Drop(gone))
}

/// Who should vote: an odd number up to five (two of two nodes, so that both hold the metadata), active nodes before
/// others, present voters before new ones, and only those that are `ready` become voters.
fn voters(state: &State, present: &[NodeId], ready: &dyn Fn(NodeId) -> bool) -> BTreeSet<NodeId> {
    let active = state.nodes().filter(|n| n.state == NodeState::Active).count();
    let count = match active {
        0..=2 => active,
        3 | 4 => 3,
        _ => 5,
    };
    let mut candidates: Vec<(u8, NodeId)> = state
        .nodes()
        .filter(|n| n.state == NodeState::Active)
        .filter_map(|n| match (present.contains(&n.id), ready(n.id)) {
            (true, true) => Some((0, n.id)),
            // silent for a moment, and not yet given up
            (true, false) => Some((1, n.id)),
            (false, true) => Some((2, n.id)),
            (false, false) => None,
        })
        .collect();
    candidates.sort();
    candidates.into_iter().take(count).map(|(_, id)| id).collect()
}
