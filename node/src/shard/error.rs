use plimsoll_model::{Fault, ShardId};

/// Why a shard did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shard's credit is spent: too many bytes wait for the log. Surely not done.
    #[error("{0} has as many bytes in flight as it may hold; retry in a second")]
    Busy(ShardId),
    /// The shard is being restarted from disk or has no leader. Surely not done.
    #[error("{0} is starting; retry in a second")]
    Unavailable(ShardId),
    /// The shard stopped while the batch was under way. Perhaps done; samples may be sent again.
    #[error("{0} stopped before it could confirm the batch; send it again")]
    Unconfirmed(ShardId),
    /// The node that holds the shard takes no writes. Surely not done.
    #[error("{0} takes no writes: {1}")]
    ReadOnly(ShardId, String),
    /// The batch cannot be read.
    #[error("the batch is malformed: {0}")]
    Malformed(String),
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
            Self::Busy(_) | Self::Unavailable(_) | Self::Unconfirmed(_) | Self::ReadOnly(..) => Fault::Moment,
            Self::Malformed(_) => Fault::Asker,
            Self::Storage(e) => e.fault(),
            Self::Consensus(e) => e.fault(),
        }
    }
}
