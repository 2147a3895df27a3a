use super::Error;
use bytes::Bytes;
use plimsoll_storage::Applied;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Where an answer of the shard goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// All that a shard actor can be asked.
pub(super) enum Msg {
    /// Take this batch (bytes of `plimsoll_model::BatchBuilder`); answered after it is durable and applied.
    Append(Append),
    /// The proposal that was under way has ended; what waits may go next.
    Proposed { stopped: bool },
    /// The raft group has stopped by itself.
    Stopped,
    /// The first batch has waited for others long enough.
    Linger,
    /// Move the head into RocksDB and let the log be cut; the optional reply waits for the end.
    Checkpoint(Option<Reply<()>>),
    /// A checkpoint, a compaction or an expiry has ended.
    Maintained,
    /// Merge the chunks of closed buckets (of all, when forced).
    Compact { force: bool, reply: Option<Reply<()>> },
    /// Forget what is older than the retention.
    Expire,
}

/// A batch that waits for the log, with the credit it holds until it is answered.
pub(super) struct Append {
    pub batch: Bytes,
    pub credit: OwnedSemaphorePermit,
    pub reply: Reply<Applied>,
}
