//! Elections ahead of their time: peers are watched a node, not a group, so a dead node's leaders are replaced at once.

use super::Shards;
use plimsoll_consensus::Group;
use plimsoll_model::NodeId;
use std::time::Duration;

/// Between two candidates for the same group, so that they do not split the votes.
const RANK: Duration = Duration::from_millis(300);

/// Stands for election in every group whose leader does not answer. To be called in every round of the watch.
pub fn replace_dead_leaders(shards: &Shards) {
    let mut groups: Vec<Group> = vec![shards.cluster().group().clone()];
    groups.extend(shards.locals().iter().filter_map(|s| s.live().ok()).map(|live| live.group));
    for group in groups {
        if is_my_turn(shards, &group) {
            tokio::spawn(async move {
                // refused until the old lease has run out; the next round tries again
                if let Err(e) = group.elect().await {
                    tracing::debug!(group = %group.id(), error = %e, "no election");
                }
            });
        }
    }
}

fn is_my_turn(shards: &Shards, group: &Group) -> bool {
    let (me, view) = (shards.node(), shards.cluster().view());
    let status = group.status();
    let Some(leader) = status.leader.filter(|l| *l != me) else { return false };
    let Some(dead_for) = view.suspected_for(leader) else { return false };
    let alive: Vec<NodeId> =
        status.voters.iter().copied().filter(|n| *n == me || view.is_alive(*n)).collect();
    if alive.len() * 2 <= status.voters.len() {
        return false;
    }
    let Some(at) = alive.iter().position(|n| *n == me) else { return false };
    // groups begin with different candidates, so that one node does not end up leading all
    let rank = (at + group.id().0 as usize) % alive.len();
    dead_for >= RANK * rank as u32
}
