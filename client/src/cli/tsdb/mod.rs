//! Blocks of Prometheus' storage, read as they lie on disk.
//!
//! Source: the format pages of Prometheus' repository (tsdb/docs/format: index, chunks, tombstones) and Gorilla (Pelkonen
//! et al., 2015) for the chunks of floats.
//!
//! Owns: a folder with `meta.json`, `index`, `chunks/` and perhaps `tombstones` → series with their samples.
//! Does not own: the write-ahead log and the head: samples of the last hours are not in blocks (a snapshot has them).
//!
//! Invariant: every length and offset is checked against the file before it is used; every part has its checksum
//! compared.

mod bits;
#[cfg(test)]
mod bits_writer;
mod block;
mod bytes;
mod histogram;
mod index;
mod tombstones;
mod xor;

pub(super) use block::{Block, Meta, find};

/// Samples of a chunk as remote read and blocks have them.
pub(super) use block::{Encoding, decode};

/// Why a block cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{path}: {error}")]
    Io { path: String, error: std::io::Error },
    #[error("{path} is damaged or no block of Prometheus: {why}")]
    Format { path: String, why: String },
}

/// What is wrong with bytes, before it is known where they lie.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault(pub String);

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}
