//! The newest samples of a shard, in memory.
//!
//! Owns: open streams, full chunks and late samples that no checkpoint has written; which series are active in
//! which bucket; the list of runs on disk.
//! Does not own: labels (`index`), rows (`disk`).
//!
//! Invariant: a late sample is older than every open sample of its series, so that a late one always wins over what
//! is written in the same or an earlier checkpoint.

mod append;
pub(crate) mod chunk;
pub(crate) mod column;
mod delete;
mod freeze;
mod increase;
pub(crate) mod late;

pub(crate) use append::Outcome;
pub(crate) use freeze::Frozen;
pub(crate) use increase::Counted;

use crate::bucket::{Bucket, LastBucket};
use crate::codec::open::Open;
use crate::disk::state::Runs;
use crate::disk::tombstones::Tombstones;
use crate::increases::Accounts;
use crate::index::RefMap;
use chunk::{Chunk, OpenHistograms, Sealer};
use late::LateSamples;
use plimsoll_model::{SeriesRef, Timestamp};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What the head keeps of one series.
#[derive(Default)]
pub(crate) struct Series {
    pub(crate) open: Open,
    /// Bucket of the open samples.
    bucket: i32,
    /// Whether any sample is known, so that the newest timestamp means something.
    sampled: bool,
    pub(crate) histograms: Option<Box<OpenHistograms>>,
    pub(crate) chunks: Vec<Arc<Chunk>>,
}

/// Series by the bucket in which they have samples.
pub(crate) type Active = BTreeMap<Bucket, RoaringBitmap>;

/// The head of one shard.
pub(crate) struct Head {
    pub(crate) series: RefMap<Series>,
    pub(crate) late: HashMap<SeriesRef, LateSamples>,
    /// Totals of series whose senders do not add up.
    pub(crate) increases: Accounts,
    pub(crate) active: Active,
    /// The part of `active` that no checkpoint has written.
    pub(crate) fresh: Active,
    /// Series that the batch being applied has defined and not sampled.
    undated: RoaringBitmap,
    /// What the running checkpoint writes; readers still find it here.
    pub(crate) frozen: Option<Arc<Frozen>>,
    pub(crate) runs: Arc<Runs>,
    pub(crate) position: Option<Vec<u8>>,
    pub(crate) expired_before: Timestamp,
    /// What was deleted and may still be in the runs.
    pub(crate) tombstones: Arc<Tombstones>,
    /// Numbers of the newest deletions, and how many series each deleted.
    pub(crate) deletions: Vec<(u64, u64)>,
    pub(crate) counters: Counters,
    sealer: Sealer,
    day: LastBucket,
}

/// Samples by what became of them, since the shard was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Taken in, replacements included.
    pub stored: u64,
    /// Equal to one that is there.
    pub duplicates: u64,
    /// Took the place of a different one.
    pub replaced: u64,
    /// Older than another of their series.
    pub out_of_order: u64,
    /// Of a series that the shard does not know.
    pub unknown: u64,
    /// Older than what has expired.
    pub expired: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            series: RefMap::default(),
            late: HashMap::new(),
            increases: Accounts::default(),
            active: Active::new(),
            fresh: Active::new(),
            undated: RoaringBitmap::new(),
            frozen: None,
            runs: Arc::default(),
            position: None,
            expired_before: Timestamp::MIN,
            tombstones: Arc::default(),
            deletions: Vec::new(),
            counters: Counters::default(),
            sealer: Sealer::default(),
            day: LastBucket::default(),
        }
    }
}

impl Head {
    /// Makes room for a series that was just defined.
    pub(crate) fn add(&mut self, r: SeriesRef) {
        self.series.insert(r, Series::default());
        self.undated.insert(r.0);
    }

    /// Puts back a series whose labels were read from disk.
    pub(crate) fn restore(&mut self, r: SeriesRef, bucket: Bucket) {
        if self.series.get(r).is_none() {
            self.series.insert(r, Series::default());
        }
        self.active.entry(bucket).or_default().insert(r.0);
    }

    /// Puts back an open stream.
    pub(crate) fn restore_open(&mut self, r: SeriesRef, open: Open) {
        if let Some(s) = self.series.get_mut(r) {
            s.bucket = Bucket::of(open.first()).0;
            s.sampled = true;
            s.open = open;
        }
    }

    /// Series with samples in a bucket that meets `range`.
    pub(crate) fn active_in(&self, range: plimsoll_model::TimeRange) -> RoaringBitmap {
        // What has expired may have cut the range down to nothing.
        if range.start > range.end {
            return RoaringBitmap::new();
        }
        let buckets = self.active.range(Bucket::of(range.start)..=Bucket::of(range.end));
        buckets.fold(RoaringBitmap::new(), |mut all, (_, active)| {
            all |= active;
            all
        })
    }

    /// Gives back the memory of series that have nothing left.
    fn forget(&mut self, gone: &RoaringBitmap) {
        for r in gone.iter().map(SeriesRef) {
            self.series.remove(r);
            self.late.remove(&r);
            self.increases.remove(r);
        }
    }

    /// Forgets everything in buckets that lie wholly before `before`; answers the series that have nothing left.
    pub(crate) fn expire(&mut self, before: Timestamp) -> RoaringBitmap {
        self.expired_before = self.expired_before.max(before);
        let first = Bucket::of(before);
        let kept = self.active.split_off(&first);
        let expired = std::mem::replace(&mut self.active, kept);
        self.fresh = self.fresh.split_off(&first);
        let mut gone = expired.into_values().fold(RoaringBitmap::new(), |mut all, active| {
            all |= active;
            all
        });
        for active in self.active.values() {
            gone -= active;
        }
        self.forget(&gone);
        if self.runs.keys().next().is_some_and(|b| *b < first) {
            let mut runs = (*self.runs).clone();
            self.runs = Arc::new(runs.split_off(&first));
        }
        gone
    }
}
