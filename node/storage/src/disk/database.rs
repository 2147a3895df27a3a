//! The one RocksDB of a node.

use super::shards::Shards;
use crate::Error;
use crate::index::Patterns;
use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, ErrorKind,
    LogLevel, WriteBufferManager, WriteOptions,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NODE: &str = "node";
const WORKPLACE: &str = "compacting";

/// How much memory and how many files the database may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// Cache of disk blocks, shared by all shards. What is read is compressed, so little goes a long way.
    pub block_cache_bytes: usize,
    /// Budget of all write buffers together.
    pub write_buffer_bytes: usize,
    /// Files held open.
    pub max_open_files: i32,
    /// Called at every step that writes; answers whether to fail there.
    #[cfg(test)]
    pub(crate) fault: FaultHook,
    /// No work in the background, so that the directory can be copied at any moment.
    #[cfg(test)]
    pub(crate) quiet: bool,
}

/// The hook by which tests stop a write between two steps.
#[cfg(test)]
#[derive(Clone)]
pub(crate) struct FaultHook(pub(crate) Arc<dyn Fn(&'static str) -> bool + Send + Sync>);

#[cfg(test)]
impl std::fmt::Debug for FaultHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultHook")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            block_cache_bytes: 16 << 20,
            write_buffer_bytes: 32 << 20,
            max_open_files: 512,
            #[cfg(test)]
            fault: FaultHook(Arc::new(|_| false)),
            #[cfg(test)]
            quiet: false,
        }
    }
}

/// Memory that the database uses, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseMemory {
    /// Blocks in the cache.
    pub block_cache: u64,
    /// Write buffers that are not flushed.
    pub write_buffers: u64,
    /// Indexes of table files outside the cache.
    pub table_readers: u64,
}

/// The database with what all shards share.
pub(crate) struct Inner {
    pub(crate) rocks: DB,
    pub(crate) patterns: Patterns,
    pub(crate) shards: Mutex<Shards>,
    dir: PathBuf,
    cache: Cache,
    shard_options: rocksdb::Options,
    #[cfg(test)]
    fault: FaultHook,
}

/// The RocksDB database of one node: a column family `node` and one for each shard.
#[derive(Clone)]
pub struct Database {
    pub(crate) inner: Arc<Inner>,
}

impl Database {
    /// Opens the database in `dir`, or makes one.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        std::fs::create_dir_all(dir)?;
        // Table files of merges and transfers that a crash cut short.
        match std::fs::remove_dir_all(dir.join(WORKPLACE)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        let cache = Cache::new_lru_cache(options.block_cache_bytes);
        let db = database_options(&options, &cache);
        #[allow(unused_mut)]
        let mut shard_options = family_options(Some(&cache));
        #[cfg(test)]
        shard_options.set_disable_auto_compactions(options.quiet);
        let found = if holds_database(dir)? {
            DB::list_cf(&db, dir).map_err(|e| unopenable(dir, e))?
        } else {
            Vec::new()
        };
        let mut names = found.clone();
        for needed in ["default", NODE] {
            if !names.iter().any(|n| n == needed) {
                names.push(needed.to_owned());
            }
        }
        let family = |n: String| ColumnFamilyDescriptor::new(n, shard_options.clone());
        let rocks = DB::open_cf_descriptors(&db, dir, names.into_iter().map(family));
        let rocks = rocks.map_err(|e| unopenable(dir, e))?;
        let inner = Inner {
            rocks,
            patterns: Patterns::default(),
            shards: Mutex::default(),
            dir: dir.to_owned(),
            cache,
            shard_options,
            #[cfg(test)]
            fault: options.fault,
        };
        inner.find_shards(&found)?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A value of the node's own column family.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.inner.node_row(key)
    }

    /// Sets a value of the node's own column family; durable when this returns.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.inner.put_node_row(key, value)
    }

    /// Size of the files in the database's directory.
    pub fn disk_bytes(&self) -> Result<u64, Error> {
        let mut total = 0;
        for entry in std::fs::read_dir(&self.inner.dir)? {
            // A file may be gone by now: compaction goes on beside us.
            total += entry?.metadata().map_or(0, |m| m.len());
        }
        Ok(total)
    }

    /// Memory of the caches and buffers.
    pub fn memory(&self) -> Result<DatabaseMemory, Error> {
        let mut out =
            DatabaseMemory { block_cache: self.inner.cache.get_usage() as u64, ..Default::default() };
        for name in self.inner.shards.lock().families().chain([NODE.to_owned()]) {
            let Some(family) = self.inner.rocks.cf_handle(&name) else { continue };
            let of = |property| {
                let value = self.inner.rocks.property_int_value_cf(&family, property);
                value.map(Option::unwrap_or_default)
            };
            out.write_buffers += of("rocksdb.cur-size-all-mem-tables")?;
            out.table_readers += of("rocksdb.estimate-table-readers-mem")?;
        }
        Ok(out)
    }
}

impl Inner {
    fn node_family(&self) -> Arc<BoundColumnFamily<'_>> {
        self.rocks.cf_handle(NODE).expect("the family was opened with the database and nobody drops it")
    }

    /// A row of the node's own column family.
    pub(crate) fn node_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rocks.get_cf(&self.node_family(), key)?)
    }

    /// Writes a row of the node's own column family; durable when this returns.
    pub(crate) fn put_node_row(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Ok(self.rocks.put_cf_opt(&self.node_family(), key, value, &synced)?)
    }

    /// Options of a shard's column family, and of the table files made for it.
    pub(crate) fn table_options(&self) -> &rocksdb::Options {
        &self.shard_options
    }

    /// Where table files are made before they are taken in.
    pub(crate) fn workplace(&self) -> Result<PathBuf, Error> {
        let dir = self.dir.join(WORKPLACE);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Fails when a test asked for it at this step.
    #[cfg(test)]
    pub(crate) fn step(&self, name: &'static str) -> Result<(), Error> {
        if self.fault.0(name) { Err(Error::Injected(name)) } else { Ok(()) }
    }

    #[cfg(not(test))]
    #[inline]
    pub(crate) fn step(&self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }
}

/// Whether `dir` holds a database; files of one without their `CURRENT` must not be taken for an empty folder.
fn holds_database(dir: &Path) -> Result<bool, Error> {
    if dir.join("CURRENT").exists() {
        return Ok(true);
    }
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".sst") {
            let reason = format!("there is {name} and no CURRENT");
            return Err(Error::Unopenable { path: dir.to_owned(), reason });
        }
    }
    Ok(false)
}

/// Tells damage apart from what passes, as a lock that another process holds.
fn unopenable(dir: &Path, e: rocksdb::Error) -> Error {
    let text = e.to_string();
    let damaged =
        matches!(e.kind(), ErrorKind::Corruption | ErrorKind::NotFound | ErrorKind::InvalidArgument)
            || text.contains("No such file");
    if damaged { Error::Unopenable { path: dir.to_owned(), reason: text } } else { Error::Disk(e) }
}

fn database_options(options: &Options, cache: &Cache) -> rocksdb::Options {
    let mut db = rocksdb::Options::default();
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
        options.write_buffer_bytes,
        false,
        cache.clone(),
    );
    db.set_write_buffer_manager(&buffers);
    db.set_max_open_files(options.max_open_files);
    db.set_max_total_wal_size(16 << 20);
    db.set_max_background_jobs(2);
    db.set_keep_log_file_num(2);
    db.set_max_log_file_size(1 << 20);
    db.set_log_level(LogLevel::Warn);
    db.set_stats_dump_period_sec(0);
    db.set_max_manifest_file_size(4 << 20);
    db.set_skip_stats_update_on_db_open(true);
    db
}

/// Options of every column family. Memtables are lean, because there is one a shard; files are small, because
/// only whole files go when a bucket expires. Without a cache they are for files that are only written.
pub(crate) fn family_options(cache: Option<&Cache>) -> rocksdb::Options {
    let mut table = BlockBasedOptions::default();
    match cache {
        Some(cache) => table.set_block_cache(cache),
        None => table.disable_cache(),
    }
    table.set_block_size(16 << 10);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(false);
    let mut family = rocksdb::Options::default();
    family.set_block_based_table_factory(&table);
    // Values are compressed already, each on its own, so that one can be read without its neighbours.
    family.set_compression_type(DBCompressionType::None);
    family.set_write_buffer_size(8 << 20);
    family.set_arena_block_size(64 << 10);
    family.set_memtable_prefix_bloom_ratio(0.0);
    family.set_target_file_size_base(8 << 20);
    family.set_level_compaction_dynamic_level_bytes(true);
    family
}
