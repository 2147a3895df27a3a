//! The log of all groups of a node: one raft-engine, one writer thread, one fsync at a time.
//!
//! Owns: votes, entries, committed and purged marks on disk; the window of recent entries in memory.
//! Does not own: when a group may be purged (`group`), what an entry means (`apply`).
//!
//! Invariant: what was reported flushed is on disk, and is reported in the order it was appended.

mod disk;
mod memory;
mod record;
mod reserve;
mod stats;
mod store;
#[cfg(test)]
mod suite;
mod window;
mod writer;

pub use memory::MemoryDisk;
pub(crate) use store::{GroupLog, GroupState};

use crate::Error;
use crate::blocking::Blocking;
use crate::options::GroupId;
use crate::raft::{Types, Vote};
use disk::Disk;
use futures::future::BoxFuture;
use openraft::storage::IOFlushed;
use parking_lot::Mutex;
use raft_engine::{Config, Engine, ReadableSize, RecoveryMode};
use reserve::{Files, Reserve};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

/// Operations that may wait for the writer; each is small, their entries are bounded by bytes.
const QUEUE_OPERATIONS: usize = 4096;

/// How long opening a group waits for its former holder to let go.
const CLAIM_WAIT: Duration = Duration::from_secs(10);

/// Sizes of the log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Size of a log file in bytes. Files are dropped whole, so smaller ones give space back sooner.
    pub file_bytes: u64,
    /// Above this size of the log in bytes, [`Log::purge`] names the groups that hold old files back.
    pub checkpoint_above_bytes: u64,
    /// Bytes of the disk that are kept for the log when something else has filled it.
    pub reserve_bytes: u64,
    /// Bytes of entries that may wait for the writer before appends wait.
    pub queued_bytes: u32,
    /// Bytes of one write; more appends than this are not joined before an fsync.
    pub write_bytes: usize,
    /// Bytes of applied entries that a group keeps in memory for peers that are slightly behind.
    pub recent_bytes: usize,
    /// Bytes of entries that a group keeps in memory while they are not yet applied; beyond, they are read back.
    pub unapplied_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            file_bytes: 8 << 20,
            checkpoint_above_bytes: 64 << 20,
            reserve_bytes: 16 << 20,
            queued_bytes: 64 << 20,
            write_bytes: 8 << 20,
            recent_bytes: 256 << 10,
            unapplied_bytes: 16 << 20,
        }
    }
}

/// Size and work of the log since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Bytes of log files on disk.
    pub disk_bytes: u64,
    /// Writes, each with one fsync.
    pub writes: u64,
    /// The fsyncs.
    pub syncs: u64,
    /// Entries written.
    pub entries: u64,
    /// Bytes handed to the files.
    pub written_bytes: u64,
    /// Nanoseconds spent in writing and syncing.
    pub write_nanos: u64,
    /// Nanoseconds of the slowest write, with its fsync, of the last one to two minutes.
    pub slowest_recent_nanos: u64,
}

/// The log of all groups of this node. Clones share it.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) disk: Disk,
    options: LogOptions,
    queue: Mutex<Option<mpsc::Sender<Operation>>>,
    budget: Arc<Semaphore>,
    broken: watch::Sender<Option<String>>,
    stats: stats::Counters,
    claimed: Mutex<HashSet<u64>>,
    released: Notify,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What the writer is asked to put on disk, in order.
pub(crate) struct Operation {
    pub(crate) group: Option<Arc<GroupState>>,
    pub(crate) change: Change,
    pub(crate) done: Done,
    pub(crate) permit: Option<tokio::sync::OwnedSemaphorePermit>,
}

pub(crate) enum Change {
    /// Append entries; `after_truncation` when the present end of the log is only marked, not cut.
    Append { records: Vec<record::Record>, after_truncation: bool },
    /// Save the vote.
    Vote(Vote),
    /// Mark the log as ending with this index.
    Truncate(Option<u64>),
    /// Forget everything up to this entry.
    Purge(crate::raft::LogId),
    /// Forget the group, except for this vote.
    Remove { keep: Option<Vote> },
    /// Only wait for everything before.
    Nothing,
}

/// Who is told when an operation is on disk.
pub(crate) enum Done {
    Flushed(IOFlushed<Types>),
    Waiter(oneshot::Sender<io::Result<()>>),
    Nobody,
}

impl Done {
    pub(crate) fn tell(self, result: io::Result<()>) {
        match self {
            Done::Flushed(callback) => callback.io_completed(result),
            Done::Waiter(waiter) => {
                let _ = waiter.send(result);
            }
            Done::Nobody => {}
        }
    }
}

impl Log {
    /// Opens or creates the log in `dir`, which must not be in use. Blocks while it reads the log.
    ///
    /// A torn tail, as a crash leaves it, is cut off: nothing in it was acknowledged. Any other damage is
    /// [`Error::LogDamaged`].
    pub fn open(dir: &Path, options: LogOptions) -> Result<Self, Error> {
        let config = Config {
            dir: dir.to_string_lossy().into_owned(),
            recovery_mode: RecoveryMode::TolerateTailCorruption,
            recovery_threads: 2,
            // Commands are compressed columns already; lz4 would cost more than it saves.
            batch_compression_threshold: ReadableSize(0),
            target_file_size: ReadableSize(options.file_bytes),
            purge_threshold: ReadableSize(options.file_bytes),
            // Recycled files would keep the whole threshold on disk for good.
            enable_log_recycle: false,
            ..Config::default()
        };
        let damaged = |reason: String| Error::LogDamaged { path: dir.to_path_buf(), reason };
        let reserve = Reserve::beside(dir, options.reserve_bytes);
        let engine = Engine::open_with_file_system(config, Arc::new(Files(reserve.clone())));
        let engine = engine.map_err(|error| damaged(error.to_string()))?;
        let (log, receiver) = Self::on(Disk::Files(Box::new(engine), reserve), options);
        let thread =
            writer::spawn_thread(&log.shared, receiver).map_err(|error| damaged(error.to_string()))?;
        *log.shared.writer.lock() = Some(thread);
        Ok(log)
    }

    /// Opens the log on a simulated disk. It works without any thread of its own, on the runtime of the caller,
    /// and its groups do all of their work there; see [`SeededThread`](crate::SeededThread).
    pub fn in_memory(disk: &MemoryDisk, options: LogOptions) -> Self {
        let (log, receiver) = Self::on(Disk::Memory(disk.clone()), options);
        writer::spawn_task(&log.shared, disk.clone(), receiver);
        log
    }

    fn on(disk: Disk, options: LogOptions) -> (Self, mpsc::Receiver<Operation>) {
        let (sender, receiver) = mpsc::channel(QUEUE_OPERATIONS);
        let shared = Arc::new(Shared {
            disk,
            budget: Arc::new(Semaphore::new(options.queued_bytes as usize)),
            options,
            queue: Mutex::new(Some(sender)),
            broken: watch::Sender::new(None),
            stats: stats::Counters::default(),
            claimed: Mutex::default(),
            released: Notify::new(),
            writer: Mutex::new(None),
        });
        (Self { shared }, receiver)
    }

    /// Where groups on this log do work that may block.
    pub(crate) fn blocking(&self) -> Blocking {
        match self.shared.disk {
            Disk::Files(..) => Blocking::Threads,
            Disk::Memory(_) => Blocking::Inline,
        }
    }

    /// Drops log files that no group needs. Answers, when the log is large, the groups that hold old files
    /// back: they should be checkpointed, which purges them. Blocks on the disk; call it after checkpoints, on
    /// a blocking thread.
    pub fn purge(&self) -> Result<Vec<GroupId>, Error> {
        let large = self.shared.disk.bytes() > self.shared.options.checkpoint_above_bytes;
        self.shared.disk.purge(large)
    }

    /// Size and work of the log.
    pub fn stats(&self) -> LogStats {
        self.shared.stats.read(self.shared.disk.bytes())
    }

    /// How long the write or fsync that is under way has taken so far; `None` when the disk owes nothing. A
    /// disk that hangs shows here long before anything fails.
    pub fn stalled_for(&self) -> Option<Duration> {
        self.shared.stats.stalled_for()
    }

    /// Groups that have anything in the log.
    pub fn groups(&self) -> Vec<GroupId> {
        self.shared.disk.groups().into_iter().map(GroupId).collect()
    }

    /// Why the log cannot be written any more, if so.
    ///
    /// After a failed write or fsync nobody knows what the disk holds. Nothing more is acknowledged, every
    /// group stops, and the process must end: only opening the log anew tells the truth.
    pub fn broken(&self) -> Option<String> {
        self.shared.broken.borrow().clone()
    }

    /// Waits until the log breaks; answers why. The node stops the process then.
    pub async fn wait_broken(&self) -> String {
        let mut broken = self.shared.broken.subscribe();
        let seen = broken.wait_for(Option::is_some).await;
        seen.ok().and_then(|reason| reason.clone()).unwrap_or_else(|| "the log is closed".to_owned())
    }

    /// Erases everything of `group` from the log, its vote as well. Only for a group that never has members
    /// again under this id: a member that forgot its vote could vote twice in a term. The group must not run.
    pub fn remove(&self, group: GroupId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.erase(group, false))
    }

    /// Erases entries and marks of `group`, whose replica was moved away, and keeps its vote: if the replica
    /// comes back, it begins empty and still does not vote twice in a term. The group must not run, and its
    /// removal from the members must be committed. Durable when it answers; may be repeated.
    pub fn forget_group(&self, group: GroupId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.erase(group, true))
    }

    async fn erase(&self, group: GroupId, keep_vote: bool) -> Result<(), Error> {
        let claim = self.claim(group).await?;
        self.wait_for(None, Change::Nothing).await?;
        let state = GroupState::load(group.0, &self.shared)?;
        // Without its log the member cannot go on leading in its term, so the vote is no longer a leader's.
        let keep = state.vote().filter(|_| keep_vote).map(|vote| Vote { committed: false, ..vote });
        self.wait_for(Some(Arc::new(state)), Change::Remove { keep }).await?;
        drop(claim);
        Ok(())
    }

    /// Writes what is queued and closes the log; groups must have been shut down.
    pub fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let sender = self.shared.queue.lock().take();
            drop(sender);
            let thread = self.shared.writer.lock().take();
            if let Some(thread) = thread {
                let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            }
        })
    }

    /// Opens the log of `group` for its only writer.
    pub(crate) async fn open_group(&self, group: GroupId) -> Result<GroupLog, Error> {
        let claim = self.claim(group).await?;
        // A former holder in this process may have left operations in the queue.
        self.wait_for(None, Change::Nothing).await?;
        let shared = Arc::clone(&self.shared);
        let loaded = self.blocking().run(move || GroupState::load(group.0, &shared)).await;
        let state = loaded.map_err(|reason| Error::LogBroken { reason })??;
        Ok(GroupLog::new(self.clone(), Arc::new(state), claim))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    async fn claim(&self, group: GroupId) -> Result<Claim, Error> {
        let free = async {
            loop {
                let released = self.shared.released.notified();
                tokio::pin!(released);
                released.as_mut().enable();
                if self.shared.claimed.lock().insert(group.0) {
                    return Claim { shared: Arc::clone(&self.shared), group: group.0 };
                }
                released.await;
            }
        };
        tokio::time::timeout(CLAIM_WAIT, free).await.map_err(|_| Error::AlreadyRunning { group })
    }

    async fn wait_for(&self, group: Option<Arc<GroupState>>, change: Change) -> Result<(), Error> {
        self.shared
            .durably(group, change)
            .await
            .map_err(|error| Error::LogBroken { reason: error.to_string() })
    }
}

impl Shared {
    /// Queues an operation; waits while the queue is full.
    pub(crate) async fn submit(&self, operation: Operation) -> io::Result<()> {
        let queue = self.queue.lock().clone().ok_or_else(closed)?;
        queue.send(operation).await.map_err(|_| closed())
    }

    /// Queues a change and waits until it is on disk.
    pub(crate) async fn durably(&self, group: Option<Arc<GroupState>>, change: Change) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.submit(Operation { group, change, done: Done::Waiter(sender), permit: None }).await?;
        receiver.await.map_err(|_| closed())?
    }

    /// Takes room for `bytes` that will wait for the writer; waits while there is none.
    pub(crate) async fn room(&self, bytes: usize) -> io::Result<tokio::sync::OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.options.queued_bytes);
        Arc::clone(&self.budget).acquire_many_owned(bytes).await.map_err(|_| closed())
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")
}

/// The right to write a group's log; at most one in a process.
pub(crate) struct Claim {
    shared: Arc<Shared>,
    group: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.claimed.lock().remove(&self.group);
        self.shared.released.notify_waiters();
    }
}
