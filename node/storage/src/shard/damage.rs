//! What is damaged on disk: found, told, and dropped once it was written again.

use super::Shard;
use crate::Error;
use crate::bucket::Bucket;
use crate::disk::keys::{self, Place, RunId};
use crate::disk::state::Run;
use parking_lot::Mutex;
use plimsoll_model::{Labels, TimeRange, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

/// Keys of damaged rows that are remembered; more than these are not told apart.
const REMEMBERED_KEYS: usize = 4096;

/// Series that are named for one damaged row at most: a row holds 512 chunks.
const NAMED_SERIES: usize = 1024;

/// Counters of what was found damaged or done on disk.
#[derive(Default)]
pub(crate) struct Damage {
    /// Keys of damaged rows, or what they begin with; and whether they were missed when the shard was opened.
    keys: Mutex<BTreeMap<Vec<u8>, bool>>,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) compactions: AtomicU64,
}

/// What a damaged row held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagedKind {
    /// Samples of some series.
    Samples,
    /// Timestamps that several series share.
    Timestamps,
    /// Labels.
    Labels,
    /// The newest samples, which were not yet in a chunk.
    Open,
    /// A block of a file, which RocksDB itself refuses, or rows that are missing.
    Block,
}

/// How damage can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Write the samples of the range again through the log, from a replica that has them; then
    /// [`Shard::forget_damage`]. Equal samples change nothing on the replicas that are sound.
    Rewrite,
    /// Labels or the newest samples were lost when the shard was opened: refs would be given out differently from
    /// other replicas, so the whole shard must be fetched from one of them.
    Replace,
}

/// Samples that may be missing because a row is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// First timestamp that may be missing.
    pub start: Timestamp,
    /// Last timestamp that may be missing.
    pub end: Timestamp,
    /// What the row held.
    pub kind: DamagedKind,
    /// The series that may be concerned, when they are known to be few.
    pub series: Option<Vec<Labels>>,
    /// How it can be undone.
    pub repair: Repair,
}

/// What [`Shard::forget_damage`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Days written anew without their damaged rows.
    pub days: u64,
    /// Damaged ranges left, because only a replacement of the shard undoes them or they lie elsewhere.
    pub left: u64,
}

impl Damage {
    /// Notes a damaged row; the same row again is not counted again.
    pub(crate) fn quarantine(&self, key: Vec<u8>) {
        self.note(key, false);
    }

    /// Notes a row that was missed when the shard was opened.
    pub(super) fn missed(&self, key: Vec<u8>) {
        self.note(key, true);
    }

    fn note(&self, key: Vec<u8>, missed: bool) {
        let mut keys = self.keys.lock();
        if keys.len() < REMEMBERED_KEYS {
            *keys.entry(key).or_default() |= missed;
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.keys.lock().len() as u64
    }
}

impl Shard {
    /// What reads, merges, [`Self::scrub`] and the start have found damaged and what still counts.
    pub fn damaged(&self) -> Vec<DamagedRange> {
        let keys = self.damage.keys.lock().clone();
        keys.iter().filter_map(|(key, missed)| self.describe(key, *missed)).collect()
    }

    /// How many ranges [`Shard::damaged`] would tell; cheap when there are none.
    pub fn damage_count(&self) -> u64 {
        if self.damage.rows() == 0 { 0 } else { self.damaged().len() as u64 }
    }

    /// Whether only a whole copy of another replica undoes what is damaged; cheap when nothing is.
    pub fn must_be_replaced(&self) -> bool {
        self.damage.rows() > 0 && self.damaged().iter().any(|range| range.repair == Repair::Replace)
    }

    fn describe(&self, key: &[u8], missed: bool) -> Option<DamagedRange> {
        let (bucket, id) = keys::parse(key)?;
        if bucket == keys::NO_DAY {
            // One that was only found on disk is written anew by the next checkpoint.
            let (kind, repair) = (DamagedKind::Open, Repair::Replace);
            let range = TimeRange { start: self.newest_day(), end: Timestamp::MAX };
            return missed.then_some(DamagedRange {
                start: range.start,
                end: range.end,
                kind,
                series: None,
                repair,
            });
        }
        let run = self.run(bucket, id)?;
        let mut range = run.range;
        let kind = match key.get(keys::RUN_BYTES) {
            Some(&keys::CHUNKS) => {
                if let Some(slice) = key.get(keys::RUN_BYTES + 1) {
                    let slice = bucket.slice(*slice, run.slices);
                    range = TimeRange { start: range.start.max(slice.start), end: range.end.min(slice.end) };
                }
                if keys::place(key).is_some() { DamagedKind::Samples } else { DamagedKind::Block }
            }
            Some(&keys::COLUMNS) => DamagedKind::Timestamps,
            Some(&keys::SERIES) => DamagedKind::Labels,
            _ => DamagedKind::Block,
        };
        let series = keys::place(key).filter(|_| kind == DamagedKind::Samples);
        let series = series.and_then(|last| self.series_of_row(bucket, id, key, last));
        let repair = if missed { Repair::Replace } else { Repair::Rewrite };
        Some(DamagedRange { start: range.start, end: range.end, kind, series, repair })
    }

    fn run(&self, bucket: Bucket, id: RunId) -> Option<Run> {
        self.head.read().runs.get(&bucket)?.iter().find(|r| r.id == id).copied()
    }

    /// The first timestamp that an open stream may hold: they end with the day.
    fn newest_day(&self) -> Timestamp {
        let head = self.head.read();
        head.active.keys().next_back().map_or(Timestamp::MIN, |b| b.range().start)
    }

    /// Series with a chunk in a superchunk row: those after the row before it, up to its own last one.
    fn series_of_row(&self, bucket: Bucket, run: RunId, key: &[u8], last: Place) -> Option<Vec<Labels>> {
        let prefix = keys::slice(bucket, run, *key.get(keys::RUN_BYTES + 1)?);
        let mut cursor = self.db.rocks.raw_iterator_cf(self.rows());
        cursor.seek_for_prev(key);
        if cursor.key() == Some(key) {
            cursor.prev();
        }
        let before = cursor.key().filter(|k| k.starts_with(&prefix)).and_then(keys::place);
        cursor.status().ok()?;
        let refs = self.head.read().active.get(&bucket)?.clone();
        let index = self.index.read();
        let entries = refs.iter().filter_map(|r| {
            let series = plimsoll_model::SeriesRef(r);
            index.entry(series).map(|e| (Place { metric: e.metric, series }, e))
        });
        // The last series of the row before may go on in this one.
        let within = entries.filter(|(place, _)| *place <= last && before.is_none_or(|b| *place >= b));
        let named: Vec<Labels> = within.take(NAMED_SERIES + 1).map(|(_, e)| index.labels(&e.pairs)).collect();
        (named.len() <= NAMED_SERIES).then_some(named)
    }

    /// Writes the days with damage in `range` anew from what can be read, so that damaged rows leave the disk and are
    /// not told any more. What they alone held is lost: write it again through the log before.
    ///
    /// Damage that only a replacement of the shard undoes is left, and told further on.
    pub fn forget_damage(&self, range: TimeRange) -> Result<Forgotten, Error> {
        let mut durable = self.durable.lock();
        self.write_checkpoint(&mut durable, false)?;
        let mut days: BTreeMap<Bucket, bool> = BTreeMap::new();
        for (key, missed) in self.damage.keys.lock().iter() {
            if let (Some((bucket, _)), Some(found)) = (keys::parse(key), self.describe(key, *missed))
                && range.overlaps(&TimeRange { start: found.start, end: found.end })
            {
                *days.entry(bucket).or_default() |= *missed;
            }
        }
        let mut forgotten = Forgotten::default();
        for (bucket, _) in days.into_iter().filter(|(_, missed)| !missed) {
            if self.salvage(&mut durable, bucket)? {
                forgotten.days += 1;
            }
        }
        let live: BTreeSet<(Bucket, RunId)> =
            durable.runs.iter().flat_map(|(b, runs)| runs.iter().map(|r| (*b, r.id))).collect();
        let mut keys = self.damage.keys.lock();
        keys.retain(|key, missed| *missed || keys::parse(key).is_some_and(|place| live.contains(&place)));
        forgotten.left = keys.len() as u64;
        Ok(forgotten)
    }
}
