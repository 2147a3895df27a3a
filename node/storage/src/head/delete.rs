use super::Head;
use crate::bucket::Bucket;
use plimsoll_model::{SeriesRef, TimeRange};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Deletions that are remembered by their numbers, so that one that comes again does nothing.
const REMEMBERED: usize = 64;

impl Head {
    /// Ends the open streams of these series, so that the next checkpoint writes all that they hold into runs.
    pub(crate) fn close(&mut self, refs: &RoaringBitmap) {
        let Self { series, sealer, .. } = self;
        for r in refs {
            if let Some(s) = series.get_mut(SeriesRef(r)) {
                s.seal(sealer);
            }
        }
        sealer.columns.clear();
    }

    /// Deletes what these series have in `range`; all of it is on disk. Answers the series that have nothing left.
    ///
    /// Which series a day names follows from the log alone: those of a day that lies wholly in the range lose it, those
    /// of a day that is cut keep it, whatever is left of them there.
    pub(crate) fn delete(&mut self, refs: &RoaringBitmap, range: TimeRange) -> RoaringBitmap {
        let Self { active, tombstones, runs, .. } = self;
        let tombstones = Arc::make_mut(tombstones);
        for (bucket, of_bucket) in active.range_mut(Bucket::of(range.start)..=Bucket::of(range.end)) {
            let hit = &*of_bucket & refs;
            if hit.is_empty() {
                continue;
            }
            tombstones.add(*bucket, &hit, range, runs);
            let whole = bucket.range();
            if range.start <= whole.start && whole.end <= range.end {
                *of_bucket -= hit;
            }
        }
        active.retain(|_, of_bucket| !of_bucket.is_empty());
        let gone = active.values().fold(refs.clone(), |gone, of_bucket| gone - of_bucket);
        self.forget(&gone);
        gone
    }

    /// How many series the deletion of this number deleted, if it was one of the last.
    pub(crate) fn deletion(&self, number: u64) -> Option<u64> {
        self.deletions.iter().find(|(n, _)| *n == number).map(|(_, series)| *series)
    }

    /// Remembers a deletion.
    pub(crate) fn note_deletion(&mut self, number: u64, series: u64) {
        self.deletions.push((number, series));
        let over = self.deletions.len().saturating_sub(REMEMBERED);
        self.deletions.drain(..over);
    }
}
