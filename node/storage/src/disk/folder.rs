//! Folders for table files in the making.

use super::database::Database;
use crate::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers the folders, so that two transfers of one shard never meet.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder that goes with its owner. Those that a crash leaves go when the database is opened.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be deleted now is deleted when the database is opened.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Database {
    /// A new folder, empty, on the same disk as the database.
    pub(crate) fn folder(&self, name: &str) -> Result<Folder, Error> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Folder(self.inner.workplace()?.join(format!("{name}-{number}")));
        std::fs::create_dir(&folder.0)?;
        Ok(folder)
    }
}
