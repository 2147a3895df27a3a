use super::assemble::{Assembler, Part};
use super::{DiskReader, Selection};
use crate::Error;
use crate::bucket::Bucket;
use crate::codec::Scratch;
use crate::disk::state::Run;
use crate::rollup::{Fold, Folded, Hours};
use plimsoll_model::{FloatColumn, Samples, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Selection {
    /// Reads the series `which` by the hour: one sample an hour in which there are any, with the time of its end and what
    /// `fold` says of it. Hours are open at their start and closed at their end. Those that reach out of the selection's
    /// range are told too, as far as they are known: pass them over. Stale markers count as nothing.
    ///
    /// Days that were rolled up and not touched since are read as such, the others sample by sample; the answer is the same.
    /// `false` when a series has histograms: then nothing is answered, and the samples have to be read.
    pub fn read_folded(
        &self,
        which: Range<usize>,
        fold: Fold,
        out: &mut Vec<Samples>,
    ) -> Result<bool, Error> {
        out.clear();
        let wanted = &self.places[which.clone()];
        let rolled = self.rolled_days(which.clone());
        let mut assembler = Assembler::default();
        let mut parts: Vec<Vec<Part>> = wanted.iter().map(|_| Vec::new()).collect();
        let mut disk = DiskReader::new(&self.shard, &self.snapshot, self.tombstones.clone(), wanted);
        let mut scratch = Scratch::default();
        // by day, so that the last hour of a day meets the sample at midnight in order
        let mut days: BTreeMap<Bucket, Vec<Folded>> = BTreeMap::new();
        for (bucket, run) in &self.runs {
            if rolled.contains(bucket) {
                let mut day = vec![Folded::default(); wanted.len()];
                if disk.read_rollups(*bucket, run.id, fold, &mut scratch, &mut day) {
                    days.insert(*bucket, day);
                    continue;
                }
            }
            disk.read_run(*bucket, run, self.range, &mut assembler, &mut parts);
        }
        self.damaged.fetch_add(disk.damaged, Ordering::Relaxed);
        for (i, ((place, fresh), mut parts)) in wanted.iter().zip(&self.fresh[which]).zip(parts).enumerate() {
            self.add_memory(*place, fresh.as_deref(), &mut assembler, &mut parts);
            let raw = assembler.join(parts, self.range);
            if !raw.histograms.is_empty() {
                out.clear();
                return Ok(false);
            }
            let folded = join(&raw.floats, days.iter().map(|(bucket, day)| (*bucket, &day[i])), fold);
            let floats = FloatColumn { timestamps: Arc::new(folded.ends), values: folded.values };
            out.push(Samples { floats, histograms: Vec::new() });
        }
        Ok(true)
    }

    /// Days of which all that counts for these series is in one run that was rolled up.
    fn rolled_days(&self, which: Range<usize>) -> BTreeSet<Bucket> {
        let mut runs: BTreeMap<Bucket, Vec<&Run>> = BTreeMap::new();
        self.runs.iter().for_each(|(bucket, run)| runs.entry(*bucket).or_default().push(run));
        let in_memory = self.days_in_memory(which);
        // a day that is cut by expiry shows a part of an hour that was rolled up as a whole
        let begins = Bucket::of(self.range.start);
        let cut = begins.range().start < self.range.start && self.starts_with_expiry;
        let good = runs.into_iter().filter(|(bucket, runs)| {
            matches!(runs.as_slice(), [run] if run.rolled && self.tombstones.of(*bucket, run.id).next().is_none())
                && !in_memory.contains(bucket)
                && !(cut && *bucket == begins)
                && self.runs_of_day.get(bucket) == Some(&1)
        });
        good.map(|(bucket, _)| bucket).collect()
    }

    /// Days of which the head holds something of these series.
    fn days_in_memory(&self, which: Range<usize>) -> BTreeSet<Bucket> {
        let mut days = BTreeSet::new();
        let mut add = |at: Timestamp| {
            days.insert(Bucket::of(at));
        };
        for (place, fresh) in self.places[which.clone()].iter().zip(&self.fresh[which]) {
            if let Some(frozen) = &self.frozen {
                frozen.chunks_of(place.series).iter().for_each(|c| add(c.column.range.start));
                frozen.late.get(&place.series).into_iter().flatten().for_each(|(at, _)| add(*at));
            }
            let Some(fresh) = fresh else { continue };
            if let Some((first, ..)) = &fresh.open {
                add(*first);
            }
            if let Some((times, _)) = &fresh.histograms {
                times.iter().for_each(|at| add(*at));
            }
            fresh.chunks.iter().for_each(|c| add(c.column.range.start));
            fresh.late.iter().flatten().for_each(|(at, _)| add(*at));
        }
        days
    }
}

/// Samples of days that were read as such, and days that were rolled up, in the order of time.
fn join<'d>(raw: &FloatColumn, days: impl Iterator<Item = (Bucket, &'d Folded)>, fold: Fold) -> Folded {
    let mut out = Folded::default();
    let mut from = 0;
    let mut put_raw = |until: Option<Timestamp>, out: &mut Folded| {
        let to = until.map_or(raw.timestamps.len(), |t| raw.timestamps.partition_point(|at| *at < t));
        if from < to {
            let timestamps = Arc::new(raw.timestamps[from..to].to_vec());
            let mut hours = Hours::default();
            hours.extend(&FloatColumn { timestamps, values: raw.values[from..to].to_vec() });
            hours.fold(fold, out);
        }
        from = from.max(to);
    };
    for (bucket, day) in days {
        put_raw(Some(bucket.range().start), &mut out);
        for (end, v) in day.ends.iter().zip(&day.values) {
            out.push(*end, *v, fold);
        }
    }
    put_raw(None, &mut out);
    out
}
