//! A shard on its way to another node: read at one moment, sent in pieces, put in place at once.
//!
//! Owns: the bytes of a snapshot (see `docs/formats/snapshot.md`), reading them off a shard, checking them on arrival.
//! Does not own: the way between nodes, when a shard is sent, what a position means.

mod piece;
mod snapshot;
mod staged;

pub(crate) use piece::Arrival;
pub use snapshot::ShardSnapshot;
pub use staged::Staged;
