use plimsoll_model::{Fault, ShardId};
use std::path::PathBuf;

/// What can go wrong in a shard's storage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// RocksDB or the disk under it failed.
    #[error("storage on disk failed: {0}")]
    Disk(#[from] rocksdb::Error),
    /// The directory could not be read or written.
    #[error("storage directory failed: {0}")]
    Io(#[from] std::io::Error),
    /// The database's own files are damaged or missing.
    #[error(
        "the database in {} cannot be opened, its files are damaged or missing ({reason}); move the data folder away \
         and replace this node: start one with an empty folder that joins the cluster, and remove this one; in a \
         cluster of one node restore a backup",
        path.display()
    )]
    Unopenable {
        /// The folder.
        path: PathBuf,
        /// What RocksDB found.
        reason: String,
    },
    /// The rows that a start needs are damaged; the shard must be fetched from a replica.
    #[error("{0}: its state or labels on disk are damaged; restore this shard from a replica or a backup")]
    Damaged(ShardId),
    /// The shard was written by a newer version.
    #[error(
        "{shard} has format version {found}, this node reads up to {known}; start a newer version of plimsoll"
    )]
    Version {
        /// The shard.
        shard: ShardId,
        /// Version on disk.
        found: u8,
        /// Newest version this node reads.
        known: u8,
    },
    /// This copy of the shard was replaced or removed while its handle was held.
    #[error("{0}: this copy was replaced or removed; ask for the shard again")]
    Gone(ShardId),
    /// The row that says which copy of a shard counts is damaged.
    #[error(
        "{0}: the row that names its column family is damaged; start this node with an empty data folder and let it \
         be filled from the other nodes, or restore a backup"
    )]
    Generation(ShardId),
    /// A snapshot that arrived cannot be used; the present state was not touched.
    #[error("{shard}: the snapshot cannot be used: {reason}; it has to be sent again")]
    Snapshot {
        /// The shard.
        shard: ShardId,
        /// What is wrong with it.
        reason: String,
    },
    /// A backup cannot be used or made.
    #[error("backup in {}: {reason}", path.display())]
    Backup {
        /// The folder of the shard's backup.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A matcher's regex cannot be used.
    #[error("regex {pattern:?} cannot be used: {reason}")]
    Pattern {
        /// The regex as it was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A fault that a test asked for.
    #[error("a fault was injected at {0}")]
    Injected(&'static str),
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Pattern { .. } | Self::Backup { .. } => Fault::Asker,
            Self::Gone(_) | Self::Snapshot { .. } => Fault::Moment,
            Self::Disk(_)
            | Self::Io(_)
            | Self::Unopenable { .. }
            | Self::Damaged(_)
            | Self::Generation(_)
            | Self::Version { .. }
            | Self::Injected(_) => Fault::Ours,
        }
    }
}
