//! What the log has done, and what the disk is doing to it at this moment.

use super::LogStats;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long a slow write is remembered at least, and at most twice that.
const RECENT: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Counters {
    writes: AtomicU64,
    entries: AtomicU64,
    written_bytes: AtomicU64,
    write_nanos: AtomicU64,
    under_way: Mutex<Option<Instant>>,
    slowest: Mutex<Slowest>,
}

/// The slowest write of the present minute and of the one before.
#[derive(Default)]
struct Slowest {
    since: Option<Instant>,
    present: Duration,
    before: Duration,
}

impl Slowest {
    fn turn(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        if passed >= RECENT {
            self.before = if passed < 2 * RECENT { self.present } else { Duration::ZERO };
            self.present = Duration::ZERO;
            self.since = Some(now);
        }
    }

    fn add(&mut self, now: Instant, took: Duration) {
        self.turn(now);
        self.present = self.present.max(took);
    }

    fn now(&mut self, now: Instant) -> Duration {
        self.turn(now);
        self.present.max(self.before)
    }
}

impl Counters {
    /// A write begins; it is under way until the answer is dropped.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        let started = Instant::now();
        *self.under_way.lock() = Some(started);
        UnderWay { counters: self, started }
    }

    /// How long the write that is under way has taken so far.
    pub(super) fn stalled_for(&self) -> Option<Duration> {
        self.under_way.lock().map(|started| started.elapsed())
    }

    pub(super) fn read(&self, disk_bytes: u64) -> LogStats {
        let slowest = self.slowest.lock().now(Instant::now());
        LogStats {
            disk_bytes,
            writes: self.writes.load(Relaxed),
            syncs: self.writes.load(Relaxed),
            entries: self.entries.load(Relaxed),
            written_bytes: self.written_bytes.load(Relaxed),
            write_nanos: self.write_nanos.load(Relaxed),
            slowest_recent_nanos: slowest.as_nanos() as u64,
        }
    }
}

/// A write that has begun.
pub(super) struct UnderWay<'a> {
    counters: &'a Counters,
    started: Instant,
}

impl UnderWay<'_> {
    /// The write came to a good end.
    pub(super) fn written(self, entries: u64, bytes: u64) {
        let counters = self.counters;
        counters.writes.fetch_add(1, Relaxed);
        counters.entries.fetch_add(entries, Relaxed);
        counters.written_bytes.fetch_add(bytes, Relaxed);
        counters.write_nanos.fetch_add(self.started.elapsed().as_nanos() as u64, Relaxed);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.counters.slowest.lock().add(now, now - self.started);
        *self.counters.under_way.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_write_is_remembered_for_a_minute_and_forgotten_after_two() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut slowest = Slowest::default();
        slowest.add(at(0), Duration::from_millis(700));
        slowest.add(at(10), Duration::from_millis(3));
        assert_eq!(slowest.now(at(59)), Duration::from_millis(700));
        slowest.add(at(70), Duration::from_millis(5));
        assert_eq!(slowest.now(at(100)), Duration::from_millis(700));
        assert_eq!(slowest.now(at(131)), Duration::from_millis(5));
        assert_eq!(slowest.now(at(900)), Duration::ZERO);
    }

    #[test]
    fn a_write_is_under_way_until_it_ends_either_way() {
        let counters = Counters::default();
        assert_eq!(counters.stalled_for(), None);
        let write = counters.begin();
        assert!(counters.stalled_for().is_some());
        write.written(3, 100);
        assert_eq!(counters.stalled_for(), None);
        drop(counters.begin());
        assert_eq!(counters.stalled_for(), None);
        let stats = counters.read(0);
        assert_eq!((stats.writes, stats.syncs, stats.entries, stats.written_bytes), (1, 1, 3, 100));
        assert!(stats.slowest_recent_nanos > 0);
    }
}
