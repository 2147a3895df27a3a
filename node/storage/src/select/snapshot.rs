use crate::disk::database::Inner;
use rocksdb::{DB, ReadOptions, SnapshotWithThreadMode};
use std::sync::Arc;

/// A RocksDB snapshot that keeps its database alive.
pub(crate) struct Snapshot {
    /// Declared before `db`: fields are dropped in order, and the snapshot must go first.
    inner: SnapshotWithThreadMode<'static, DB>,
    pub(crate) db: Arc<Inner>,
}

impl Snapshot {
    pub(crate) fn new(db: Arc<Inner>) -> Self {
        // SAFETY: the reference points into the allocation of the `Arc`, which does not move and which `self.db`
        // keeps alive for longer than `self.inner`; `inner` is private and never handed out with this lifetime.
        let rocks: &'static DB = unsafe { &*std::ptr::from_ref(&db.rocks) };
        Self { inner: rocks.snapshot(), db }
    }

    /// Options of a read as of this snapshot.
    pub(crate) fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.inner);
        options
    }
}
