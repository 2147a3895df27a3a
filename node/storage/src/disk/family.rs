//! One column family of a shard, held so that it stays readable after it was dropped.

use super::database::Inner;
use crate::Error;
use parking_lot::{RwLock, RwLockReadGuard};
use plimsoll_model::ShardId;
use rocksdb::{BoundColumnFamily, DB, IngestExternalFileOptions, WriteBatch, WriteOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// A generation of a shard: the column family that holds its rows.
///
/// Reads go on after the family was dropped, until the last holder lets go. Writes answer [`Error::Gone`] then: a
/// write to a dropped family would put the whole database into an error state.
pub(crate) struct Family {
    /// Declared before `db`: fields are dropped in order, and the handle must go first.
    handle: Arc<BoundColumnFamily<'static>>,
    /// Whether the family was dropped. Read-locked while something is written, so that none is dropped meanwhile.
    gone: RwLock<bool>,
    pub(crate) id: ShardId,
    name: String,
    pub(crate) db: Arc<Inner>,
}

/// The database as a reference that lives as long as the caller keeps `db`.
///
/// # Safety
/// What is made from the reference must be dropped before the `Arc`, and must not be handed out.
pub(crate) unsafe fn unbound(db: &Arc<Inner>) -> &'static DB {
    // SAFETY: the reference points into the allocation of the `Arc`, which does not move; the caller keeps it alive.
    unsafe { &*std::ptr::from_ref(&db.rocks) }
}

impl Family {
    /// The family `name`, which must have been opened or created.
    pub(crate) fn new(db: Arc<Inner>, id: ShardId, name: String) -> Result<Self, Error> {
        // SAFETY: `handle` is dropped before `db`, and never handed out with this lifetime by a public function.
        let handle = unsafe { unbound(&db) }.cf_handle(&name).ok_or(Error::Gone(id))?;
        Ok(Self { handle, gone: RwLock::new(false), id, name, db })
    }

    /// For reads; a dropped family answers what it held.
    pub(crate) fn handle(&self) -> &Arc<BoundColumnFamily<'static>> {
        &self.handle
    }

    fn alive(&self) -> Result<RwLockReadGuard<'_, bool>, Error> {
        let gone = self.gone.read();
        if *gone { Err(Error::Gone(self.id)) } else { Ok(gone) }
    }

    /// Writes without RocksDB's own log: the raft log is the log of a shard.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let _alive = self.alive()?;
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Ok(self.db.rocks.write_opt(batch, &options)?)
    }

    /// Puts all that was written on disk.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        let _alive = self.alive()?;
        Ok(self.db.rocks.flush_cf(&self.handle)?)
    }

    /// Takes table files in, all or none.
    pub(crate) fn ingest(&self, files: &[PathBuf], options: &IngestExternalFileOptions) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let _alive = self.alive()?;
        let files: Vec<&PathBuf> = files.iter().collect();
        Ok(self.db.rocks.ingest_external_file_cf_opts(&self.handle, options, files)?)
    }

    /// Deletes the table files that lie wholly between two keys.
    pub(crate) fn delete_files(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let _alive = self.alive()?;
        Ok(self.db.rocks.delete_file_in_range_cf(&self.handle, from, to)?)
    }

    /// Rewrites the table files between two keys without what was deleted.
    pub(crate) fn compact(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let _alive = self.alive()?;
        self.db.rocks.compact_range_cf(&self.handle, Some(from), Some(to));
        Ok(())
    }

    /// Drops the family: writes that are under way end first, later ones are refused.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        let mut gone = self.gone.write();
        if *gone {
            return Ok(());
        }
        // Before the drop and even when it fails: a family that is half gone must not be written to.
        *gone = true;
        Ok(self.db.rocks.drop_cf(&self.name)?)
    }
}
