//! One shard on disk and in memory: head, chunks, index, RocksDB.
//!
//! Owns: samples from the moment they are applied to the moment they expire; every byte in a shard's column family.
//! Does not own: the raft log (a shard goes on from [`Shard::position`]), time (it comes in as an argument), network,
//! threads, retries.
//!
//! A sample's way: [`Shard::apply`] → `head` (open stream, full chunk) → [`Shard::checkpoint`] → a run of superchunks
//! in RocksDB → [`Shard::compact`] → one run a day → [`Shard::expire`]. A query's way: [`Shard::select`] → `index`
//! (matchers to series) → [`Selection::read`] (disk, frozen and open samples joined).

pub mod backup;
mod bucket;
mod codec;
mod disk;
mod error;
mod head;
mod increases;
mod index;
mod rollup;
mod select;
mod shard;
mod transfer;

pub use disk::database::{Database, DatabaseMemory, Options};
pub use error::Error;
pub use head::Counters;
pub use rollup::Fold;
pub use select::Selection;
pub use shard::{
    Applied, AppliedError, Cardinality, Checkpoint, Compacted, DamagedKind, DamagedRange, Deleted, Deletion,
    Digest, Expired, Forgotten, MOST_TOMBSTONES, Repair, Scrubbed, Shard, Statistics,
};
pub use transfer::{ShardSnapshot, Staged};
