use bytes::Bytes;
use plimsoll_model::{Fault, NodeId, ShardId};
use serde::{Deserialize, Serialize};

/// Why a shard did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shard's credit is spent: too many bytes wait for the log. Surely not done.
    #[error("{0} has as many bytes in flight as it may hold; retry in a second")]
    Busy(ShardId),
    /// The shard is being restarted from disk, or this node holds no replica. Surely not done.
    #[error("{0} is starting; retry in a second")]
    Unavailable(ShardId),
    /// The replica that was asked does not lead. Surely not done.
    #[error("{shard} is led by another node; retry in a second")]
    NotLeader {
        /// The shard.
        shard: ShardId,
        /// The one that does, if it is known.
        leader: Option<NodeId>,
    },
    /// Nobody leads the shard, or its leader has no majority. Surely not done.
    #[error("{0} has no majority of its replicas at present; retry in a second")]
    NoQuorum(ShardId),
    /// The shard stopped while the batch was under way. Perhaps done; samples may be sent again.
    #[error("{0} could not confirm the batch in time; send it again")]
    Unconfirmed(ShardId),
    /// The node that holds the shard takes no writes. Surely not done.
    #[error("{0} takes no writes: {1}")]
    ReadOnly(ShardId, String),
    /// Earlier deletions still wait for their days to be merged. Surely not done.
    #[error(
        "{0} has as many deletions waiting to be cleaned from the disk as it may have; it is tried again, or clean now \
         with `POST /api/v1/admin/compact` on its nodes"
    )]
    DeletionsWait(ShardId),
    /// The batch cannot be read.
    #[error("the batch is malformed: {0}")]
    Malformed(String),
    /// The node that was asked failed.
    #[error("{0}")]
    Peer(String),
    /// Storage failed.
    #[error("storage: {0}")]
    Storage(#[from] plimsoll_storage::Error),
    /// The raft group failed.
    #[error("consensus: {0}")]
    Consensus(#[from] plimsoll_consensus::Error),
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Busy(_)
            | Self::Unavailable(_)
            | Self::NotLeader { .. }
            | Self::NoQuorum(_)
            | Self::Unconfirmed(_)
            | Self::DeletionsWait(_)
            | Self::ReadOnly(..) => Fault::Moment,
            Self::Malformed(_) => Fault::Asker,
            Self::Peer(_) => Fault::Ours,
            Self::Storage(e) => e.fault(),
            Self::Consensus(e) => e.fault(),
        }
    }

    /// Whether the same may work in a moment, here or at another replica. Samples may be written twice.
    pub(super) fn is_worth_repeating(&self) -> bool {
        !matches!(self, Self::Busy(_) | Self::DeletionsWait(_)) && self.fault() == Fault::Moment
    }

    /// Its bytes, for the node that asked.
    pub(super) fn encode(&self) -> Bytes {
        let wire = match self {
            Self::Busy(_) => Wire::Busy,
            Self::Unavailable(_) => Wire::Unavailable,
            Self::NotLeader { leader, .. } => Wire::NotLeader(leader.map(|l| l.0)),
            Self::NoQuorum(_) => Wire::NoQuorum,
            Self::Unconfirmed(_) => Wire::Unconfirmed,
            Self::ReadOnly(_, reason) => Wire::ReadOnly(reason.clone()),
            Self::DeletionsWait(_) => Wire::DeletionsWait,
            Self::Malformed(text) => Wire::Malformed(text.clone()),
            Self::Peer(_) | Self::Storage(_) | Self::Consensus(_) => match self.fault() {
                Fault::Moment => Wire::Unavailable,
                Fault::Asker | Fault::Ours => Wire::Failed(self.to_string()),
            },
        };
        postcard::to_allocvec(&wire).unwrap_or_default().into()
    }

    /// The error that `node` told of `shard`.
    pub(super) fn decode(shard: ShardId, node: NodeId, bytes: &[u8]) -> Self {
        match postcard::from_bytes(bytes) {
            Ok(Wire::Busy) => Self::Busy(shard),
            Ok(Wire::Unavailable) => Self::Unavailable(shard),
            Ok(Wire::NotLeader(leader)) => Self::NotLeader { shard, leader: leader.map(NodeId) },
            Ok(Wire::NoQuorum) => Self::NoQuorum(shard),
            Ok(Wire::Unconfirmed) => Self::Unconfirmed(shard),
            Ok(Wire::ReadOnly(reason)) => Self::ReadOnly(shard, reason),
            Ok(Wire::Malformed(text)) => Self::Malformed(text),
            Ok(Wire::DeletionsWait) => Self::DeletionsWait(shard),
            Ok(Wire::Failed(text)) => Self::Peer(format!("{node}: {text}")),
            Err(_) => Self::Peer(format!("{node}: {}", String::from_utf8_lossy(bytes))),
        }
    }
}

/// An error between nodes.
#[derive(Serialize, Deserialize)]
enum Wire {
    Busy,
    Unavailable,
    NotLeader(Option<u64>),
    NoQuorum,
    Unconfirmed,
    ReadOnly(String),
    Malformed(String),
    Failed(String),
    DeletionsWait,
}
