//! One shard: what the parts of this crate are for.

mod apply;
mod checkpoint;
mod compact;
mod damage;
mod delete;
mod digest;
mod expire;
mod open;
mod scrub;
mod statistics;
#[cfg(test)]
mod tests;

pub use apply::{Applied, AppliedError};
pub use checkpoint::Checkpoint;
pub use compact::Compacted;
pub use damage::{DamagedKind, DamagedRange, Forgotten, Repair};
pub use delete::{Deleted, Deletion, MOST_TOMBSTONES};
pub use digest::Digest;
pub use expire::Expired;
pub use scrub::Scrubbed;
pub use statistics::{Cardinality, Statistics};

use crate::disk::database::Inner;
use crate::disk::family::Family;
use crate::disk::state::State;
use crate::head::Head;
use crate::index::Index;
use damage::Damage;
use parking_lot::{Mutex, RwLock};
use plimsoll_model::ShardId;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// A replica's copy of one shard.
///
/// Appends take the writer's lock and, for moments, that of the head; reads take snapshots under shared locks.
/// Locks are taken in the order of the fields.
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) family: Arc<Family>,
    pub(crate) db: Arc<Inner>,
    /// The state row as it is on disk. One checkpoint, compaction or expiry at a time.
    pub(crate) durable: Mutex<State>,
    /// Held while a command is applied and while the head is frozen, so that both are whole.
    writer: Mutex<()>,
    pub(crate) index: RwLock<Index>,
    pub(crate) head: RwLock<Head>,
    pub(crate) damage: Damage,
    /// Commands that wait for `durable`: a merge gives way to them.
    pressing: AtomicU32,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shard({})", self.id)
    }
}

impl Shard {
    /// The position saved with the last command that was applied.
    pub fn position(&self) -> Option<Vec<u8>> {
        self.head.read().position.clone()
    }

    /// Number of series; cheap, unlike [`Shard::statistics`].
    pub fn series_count(&self) -> u64 {
        self.index.read().len() as u64
    }

    /// The shard.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The column family, for reads.
    pub(crate) fn rows(&self) -> &Arc<rocksdb::BoundColumnFamily<'static>> {
        self.family.handle()
    }
}
