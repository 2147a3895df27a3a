//! What a group says of itself.

use crate::options::GroupId;
use crate::raft::{LogId, Types, WatchReceiver};
use openraft::async_runtime::WatchReceiver as _;
use openraft::{RaftMetrics, ServerState};
use plimsoll_model::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::apply::Progress;

/// State of a group on this node at one moment. Indexes count entries from 0; `None` before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The group.
    pub group: GroupId,
    /// Present term.
    pub term: u64,
    /// The leader that this node knows.
    pub leader: Option<NodeId>,
    /// Whether this node leads.
    pub is_leader: bool,
    /// Whether this node only listens.
    pub is_learner: bool,
    /// Last entry in the log here, on disk or not.
    pub last_log: Option<u64>,
    /// Last entry known to be on a majority.
    pub committed: Option<u64>,
    /// Last entry applied here.
    pub applied: Option<u64>,
    /// Last entry covered by the machine's checkpoint.
    pub checkpoint: Option<u64>,
    /// Last entry purged from the log here.
    pub purged: Option<u64>,
    /// Members that vote; while a change is under way, those of the old and the new set.
    pub voters: Vec<NodeId>,
    /// Members that only listen.
    pub learners: Vec<NodeId>,
    /// Whether a change of members is under way.
    pub changing: bool,
    /// On the leader: the last entry that each member is known to have.
    pub matched: BTreeMap<NodeId, Option<u64>>,
    /// Why the group has stopped, if so.
    pub stopped: Option<String>,
}

impl Status {
    pub(crate) fn of(group: GroupId, metrics: &RaftMetrics<Types>, progress: &Progress) -> Self {
        let index = |id: &Option<LogId>| id.as_ref().map(LogId::index);
        let membership = metrics.membership_config.membership();
        let voters: std::collections::BTreeSet<_> = membership.voter_ids().map(NodeId).collect();
        let matched = metrics.replication.iter().flatten();
        let failed = progress.failed.get().cloned();
        let stopped = metrics.running_state.as_ref().err().map(ToString::to_string);
        Self {
            group,
            term: metrics.current_term,
            leader: metrics.current_leader.map(NodeId),
            is_leader: metrics.state == ServerState::Leader,
            is_learner: metrics.state == ServerState::Learner,
            last_log: metrics.last_log_index,
            committed: index(&metrics.local_committed),
            applied: index(&metrics.last_applied),
            checkpoint: index(&metrics.snapshot),
            purged: index(&metrics.purged),
            voters: voters.into_iter().collect(),
            learners: membership.learner_ids().map(NodeId).collect(),
            changing: membership.get_joint_config().len() > 1,
            matched: matched.map(|(node, id)| (NodeId(*node), index(id))).collect(),
            stopped: failed.or(stopped),
        }
    }
}

/// Follows the status of a group.
#[derive(Clone)]
pub struct StatusWatch {
    pub(crate) group: GroupId,
    pub(crate) receiver: WatchReceiver<RaftMetrics<Types>>,
    pub(crate) progress: Arc<Progress>,
}

impl StatusWatch {
    /// The present status.
    pub fn now(&self) -> Status {
        Status::of(self.group, &self.receiver.borrow_watched(), &self.progress)
    }

    /// Waits for the next change; `None` when the group is gone.
    pub async fn changed(&mut self) -> Option<Status> {
        self.receiver.changed().await.ok()?;
        Some(Status::of(self.group, &self.receiver.borrow_and_update(), &self.progress))
    }
}
