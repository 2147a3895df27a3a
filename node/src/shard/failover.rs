//! Elections ahead of their time: peers are watched a node, not a group, so a dead node's leaders are replaced at once.

use super::Shards;
use plimsoll_consensus::Group;
use plimsoll_model::NodeId;
use std::time::Duration;

/// How long a group looks for a new leader before it leaves that to raft's own time-outs: longer than a lease and
/// some lost votes.
const LIMIT: Duration = Duration::from_secs(3);

/// Begins an election in every group whose leader does not answer. To be called in every round of the watch.
pub fn replace_dead_leaders(shards: &Shards) {
    let mut groups: Vec<Group> = vec![shards.cluster().group().clone()];
    groups.extend(shards.locals().iter().filter_map(|s| s.live().ok()).map(|live| live.group));
    for group in groups {
        let Some(dead) = dead_leader(shards, &group) else { continue };
        tokio::spawn(async move {
            if let Err(e) = group.replace_leader(dead, LIMIT).await {
                tracing::debug!(group = %group.id(), %dead, error = %e, "no new leader yet");
            }
        });
    }
}

/// The leader, where it does not answer and enough others do.
fn dead_leader(shards: &Shards, group: &Group) -> Option<NodeId> {
    let (me, view) = (shards.node(), shards.cluster().view());
    let status = group.status();
    let dead = status.leader.filter(|leader| *leader != me && view.suspected_for(*leader).is_some())?;
    let alive = status.voters.iter().filter(|n| **n == me || view.is_alive(**n)).count();
    (alive * 2 > status.voters.len()).then_some(dead)
}
