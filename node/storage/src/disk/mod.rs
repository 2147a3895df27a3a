//! Rows of a shard's column family and the database under them.

pub(crate) mod accounts;
pub(crate) mod columns;
pub(crate) mod database;
pub(crate) mod family;
pub(crate) mod folder;
pub(crate) mod frame;
pub(crate) mod generation;
pub(crate) mod keys;
pub(crate) mod open_streams;
pub(crate) mod rollups;
pub(crate) mod run_writer;
pub(crate) mod series;
pub(crate) mod shards;
pub(crate) mod state;
pub(crate) mod superchunk;
pub(crate) mod tables;
pub(crate) mod tombstones;

/// Why a stored value cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its checksum does not hold, or its bytes make no sense.
    Damaged,
    /// It was written by a newer version.
    Version(u8),
}
