//! A shard's snapshot as files that outlive its cluster.
//!
//! Owns: the folder of one shard in a backup: table files and a manifest with their checksums, which is written last.
//! Does not own: which shards a backup has, where its folders lie, what else a cluster needs to be restored.
//!
//! A restored shard belongs to a new raft group, so it has no position; refs, series and samples are those of the
//! snapshot. See `docs/formats/backup.md`.

mod manifest;
mod restore;
mod writer;

pub use manifest::{File, Manifest};
pub use restore::{restore, verify};
pub use writer::{Writer, write};

use crate::Error;
use std::path::Path;

/// How far a backup or a restore is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done.
    pub bytes: u64,
    /// Bytes of all; an estimate while a shard is written.
    pub of: u64,
}

fn refused(dir: &Path, reason: impl Into<String>) -> Error {
    Error::Backup { path: dir.to_owned(), reason: reason.into() }
}
