//! Whether the disk takes more, and takes it quickly enough to lead.
//!
//! Owns: the look at the file systems of store and log four times a second, and what follows from it ([`Health`]).
//! Does not own: what writers are told (`shard`, `http`), how leadership is given away (`shard`).
//!
//! A node whose disk fills up turns read-only while there is still room for what must go on: votes and heartbeats of
//! raft (some bytes), checkpoints where they fit (they let the log be cut, which frees space), and expiry (it frees
//! space too). Compaction needs room for what it writes beside what it replaces, and waits. Writes are refused before
//! anything is proposed, and the node gives its leaderships away. It recovers by itself.
//!
//! A disk that answers slowly does not make a node read-only: it follows, it does not lead.

mod judge;

pub use judge::{Space, State};

use judge::{Judge, Limits, Verdict};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How often the disk is looked at: at 1 GB a second, more than disks take, 250 MB pass between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// An answer of the disk that takes longer is slow. Twenty heartbeats; a disk under load takes a fraction of it.
const SLOW: Duration = Duration::from_secs(5);

/// Why writes are not taken now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadOnly(pub String);

/// What others ask of the disk. Cheap to clone and to ask.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    read_only: AtomicBool,
    may_lead: AtomicBool,
    free_bytes: AtomicU64,
    floor_bytes: AtomicU64,
    /// In words; looked at only when something is wrong.
    state: Mutex<State>,
}

impl Default for Health {
    /// A disk that nobody watches: all is well.
    fn default() -> Self {
        Self(Arc::new(Shared {
            read_only: AtomicBool::new(false),
            may_lead: AtomicBool::new(true),
            free_bytes: AtomicU64::new(u64::MAX),
            floor_bytes: AtomicU64::new(0),
            state: Mutex::new(State::Writable),
        }))
    }
}

impl Health {
    /// Fails while writes must not be taken, neither from clients nor from a leader.
    pub fn check_writable(&self) -> Result<(), ReadOnly> {
        if !self.0.read_only.load(Relaxed) {
            return Ok(());
        }
        match &*self.0.state.lock() {
            State::ReadOnly { reason } => Err(ReadOnly(reason.clone())),
            // it has just recovered
            State::Writable | State::Slow { .. } => Ok(()),
        }
    }

    /// Whether this node may lead: its disk is neither full nor slow.
    pub fn may_lead(&self) -> bool {
        self.0.may_lead.load(Relaxed)
    }

    /// Whether a checkpoint that writes about `bytes` may begin. Always while writes are taken; on a full disk only
    /// where it fits with room to spare, since it is what lets the log be cut.
    pub fn may_checkpoint(&self, bytes: u64) -> bool {
        !self.0.read_only.load(Relaxed) || self.free_bytes() / 2 > bytes
    }

    /// Whether a compaction that writes about `bytes` may begin: only where what is free stays above the limit.
    pub fn may_compact(&self, bytes: u64) -> bool {
        let floor = self.0.floor_bytes.load(Relaxed);
        !self.0.read_only.load(Relaxed) && self.free_bytes().saturating_sub(bytes) >= floor
    }

    /// Bytes free, of store and log the fewer.
    pub fn free_bytes(&self) -> u64 {
        self.0.free_bytes.load(Relaxed)
    }

    /// All of it in words.
    pub fn state(&self) -> State {
        self.0.state.lock().clone()
    }

    fn publish(&self, verdict: Verdict) {
        let Verdict { state, may_lead, free, floor } = verdict;
        self.0.free_bytes.store(free, Relaxed);
        self.0.floor_bytes.store(floor, Relaxed);
        self.0.may_lead.store(may_lead, Relaxed);
        let read_only = matches!(state, State::ReadOnly { .. });
        metrics::gauge!("plimsoll_disk_free_bytes").set(free as f64);
        metrics::gauge!("plimsoll_disk_read_only").set(f64::from(u8::from(read_only)));
        metrics::gauge!("plimsoll_disk_slow").set(f64::from(u8::from(!may_lead && !read_only)));
        let before = std::mem::replace(&mut *self.0.state.lock(), state.clone());
        // after the words: who sees the mark finds the reason
        self.0.read_only.store(read_only, Relaxed);
        match (&before, &state) {
            (State::ReadOnly { .. }, State::ReadOnly { .. }) | (State::Slow { .. }, State::Slow { .. }) => {}
            (_, State::ReadOnly { reason }) => tracing::error!(%reason, "the node is read-only"),
            (_, State::Slow { since_s }) => {
                tracing::error!(since_s, "the disk is slow; the node gives its leaderships away")
            }
            (State::Writable, State::Writable) => {}
            (_, State::Writable) => {
                tracing::info!("the disk is well again; the node takes writes and may lead")
            }
        }
    }
}

/// Looks at a folder's file system.
pub type Measure = Arc<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;
/// For how long a write or an fsync of the log has been under way; nothing where none is.
pub type Stalled = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// Whether the store takes a write, or why not.
pub type Probe = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What is watched, and how.
pub struct Watch {
    /// The folders of store and log; they may lie on different file systems.
    pub folders: Vec<PathBuf>,
    /// `storage.min_free_disk`.
    pub min_free: u64,
    /// [`measure`], or the numbers of a test.
    pub measure: Measure,
    /// The log's own clock.
    pub stalled: Stalled,
    /// Writes something small into the store: after a full disk RocksDB refuses for some seconds more.
    pub probe: Probe,
}

impl Watch {
    /// Looks for the first time, so that a node on a full disk starts read-only.
    pub fn first(&self, health: &Health) -> Judge {
        let mut judge = Judge::new(Limits { min_free: self.min_free, slow: SLOW });
        let spaces = look(&self.folders, &self.measure);
        health.publish(judge.verdict(Instant::now(), spaces.as_deref().map_err(String::clone), None));
        judge
    }

    /// Looks again and again until it is dropped.
    pub async fn run(self, mut judge: Judge, health: Health) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (folders, measure) = (self.folders.clone(), self.measure.clone());
            let began = Instant::now();
            let mut looking = tokio::task::spawn_blocking(move || look(&folders, &measure));
            // a disk that does not even tell its size: one look hangs, and no second one begins
            let spaces = loop {
                match tokio::time::timeout(INTERVAL, &mut looking).await {
                    Ok(Ok(spaces)) => break spaces,
                    Ok(Err(_)) => return,
                    Err(_) => health.publish(judge.stalled(Instant::now(), began.elapsed())),
                }
            };
            let stalled = (self.stalled)();
            let mut verdict =
                judge.verdict(Instant::now(), spaces.as_deref().map_err(String::clone), stalled);
            let recovers =
                health.check_writable().is_err() && !matches!(verdict.state, State::ReadOnly { .. });
            if recovers && let Err(reason) = self.try_store().await {
                verdict = judge.verdict(Instant::now(), Err(reason), stalled);
            }
            health.publish(verdict);
        }
    }

    async fn try_store(&self) -> Result<(), String> {
        let probe = self.probe.clone();
        let tried = tokio::task::spawn_blocking(move || probe()).await;
        let tried = tried.unwrap_or_else(|e| Err(e.to_string()));
        tried.map_err(|e| format!("the disk has room again, the store does not take writes yet: {e}"))
    }
}

/// What the system says of the file system of `folder`: what is free to this process, and all of it.
pub fn measure(folder: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

fn look(folders: &[PathBuf], measure: &Measure) -> Result<Vec<Space>, String> {
    let one = |folder: &PathBuf| {
        measure(folder).map_err(|e| format!("{} cannot be looked at: {e}", folder.display()))
    };
    folders.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_tests::wait::wait_until;

    const GIB: u64 = 1 << 30;

    fn watch(free: &Arc<AtomicU64>, stalled_ms: &Arc<AtomicU64>) -> Watch {
        let (free, stalled_ms) = (free.clone(), stalled_ms.clone());
        Watch {
            folders: vec![PathBuf::from("store"), PathBuf::from("log")],
            min_free: GIB,
            measure: Arc::new(move |folder| match folder.ends_with("log") {
                true => Ok(Space { free: free.load(Relaxed), total: 100 * GIB }),
                false => Ok(Space { free: 50 * GIB, total: 100 * GIB }),
            }),
            stalled: Arc::new(move || match stalled_ms.load(Relaxed) {
                0 => None,
                ms => Some(Duration::from_millis(ms)),
            }),
            probe: Arc::new(|| Ok(())),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_node_stays_read_only_until_the_store_takes_writes_again() {
        let (free, stalled_ms) = (Arc::new(AtomicU64::new(2 * GIB)), Arc::<AtomicU64>::default());
        let recovered = Arc::new(AtomicBool::new(false));
        let (health, mut watch) = (Health::default(), watch(&free, &stalled_ms));
        let store = recovered.clone();
        watch.probe = Arc::new(move || if store.load(Relaxed) { Ok(()) } else { Err("no space".to_owned()) });
        let judge = watch.first(&health);
        let watching = tokio::spawn(watch.run(judge, health.clone()));
        let done = tokio::task::spawn_blocking(move || {
            let within = Duration::from_secs(2);
            free.store(GIB - 1, Relaxed);
            wait_until("the node to turn read-only", within, || health.check_writable().is_err());
            free.store(2 * GIB, Relaxed);
            let reason = || health.check_writable().err().map(|e| e.0).unwrap_or_default();
            wait_until("the store to be asked", within, || reason().contains("does not take writes yet"));
            recovered.store(true, Relaxed);
            wait_until("the node to recover", within, || health.check_writable().is_ok());
        });
        done.await.expect("all of it held");
        watching.abort();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_fills_up_and_empties_turns_the_node_read_only_and_back() {
        let (free, stalled_ms) = (Arc::new(AtomicU64::new(2 * GIB)), Arc::<AtomicU64>::default());
        let (health, watch) = (Health::default(), watch(&free, &stalled_ms));
        let judge = watch.first(&health);
        assert_eq!((health.check_writable(), health.may_lead()), (Ok(()), true));
        assert!(health.may_compact(GIB) && !health.may_compact(2 * GIB));
        let watching = tokio::spawn(watch.run(judge, health.clone()));
        let asked = health.clone();
        let within = Duration::from_secs(1);
        let turned = tokio::task::spawn_blocking(move || {
            free.store(GIB - 1, Relaxed);
            wait_until("the node to turn read-only", within, || asked.check_writable().is_err());
            let said = asked.check_writable().expect_err("read-only").to_string();
            assert!(said.contains("storage.min_free_disk"), "{said}");
            assert!(!asked.may_lead() && !asked.may_compact(0) && asked.may_checkpoint(GIB / 4));
            assert!(!asked.may_checkpoint(GIB));
            free.store(2 * GIB, Relaxed);
            wait_until("the node to recover", within, || asked.check_writable().is_ok() && asked.may_lead());
            stalled_ms.store(6000, Relaxed);
            wait_until("the node to step back", within, || !asked.may_lead());
            assert!(asked.check_writable().is_ok(), "a slow disk takes what it is given");
            assert!(matches!(asked.state(), State::Slow { .. }));
        });
        turned.await.expect("all of it held");
        watching.abort();
    }

    #[test]
    fn the_space_of_a_real_folder_is_told() {
        let space = measure(&std::env::temp_dir()).expect("there is a temporary folder");
        assert!(space.total >= space.free && space.total > 0, "{space:?}");
        assert!(measure(Path::new("/no/such/folder")).is_err());
    }
}
