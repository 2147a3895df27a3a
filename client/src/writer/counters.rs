use crate::SpillTotals;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of the samples of a [`Writer`](super::Writer) so far.
///
/// `pushed + recovered = written + refused + given_up + unsent + dropped + queued` at any quiet moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Samples taken by `push` and `try_push`.
    pub pushed: u64,
    /// Samples that the node acknowledged.
    pub written: u64,
    /// Samples that the node refused as wrong.
    pub refused: u64,
    /// Samples dropped because the node did not take them within `give_up_after`.
    pub given_up: u64,
    /// Samples that were still waiting when the writer's time to close ran out.
    pub unsent: u64,
    /// Samples dropped because the spill folder was full or could not be used.
    pub dropped: u64,
    /// Samples turned away by `try_push` with `Full`; they are not among the pushed.
    pub turned_away: u64,
    /// Samples waiting, in memory or on disk, or on their way.
    pub queued: u64,
    /// Those of them that wait on disk.
    pub on_disk: u64,
    /// Samples that an earlier process left on disk.
    pub recovered: u64,
    /// Samples that went to disk so far.
    pub spilled: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that were repeats.
    pub retries: u64,
    /// Batches cut in two because the node found them too large.
    pub splits: u64,
}

impl Counters {
    /// Samples that were pushed and will never be stored.
    pub fn lost(&self) -> u64 {
        self.refused + self.given_up + self.unsent + self.dropped
    }
}

/// The same, shared.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub pushed: AtomicU64,
    pub written: AtomicU64,
    pub refused: AtomicU64,
    pub given_up: AtomicU64,
    pub unsent: AtomicU64,
    pub turned_away: AtomicU64,
    pub requests: AtomicU64,
    pub retries: AtomicU64,
    pub splits: AtomicU64,
    pub spilled: AtomicU64,
}

impl Tally {
    pub fn read(&self, disk: SpillTotals) -> Counters {
        let mut c = Counters {
            // Ends before beginnings, so that `queued` never goes below zero.
            written: self.written.load(Relaxed),
            refused: self.refused.load(Relaxed),
            given_up: self.given_up.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            splits: self.splits.load(Relaxed),
            pushed: self.pushed.load(Relaxed),
            queued: 0,
            dropped: disk.dropped,
            on_disk: disk.samples,
            recovered: disk.recovered,
            spilled: self.spilled.load(Relaxed),
        };
        c.queued = (c.pushed + c.recovered).saturating_sub(c.written + c.lost());
        c
    }
}
