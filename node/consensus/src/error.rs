//! What can go wrong with a group, told apart by what is known of the proposal.

use crate::options::GroupId;
use plimsoll_model::{Fault, NodeId};
use std::path::PathBuf;

/// What became of a proposal that was answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not and will never be applied: it may be proposed again anywhere.
    NotDone,
    /// It may have been or may still be applied: only what may be done twice may be proposed again.
    PerhapsDone,
}

/// Errors of logs and groups.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another node leads the group, or none that is known here.
    #[error("{group} is led by {}", leader.map_or("no known node".to_owned(), |node| node.to_string()))]
    NotLeader {
        /// The group.
        group: GroupId,
        /// Whom to ask instead, if known.
        leader: Option<NodeId>,
    },
    /// This node leads but has not heard from a majority lately.
    #[error("{group} has no majority of its replicas at present")]
    NoQuorum {
        /// The group.
        group: GroupId,
    },
    /// More proposals wait than the group takes.
    #[error("{group} is busy: {waiting_bytes} bytes of proposals wait")]
    Busy {
        /// The group.
        group: GroupId,
        /// Bytes of proposals that wait for their entries.
        waiting_bytes: usize,
    },
    /// A command larger than an entry may be.
    #[error("a command of {bytes} bytes is over the limit of {limit}; split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// The proposal was appended, and then this node lost sight of it.
    #[error("{group} lost sight of a proposal: {reason}")]
    PerhapsDone {
        /// The group.
        group: GroupId,
        /// How.
        reason: String,
    },
    /// The group has stopped on this node.
    #[error("{group} has stopped: {reason}")]
    Stopped {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// The group already has members.
    #[error("{group} already has members")]
    Initialized {
        /// The group.
        group: GroupId,
    },
    /// The group runs in this process already.
    #[error("{group} already runs in this process")]
    AlreadyRunning {
        /// The group.
        group: GroupId,
    },
    /// A change of members was refused.
    #[error("{group} cannot change its members: {reason}")]
    Members {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// Something did not come true in time.
    #[error("{group}: waited {waited_ms} ms for {what}")]
    Timeout {
        /// The group.
        group: GroupId,
        /// What was waited for.
        what: &'static str,
        /// How long, in milliseconds.
        waited_ms: u64,
    },
    /// A checkpoint failed; the group goes on with the older one.
    #[error("{group} could not be checkpointed: {reason}")]
    Checkpoint {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// The log cannot be opened.
    #[error(
        "the raft log in {} is damaged: {reason}; restore it, or replace this node in the cluster",
        path.display()
    )]
    LogDamaged {
        /// Its directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A group's log and its machine do not fit.
    #[error("{group} is damaged: {reason}; replace this replica")]
    GroupDamaged {
        /// The group.
        group: GroupId,
        /// What is wrong.
        reason: String,
    },
    /// The log could not be written or synced; the process must stop.
    #[error("{reason}; stop this node and look at its disk")]
    LogBroken {
        /// What happened.
        reason: String,
    },
    /// A setting is out of range.
    #[error("settings of {group}: {reason}")]
    Settings {
        /// The group.
        group: GroupId,
        /// Which and why.
        reason: String,
    },
    /// Bytes of a peer that this version cannot read.
    #[error("a peer sent what this version cannot read: {reason}")]
    Protocol {
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// What became of the proposal.
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::PerhapsDone { .. } => Outcome::PerhapsDone,
            _ => Outcome::NotDone,
        }
    }

    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::NotLeader { .. }
            | Error::NoQuorum { .. }
            | Error::Busy { .. }
            | Error::PerhapsDone { .. }
            | Error::Timeout { .. } => Fault::Moment,
            Error::TooLarge { .. }
            | Error::Initialized { .. }
            | Error::Members { .. }
            | Error::Settings { .. } => Fault::Asker,
            Error::Stopped { .. }
            | Error::AlreadyRunning { .. }
            | Error::Checkpoint { .. }
            | Error::LogDamaged { .. }
            | Error::GroupDamaged { .. }
            | Error::LogBroken { .. }
            | Error::Protocol { .. } => Fault::Ours,
        }
    }
}
