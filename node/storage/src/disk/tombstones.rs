//! What was deleted and may still be in the runs.
//!
//! ```text
//! varint buckets, then of each: zigzag varint bucket, varint tombstones, then of each:
//!   varint before run, zigzag varint first and last timestamp, varint length,
//!   refs as a roaring bitmap in its portable format (https://github.com/RoaringBitmap/RoaringFormatSpec)
//! ```

use super::keys::RunId;
use super::state::Runs;
use crate::bucket::Bucket;
use plimsoll_model::{TimeRange, varint};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// A deletion in one bucket. What was written after it is in runs from `before_run` on and stays.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tombstone {
    pub(crate) refs: RoaringBitmap,
    pub(crate) range: TimeRange,
    pub(crate) before_run: RunId,
}

/// Deletions by bucket. Each goes when the last run that may hold what it deleted was merged.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tombstones(BTreeMap<Bucket, Vec<Tombstone>>);

impl Eq for Tombstones {}

impl Tombstones {
    /// Those that count for a run.
    pub(crate) fn of(&self, bucket: Bucket, run: RunId) -> impl Iterator<Item = &Tombstone> {
        self.0.get(&bucket).into_iter().flatten().filter(move |t| run < t.before_run)
    }

    /// The series of which a run holds nothing that counts.
    pub(crate) fn deleted_for_all_of(&self, bucket: Bucket, run: RunId) -> RoaringBitmap {
        let whole = self.of(bucket, run).filter(|t| t.range == bucket.range());
        whole.fold(RoaringBitmap::new(), |all, t| all | &t.refs)
    }

    /// Notes that `refs` were deleted in `range`, as far as it lies in the bucket; `runs` are all that is on disk. Equal
    /// ranges between two writes become one, so there are not more of them than that.
    pub(crate) fn add(&mut self, bucket: Bucket, refs: &RoaringBitmap, range: TimeRange, runs: &Runs) {
        let Some(newest) = runs.get(&bucket).and_then(|runs| runs.iter().map(|r| r.id).max()) else { return };
        let (whole, before_run) = (bucket.range(), newest + 1);
        let range = TimeRange { start: range.start.max(whole.start), end: range.end.min(whole.end) };
        let of_bucket = self.0.entry(bucket).or_default();
        match of_bucket.iter_mut().find(|t| (t.range, t.before_run) == (range, before_run)) {
            Some(known) => known.refs |= refs,
            None => of_bucket.push(Tombstone { refs: refs.clone(), range, before_run }),
        }
    }

    /// Forgets those of which no run is left.
    pub(crate) fn settle(&mut self, runs: &Runs) {
        self.0.retain(|bucket, of_bucket| {
            let oldest = runs.get(bucket).and_then(|runs| runs.iter().map(|r| r.id).min());
            of_bucket.retain(|t| oldest.is_some_and(|run| run < t.before_run));
            !of_bucket.is_empty()
        });
    }

    /// How many there are of a bucket.
    pub(crate) fn count(&self, bucket: Bucket) -> usize {
        self.0.get(&bucket).map_or(0, Vec::len)
    }

    /// How many there are of the bucket that has most, and on how many buckets there are some.
    pub(crate) fn extent(&self) -> (usize, usize) {
        (self.0.values().map(Vec::len).max().unwrap_or(0), self.0.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.0.len() as u64);
        for (bucket, of_bucket) in &self.0 {
            varint::put_signed(out, i64::from(bucket.0));
            varint::put(out, of_bucket.len() as u64);
            for t in of_bucket {
                varint::put(out, u64::from(t.before_run));
                varint::put_signed(out, t.range.start);
                varint::put_signed(out, t.range.end);
                varint::put(out, t.refs.serialized_size() as u64);
                t.refs.serialize_into(&mut *out).expect("a vector takes any length");
            }
        }
    }

    pub(crate) fn take(body: &mut &[u8]) -> Option<Self> {
        let mut all = BTreeMap::new();
        for _ in 0..varint::take(body)? {
            let bucket = Bucket(i32::try_from(varint::take_signed(body)?).ok()?);
            let count = varint::take(body)?;
            let of_bucket = (0..count).map(|_| Tombstone::take(body)).collect::<Option<Vec<_>>>()?;
            all.insert(bucket, of_bucket);
        }
        Some(Self(all))
    }
}

impl Tombstone {
    fn take(body: &mut &[u8]) -> Option<Self> {
        let before_run = u32::try_from(varint::take(body)?).ok()?;
        let range = TimeRange { start: varint::take_signed(body)?, end: varint::take_signed(body)? };
        let length = usize::try_from(varint::take(body)?).ok()?;
        let refs = RoaringBitmap::deserialize_from(varint::take_bytes(body, length)?).ok()?;
        Some(Self { refs, range, before_run })
    }
}
