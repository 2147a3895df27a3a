use super::assemble::{Assembler, Part};
use super::{DiskReader, Snapshot};
use crate::bucket::Bucket;
use crate::codec::open;
use crate::disk::keys::Place;
use crate::disk::state::Run;
use crate::disk::tombstones::Tombstones;
use crate::head::chunk::{Chunk, OpenHistograms};
use crate::head::late::LateSamples;
use crate::head::{Frozen, Head, Series};
use crate::index::Conditions;
use crate::{Error, Shard};
use plimsoll_model::{Labels, Matcher, Samples, SeriesRef, TimeRange, Timestamp};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The series that matched, as they were at one moment. Holds no lock; samples are read when asked for.
pub struct Selection {
    pub(super) shard: Arc<Shard>,
    pub(super) snapshot: Snapshot,
    pub(super) range: TimeRange,
    pub(super) places: Vec<Place>,
    /// Label pairs of all series one after another, and where those of each end.
    pub(super) pairs: Vec<u32>,
    pub(super) pair_ends: Vec<u32>,
    pub(super) fresh: Vec<Option<Box<Fresh>>>,
    pub(super) frozen: Option<Arc<Frozen>>,
    pub(super) runs: Vec<(Bucket, Run)>,
    pub(super) tombstones: Arc<Tombstones>,
    /// How many runs each day of the range has, those included that hold nothing in the range.
    pub(super) runs_of_day: BTreeMap<Bucket, usize>,
    /// Whether the range was cut at what has expired.
    pub(super) starts_with_expiry: bool,
    pub(super) damaged: AtomicU64,
    /// Keeps pair ids from being given out again.
    _pin: Arc<()>,
}

/// Samples of a series that are only in the head.
#[derive(Default)]
pub(super) struct Fresh {
    pub(super) open: Option<(Timestamp, usize, Box<[u8]>)>,
    pub(super) histograms: Option<(Vec<Timestamp>, Vec<u8>)>,
    pub(super) chunks: Vec<Arc<Chunk>>,
    pub(super) late: Option<LateSamples>,
}

impl Shard {
    /// The series that meet all `matchers` and may have samples in `range`: a series without any in exactly this
    /// range may be among them, and reads as empty.
    pub fn select(self: &Arc<Self>, matchers: &[Matcher], range: TimeRange) -> Result<Selection, Error> {
        let conditions = Conditions::new(matchers, &self.db.patterns)?;
        let asked = range;
        let (range, active) = {
            let head = self.head.read();
            let range = TimeRange { start: range.start.max(head.expired_before), end: range.end };
            (range, head.active_in(range))
        };
        let index = self.index.read();
        let matching = index.matching(&conditions, &active);
        let entries = matching.iter().filter_map(|r| index.entry(SeriesRef(r)).map(|e| (SeriesRef(r), e)));
        let mut found: Vec<_> =
            entries.map(|(r, e)| (Place { metric: e.metric, series: r }, &e.pairs)).collect();
        found.sort_unstable_by_key(|(place, _)| *place);
        let mut pairs = Vec::with_capacity(found.iter().map(|(_, p)| p.len()).sum());
        let mut pair_ends = Vec::with_capacity(found.len());
        for (_, p) in &found {
            pairs.extend_from_slice(p);
            pair_ends.push(pairs.len() as u32);
        }
        let places: Vec<Place> = found.iter().map(|(place, _)| *place).collect();
        let pin = index.pin();
        drop(index);
        let head = self.head.read();
        let fresh = places.iter().map(|p| fresh_of(&head, p.series, range)).collect();
        Ok(Selection {
            // Under the head's lock: what a checkpoint moves is either still frozen here or in the snapshot.
            snapshot: Snapshot::new(self.db.clone()),
            frozen: head.frozen.clone(),
            runs: runs_in(&head, range),
            tombstones: head.tombstones.clone(),
            runs_of_day: runs_of_day(&head, range),
            starts_with_expiry: range.start > asked.start,
            shard: self.clone(),
            range,
            places,
            pairs,
            pair_ends,
            fresh,
            damaged: AtomicU64::new(0),
            _pin: pin,
        })
    }
}

fn runs_in(head: &Head, range: TimeRange) -> Vec<(Bucket, Run)> {
    if range.start > range.end {
        return Vec::new();
    }
    let buckets = head.runs.range(Bucket::of(range.start)..=Bucket::of(range.end));
    let runs = buckets.flat_map(|(b, runs)| runs.iter().map(|r| (*b, *r)));
    runs.filter(|(_, r)| r.range.overlaps(&range)).collect()
}

fn runs_of_day(head: &Head, range: TimeRange) -> BTreeMap<Bucket, usize> {
    if range.start > range.end {
        return BTreeMap::new();
    }
    let buckets = head.runs.range(Bucket::of(range.start)..=Bucket::of(range.end));
    buckets.map(|(bucket, runs)| (*bucket, runs.len())).collect()
}

/// Copies what only the head has of a series in `range`.
fn fresh_of(head: &Head, r: SeriesRef, range: TimeRange) -> Option<Box<Fresh>> {
    let s: &Series = head.series.get(r)?;
    let mut fresh = Fresh::default();
    let covers = |first: Timestamp, last: Timestamp| range.overlaps(&TimeRange { start: first, end: last });
    if !s.open.is_empty() && covers(s.open.first(), s.open.last()) {
        fresh.open = Some((s.open.first(), s.open.len(), s.open.bytes().into()));
    }
    if let Some(OpenHistograms { times, records, .. }) = s.histograms.as_deref()
        && covers(times[0], times[times.len() - 1])
    {
        fresh.histograms = Some((times.clone(), records.clone()));
    }
    fresh.chunks.extend(s.chunks.iter().filter(|c| c.column.range.overlaps(&range)).cloned());
    fresh.late = head.late.get(&r).cloned();
    let empty =
        fresh.open.is_none() && fresh.histograms.is_none() && fresh.chunks.is_empty() && fresh.late.is_none();
    (!empty).then(|| Box::new(fresh))
}

impl Selection {
    /// Number of series.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing matched.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The ref of series `i`.
    pub fn series(&self, i: usize) -> SeriesRef {
        self.places[i].series
    }

    /// The labels of series `i`.
    pub fn labels(&self, i: usize) -> Labels {
        self.shard.index.read().labels(self.pairs_of(i))
    }

    pub(super) fn pairs_of(&self, i: usize) -> &[u32] {
        let start = if i == 0 { 0 } else { self.pair_ends[i - 1] };
        &self.pairs[start as usize..self.pair_ends[i] as usize]
    }

    /// Reads the samples of the series `which` in the selection's range into `out`, one entry a series, replacing
    /// what is there. Series that share timestamps share the allocation. Memory is that of the answer and a little
    /// more: ask for some hundred series at a time.
    pub fn read(&self, which: Range<usize>, out: &mut Vec<Samples>) -> Result<(), Error> {
        out.clear();
        let wanted = &self.places[which.clone()];
        let mut assembler = Assembler::default();
        let mut parts: Vec<Vec<Part>> = wanted.iter().map(|_| Vec::new()).collect();
        let mut disk = DiskReader::new(&self.shard, &self.snapshot, self.tombstones.clone(), wanted);
        for (bucket, run) in &self.runs {
            disk.read_run(*bucket, run, self.range, &mut assembler, &mut parts);
        }
        self.damaged.fetch_add(disk.damaged, Ordering::Relaxed);
        for ((place, fresh), mut parts) in wanted.iter().zip(&self.fresh[which]).zip(parts) {
            self.add_memory(*place, fresh.as_deref(), &mut assembler, &mut parts);
            out.push(assembler.join(parts, self.range));
        }
        Ok(())
    }

    /// Parts from memory, in the order in which they win over each other.
    pub(super) fn add_memory(
        &self,
        place: Place,
        fresh: Option<&Fresh>,
        assembler: &mut Assembler,
        parts: &mut Vec<Part>,
    ) {
        let overlapping = |c: &&Arc<Chunk>| c.column.range.overlaps(&self.range);
        if let Some(frozen) = &self.frozen {
            let chunks = frozen.chunks_of(place.series).iter().filter(overlapping);
            parts.extend(chunks.map(|c| Part::of_chunk(c, assembler)));
            if let Some(late) = frozen.late.get(&place.series) {
                Part::of_late(late, self.range, |p| parts.push(p));
            }
        }
        let Some(fresh) = fresh else { return };
        parts.extend(fresh.chunks.iter().map(|c| Part::of_chunk(c, assembler)));
        if let Some((first, count, bytes)) = &fresh.open {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            open::read(*first, *count, bytes, &mut times, &mut values)
                .expect("the stream was written or checked by this process");
            parts.push(Part::of_floats(times, values, assembler));
        }
        if let Some((times, records)) = &fresh.histograms {
            parts.push(Part::of_records(times, records, assembler));
        }
        if let Some(late) = &fresh.late {
            Part::of_late(late, self.range, |p| parts.push(p));
        }
    }

    /// What a reader should know about the samples read so far: rows left out because they are damaged.
    pub fn warnings(&self) -> Vec<String> {
        match self.damaged.load(Ordering::Relaxed) {
            0 => Vec::new(),
            n => vec![format!("{}: {n} damaged rows were left out of the answer", self.shard.id)],
        }
    }
}
