use super::Shard;
use crate::Error;
use crate::bucket::Bucket;
use crate::codec::{Scratch, floats, timestamps};
use crate::disk::database::Inner;
use crate::disk::keys::{self, Place, RunId};
use crate::disk::run_writer::{Piece, RunWriter, Sink, put_series};
use crate::disk::state::{Run, State};
use crate::head::{chunk, column};
use crate::rollup::Hours;
use crate::select::{Assembler, DiskReader, Snapshot};
use plimsoll_model::{Samples, SeriesRef, TimeRange, Timestamp};
use rocksdb::{IngestExternalFileOptions, SstFileWriter};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// A day is merged into one run when it is over for this long: senders that were cut off have caught up by then.
const GRACE_MS: i64 = 3_600_000;

/// Runs of one level that are merged into one of the next.
const MERGE: usize = 8;

/// Samples of a series in one slice of a bucket, about: longer chunks gain less than a hundredth.
const SLICE_SAMPLES: u64 = 1500;

/// Slices of a bucket at most.
const MOST_SLICES: u64 = 24;

/// Series that are read and written at a time; bounds the memory of a merge.
const BATCH_SERIES: usize = 256;

/// Size at which a table file is ended: expiry drops whole files.
const FILE_BYTES: u64 = 32 << 20;

/// Samples of a histogram chunk at most.
const HISTOGRAM_SAMPLES: usize = 512;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Runs that were merged.
    pub runs: u64,
    /// Samples written.
    pub samples: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Buckets left as they are because some of their rows are damaged.
    pub damaged_buckets: u64,
}

/// How runs are merged.
#[derive(Clone, Copy)]
struct Manner {
    /// Runs up to this level.
    level: u8,
    /// Damaged rows are left out; otherwise they forbid the merge.
    salvage: bool,
    /// It ends early when a command waits.
    gives_way: bool,
    /// Hours are rolled up, as the day is over.
    rolls: bool,
}

/// Memory for the hours of one day, in series: a day with more is not rolled up.
const ROLLED_SERIES: usize = 1 << 16;

/// What became of a merge.
enum Written {
    Run(Run),
    Damaged,
    GaveWay,
}

/// Rows that go into table files beside the database.
struct FileSink<'a> {
    db: &'a Inner,
    dir: PathBuf,
    name: String,
    writer: Option<SstFileWriter<'a>>,
    files: Vec<PathBuf>,
}

impl Sink for FileSink<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if self.writer.as_ref().is_some_and(|w| w.file_size() >= FILE_BYTES) {
            self.close()?;
        }
        if self.writer.is_none() {
            self.db.step("compact: file")?;
            let path = self.dir.join(format!("{}-{}.sst", self.name, self.files.len()));
            let writer = SstFileWriter::create(self.db.table_options());
            writer.open(&path)?;
            self.files.push(path);
            self.writer = Some(writer);
        }
        let writer = self.writer.as_mut().expect("it was just made");
        Ok(writer.put(key, value)?)
    }
}

impl FileSink<'_> {
    fn close(&mut self) -> Result<(), Error> {
        match self.writer.take() {
            Some(mut writer) => Ok(writer.finish()?),
            None => Ok(()),
        }
    }
}

impl Drop for FileSink<'_> {
    fn drop(&mut self) {
        // Files that were taken in have been moved; what is left is of a merge that failed.
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Shard {
    /// Merges runs: all of a bucket that is over at `now` into one, and elsewhere small ones of one size into
    /// one of the next. With `force`, every bucket becomes one run, the open samples included.
    ///
    /// Bounded memory; appends, reads and expiry of other days go on. Atomic as a checkpoint is.
    pub fn compact(&self, now: Timestamp, force: bool) -> Result<Compacted, Error> {
        let mut durable = self.durable.lock();
        if force {
            self.write_checkpoint(&mut durable, true)?;
        }
        let mut done = Compacted::default();
        let buckets: Vec<Bucket> = durable.runs.keys().copied().collect();
        for bucket in buckets {
            let closed = force || bucket.range().end.saturating_add(GRACE_MS) < now;
            let mut merged = false;
            while let Some(level) = choose(&durable, bucket, closed) {
                let manner = Manner { level, salvage: false, gives_way: !force, rolls: closed };
                if !self.merge(&mut durable, bucket, manner, &mut done)? {
                    break;
                }
                merged = true;
            }
            if closed && merged {
                let left = durable.runs.get(&bucket).into_iter().flatten();
                self.reclaim(bucket, left.map(|r| r.id).max())?;
            }
            if !force && self.is_pressed() {
                // What is left is done at the next call.
                break;
            }
        }
        Ok(done)
    }

    /// Makes RocksDB give back the space of what was merged. The files of the new run overlap none of the old ones,
    /// so they are not written again.
    fn reclaim(&self, bucket: Bucket, newest: Option<RunId>) -> Result<(), Error> {
        let end = newest.map_or_else(|| keys::end_of(keys::bucket(bucket)), |id| keys::run(bucket, id));
        self.family.compact(&keys::run(keys::NO_DAY, 0), &end)
    }

    /// Merges all runs of a bucket into one that leaves out what is damaged; `false` when it has none.
    pub(super) fn salvage(&self, durable: &mut State, bucket: Bucket) -> Result<bool, Error> {
        let Some(runs) = durable.runs.get(&bucket).cloned() else { return Ok(false) };
        let top = runs.iter().map(|r| r.level).max().unwrap_or_default();
        let manner = Manner { level: top, salvage: true, gives_way: false, rolls: false };
        self.merge(durable, bucket, manner, &mut Compacted::default())?;
        for run in runs {
            // Whole files go without being read: RocksDB could not rewrite a damaged block.
            let from = keys::run(bucket, run.id);
            self.family.delete_files(&from, &keys::end_of(from.clone()))?;
        }
        Ok(true)
    }

    /// Merges runs of a bucket into one, or into none when nothing of it is left; `false` when damage forbids it, or
    /// when it gave way.
    fn merge(
        &self,
        durable: &mut State,
        bucket: Bucket,
        manner: Manner,
        done: &mut Compacted,
    ) -> Result<bool, Error> {
        // The number is spent even when the merge fails: rows with it may be in the database by then.
        let id = durable.next_run;
        durable.next_run += 1;
        let (merged, kept): (Vec<Run>, Vec<Run>) =
            durable.runs[&bucket].iter().partition(|r| r.level <= manner.level);
        let snapshot = Snapshot::new(self.db.clone());
        let mut sink = FileSink {
            db: &self.db,
            dir: self.db.workplace()?,
            name: format!("{}-{id}", self.id),
            writer: None,
            files: Vec::new(),
        };
        let run = match self.write_merged(&snapshot, &mut sink, bucket, id, &merged, manner)? {
            Written::Run(run) => run,
            Written::Damaged => {
                done.damaged_buckets += 1;
                return Ok(false);
            }
            Written::GaveWay => return Ok(false),
        };
        sink.close()?;
        self.db.step("compact: ingest")?;
        let mut next = durable.clone();
        let runs = next.runs.get_mut(&bucket).expect("the bucket was just read");
        *runs = kept;
        if sink.files.is_empty() {
            // All was deleted.
            if runs.is_empty() {
                next.runs.remove(&bucket);
            }
        } else {
            let mut options = IngestExternalFileOptions::default();
            options.set_move_files(true);
            self.family.ingest(&sink.files, &options)?;
            runs.push(run);
        }
        self.publish(durable, next, false)?;
        done.runs += merged.len() as u64;
        done.samples += run.samples;
        done.bytes += run.bytes;
        self.damage.compactions.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn write_merged(
        &self,
        snapshot: &Snapshot,
        sink: &mut FileSink<'_>,
        bucket: Bucket,
        id: RunId,
        merged: &[Run],
        manner: Manner,
    ) -> Result<Written, Error> {
        let places = self.durable_places(bucket);
        let samples: u64 = merged.iter().map(|r| r.samples).sum();
        let slices =
            samples.div_ceil((places.len() as u64 * SLICE_SAMPLES).max(1)).clamp(1, MOST_SLICES) as u8;
        let mut writer = RunWriter::new(bucket, id);
        let mut encoder = Encoder::default();
        let mut rolling = Rolling::new(manner.rolls && bucket.is_day(), places.len());
        for slice in 0..slices {
            let range = bucket.slice(slice, slices);
            for (number, batch) in places.chunks(BATCH_SERIES).enumerate() {
                if manner.gives_way && self.is_pressed() {
                    return Ok(Written::GaveWay);
                }
                let (all, damaged) = self.read_merged(snapshot, bucket, merged, batch, range);
                if damaged && !manner.salvage {
                    return Ok(Written::Damaged);
                }
                rolling.take(number * BATCH_SERIES, &all);
                for (place, samples) in batch.iter().zip(&all) {
                    encoder.put(&mut writer, sink, *place, samples)?;
                }
            }
            writer.next_slice(sink)?;
        }
        if let Some(all) = &rolling.series {
            let hours = all.iter().map(|s| (!s.histograms).then_some(&s.hours));
            writer.put_rollups(sink, places.iter().copied().zip(hours))?;
        }
        let mut refs: Vec<SeriesRef> = places.iter().map(|p| p.series).collect();
        refs.sort_unstable();
        put_series(&mut writer, sink, &refs, |refs, row| self.index.read().describe(refs, row))?;
        Ok(Written::Run(writer.finish(sink, manner.level.saturating_add(1), slices)?))
    }

    /// Series of the bucket that are durable there, in the order of the disk.
    fn durable_places(&self, bucket: Bucket) -> Vec<Place> {
        let durable = {
            let head = self.head.read();
            let mut active = head.active.get(&bucket).cloned().unwrap_or_default();
            // A series whose definition no checkpoint has written must not become durable before it.
            let frozen = head.frozen.as_ref().and_then(|f| f.fresh.get(&bucket));
            for fresh in head.fresh.get(&bucket).into_iter().chain(frozen) {
                active -= fresh;
            }
            active
        };
        let index = self.index.read();
        let place =
            |r: u32| index.entry(SeriesRef(r)).map(|e| Place { metric: e.metric, series: SeriesRef(r) });
        let mut places: Vec<Place> = durable.iter().filter_map(place).collect();
        places.sort_unstable();
        places
    }

    fn read_merged(
        &self,
        snapshot: &Snapshot,
        bucket: Bucket,
        merged: &[Run],
        wanted: &[Place],
        range: TimeRange,
    ) -> (Vec<Samples>, bool) {
        let mut assembler = Assembler::default();
        let tombstones = self.head.read().tombstones.clone();
        let mut disk = DiskReader::new(self, snapshot, tombstones, wanted);
        let mut parts: Vec<Vec<_>> = wanted.iter().map(|_| Vec::new()).collect();
        for run in merged {
            disk.read_run(bucket, run, range, &mut assembler, &mut parts);
        }
        let damaged = disk.damaged > 0;
        (parts.into_iter().map(|p| assembler.join(p, range)).collect(), damaged)
    }
}

/// The level up to which the runs of a bucket should be merged now.
fn choose(durable: &State, bucket: Bucket, closed: bool) -> Option<u8> {
    let runs = durable.runs.get(&bucket)?;
    let top = runs.iter().map(|r| r.level).max()?;
    let tombstones = durable.tombstones.count(bucket);
    if closed {
        // One run that a merge made, without anything deleted, is what a closed bucket should be.
        return (runs.len() > 1 || top == 0 || tombstones > 0).then_some(top);
    }
    if tombstones >= MERGE {
        return Some(top);
    }
    (0..=top).find(|level| runs.iter().filter(|r| r.level <= *level).count() >= MERGE)
}

/// The hours of all series of a day, as its slices come by.
struct Rolling {
    series: Option<Vec<Rolled>>,
}

#[derive(Clone, Default)]
struct Rolled {
    hours: Hours,
    histograms: bool,
}

impl Rolling {
    fn new(wanted: bool, series: usize) -> Self {
        let fits = wanted && (1..=ROLLED_SERIES).contains(&series);
        Self { series: fits.then(|| vec![Rolled::default(); series]) }
    }

    /// Takes the samples of the series from number `from` on.
    fn take(&mut self, from: usize, all: &[Samples]) {
        let Some(series) = &mut self.series else { return };
        for (rolled, samples) in series[from..].iter_mut().zip(all) {
            rolled.histograms |= !samples.histograms.is_empty();
            rolled.hours.extend(&samples.floats);
        }
    }
}

/// Turns merged samples into chunks.
#[derive(Default)]
struct Encoder {
    scratch: Scratch,
    payload: Vec<u8>,
}

impl Encoder {
    fn put(
        &mut self,
        writer: &mut RunWriter,
        sink: &mut FileSink<'_>,
        place: Place,
        samples: &Samples,
    ) -> Result<(), Error> {
        let times = &samples.floats.timestamps;
        for (times, values) in times.chunks(1 << 15).zip(samples.floats.values.chunks(1 << 15)) {
            self.payload.clear();
            floats::put(&mut self.payload, values, &mut self.scratch);
            self.push(writer, sink, place, times, false)?;
        }
        for part in samples.histograms.chunks(HISTOGRAM_SAMPLES) {
            let (times, all): (Vec<Timestamp>, Vec<_>) = part.iter().cloned().unzip();
            self.payload = chunk::records(&all);
            self.push(writer, sink, place, &times, true)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        writer: &mut RunWriter,
        sink: &mut FileSink<'_>,
        place: Place,
        times: &[Timestamp],
        histogram: bool,
    ) -> Result<(), Error> {
        let piece = Piece {
            place,
            histogram,
            late: false,
            range: TimeRange { start: times[0], end: times[times.len() - 1] },
            samples: times.len() as u32,
            payload: &self.payload,
            column: column::hash(times),
        };
        writer.push(sink, &piece, |out| timestamps::put(out, times, &mut self.scratch))
    }
}
