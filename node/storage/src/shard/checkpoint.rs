use super::Shard;
use crate::Error;
use crate::bucket::Bucket;
use crate::disk::family::Family;
use crate::disk::keys::{self, Place};
use crate::disk::run_writer::{Piece, RunWriter, Sink, put_series};
use crate::disk::state::State;
use crate::disk::{accounts, open_streams};
use crate::head::Frozen;
use crate::head::chunk::{Chunk, Sealer};
use plimsoll_model::{SeriesRef, Timestamp};
use rocksdb::WriteBatch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Open streams that are this much older than the newest sample are closed: the series has gone.
const IDLE_MS: i64 = 3_600_000;

/// Size at which rows go from a batch into RocksDB.
const BATCH_BYTES: usize = 1 << 20;

/// What a checkpoint made durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The position up to which all commands are on disk; the log may be cut there.
    pub position: Option<Vec<u8>>,
    /// Samples moved from the head to the disk.
    pub samples: u64,
    /// Bytes of their rows.
    pub bytes: u64,
}

/// A chunk on its way to disk.
struct Outgoing {
    place: Place,
    late: bool,
    chunk: Arc<Chunk>,
}

/// Rows that go through the memtable.
struct BatchSink<'a> {
    family: &'a Family,
    batch: WriteBatch,
}

impl Sink for BatchSink<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.batch.put_cf(self.family.handle(), key, value);
        if self.batch.size_in_bytes() >= BATCH_BYTES { self.send() } else { Ok(()) }
    }
}

impl BatchSink<'_> {
    fn send(&mut self) -> Result<(), Error> {
        self.family.db.step("checkpoint: rows")?;
        self.family.write(std::mem::take(&mut self.batch))
    }
}

impl Shard {
    /// Writes the head to disk, together with the position. Appends and reads go on; only taking the content out
    /// stops them, for the time of a copy of the open streams.
    ///
    /// Atomic: after a crash at any point the shard is as it was at this checkpoint or at the one before. After an
    /// error nothing is lost either: the next checkpoint writes the same again.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let mut durable = self.durable.lock();
        self.write_checkpoint(&mut durable, false)
    }

    /// As [`Self::checkpoint`]; with `all`, open streams are closed and written as chunks too.
    pub(crate) fn write_checkpoint(&self, durable: &mut State, all: bool) -> Result<Checkpoint, Error> {
        let before = self.write_left_over(durable)?;
        let frozen = self.freeze(all);
        let mut done = self.write_frozen(durable, &frozen)?;
        done.samples += before.samples;
        done.bytes += before.bytes;
        self.damage.checkpoints.fetch_add(1, Ordering::Relaxed);
        Ok(done)
    }

    /// Writes what an earlier checkpoint has frozen and could not write.
    pub(super) fn write_left_over(&self, durable: &mut State) -> Result<Checkpoint, Error> {
        let left_over = self.head.read().frozen.clone();
        left_over.map_or_else(|| Ok(Checkpoint::default()), |frozen| self.write_frozen(durable, &frozen))
    }

    fn freeze(&self, all: bool) -> Arc<Frozen> {
        let _writer = self.writer.lock();
        let next_ref = self.index.read().next_ref();
        let mut head = self.head.write();
        let idle_before = if all { Timestamp::MAX } else { head.newest().saturating_sub(IDLE_MS) };
        let frozen = Arc::new(head.freeze(idle_before, next_ref));
        head.frozen = Some(frozen.clone());
        frozen
    }

    fn write_frozen(&self, durable: &mut State, frozen: &Frozen) -> Result<Checkpoint, Error> {
        self.db.step("checkpoint: frozen")?;
        let mut sink = BatchSink { family: &self.family, batch: WriteBatch::default() };
        // The number is spent even when the write fails: rows with it are in the database by then.
        let run = durable.next_run;
        durable.next_run += 1;
        let mut next = durable.clone();
        next.next_ref = frozen.next_ref;
        next.position = frozen.position.clone();
        next.deletions = frozen.deletions.clone();
        next.expired_before = next.expired_before.max(frozen.expired_before);
        let first_kept = Bucket::of(next.expired_before);
        next.runs = next.runs.split_off(&first_kept);
        let mut done = Checkpoint { position: frozen.position.clone(), ..Checkpoint::default() };
        for (bucket, chunks) in self.outgoing(frozen, first_kept) {
            let writer = self.write_run(&mut sink, RunWriter::new(bucket, run), &chunks, frozen)?;
            let written = writer.finish(&mut sink, 0, 1)?;
            done.samples += written.samples;
            done.bytes += written.bytes;
            next.runs.entry(bucket).or_default().push(written);
        }
        next.open_run = (!frozen.open.is_empty() || !frozen.accounts.is_empty()).then_some(run);
        for (first, records) in &frozen.open {
            sink.put(&keys::open(run, *first), &open_streams::seal(records))?;
        }
        for (first, records) in &frozen.accounts {
            sink.put(&keys::accounts(run, *first), &accounts::seal(records))?;
        }
        sink.send()?;
        self.publish(durable, next, true)?;
        Ok(done)
    }

    /// Makes `next` the durable state: the last write, which makes all rows before it count. `thawed` says that what
    /// was frozen is among them.
    pub(super) fn publish(&self, durable: &mut State, mut next: State, thawed: bool) -> Result<(), Error> {
        self.db.step("publish: state")?;
        next.tombstones.settle(&next.runs);
        let mut batch = WriteBatch::default();
        batch.put_cf(self.rows(), keys::state(), next.encode());
        self.family.write(batch)?;
        self.db.step("publish: flush")?;
        self.family.flush()?;
        let old = std::mem::replace(durable, next);
        {
            let mut head = self.head.write();
            // What expired while the rows were written stays expired.
            let kept = Bucket::of(head.expired_before);
            head.runs = Arc::new(durable.runs.clone().split_off(&kept));
            if *head.tombstones != durable.tombstones {
                head.tombstones = Arc::new(durable.tombstones.clone());
            }
            if thawed {
                head.frozen = None;
            }
        }
        self.db.step("publish: sweep")?;
        self.sweep(&old, durable)
    }

    /// Deletes the rows that counted in `old` and no longer do.
    fn sweep(&self, old: &State, new: &State) -> Result<(), Error> {
        let family = self.rows();
        let mut batch = WriteBatch::default();
        let first_kept = Bucket::of(new.expired_before);
        if old.runs.keys().next().is_some_and(|b| *b < first_kept) {
            let (from, to) = (keys::bucket(Bucket(i32::MIN + 1)), keys::bucket(first_kept));
            self.family.delete_files(&from, &to)?;
            batch.delete_range_cf(family, from, to);
        }
        for (bucket, runs) in old.runs.range(first_kept..) {
            for run in runs.iter().filter(|r| !new.is_live(*bucket, r.id)) {
                let from = keys::run(*bucket, run.id);
                batch.delete_range_cf(family, from.clone(), keys::end_of(from));
            }
        }
        if let Some(run) = old.open_run.filter(|r| Some(*r) != new.open_run) {
            let from = keys::run(keys::NO_DAY, run);
            batch.delete_range_cf(family, from.clone(), keys::end_of(from));
        }
        if batch.is_empty() { Ok(()) } else { self.family.write(batch) }
    }

    /// The chunks of all buckets that have chunks or new series, in the order of the disk.
    fn outgoing(&self, frozen: &Frozen, first_kept: Bucket) -> BTreeMap<Bucket, Vec<Outgoing>> {
        let index = self.index.read();
        let place = |r: SeriesRef| index.entry(r).map(|e| Place { metric: e.metric, series: r });
        let mut out: BTreeMap<Bucket, Vec<Outgoing>> = BTreeMap::new();
        for bucket in frozen.fresh.keys() {
            out.entry(*bucket).or_default();
        }
        let mut add = |place: Place, late: bool, chunk: Arc<Chunk>| {
            let bucket = Bucket::of(chunk.column.range.start);
            out.entry(bucket).or_default().push(Outgoing { place, late, chunk });
        };
        for (r, chunks) in &frozen.chunks {
            // A series that is not there any more has expired while it was frozen.
            let Some(place) = place(*r) else { continue };
            chunks.iter().for_each(|c| add(place, false, c.clone()));
        }
        let mut sealer = Sealer::default();
        for (r, late) in &frozen.late {
            let Some(place) = place(*r) else { continue };
            sealer.seal_late(late, |c| add(place, true, Arc::new(c)));
        }
        out.retain(|bucket, _| *bucket >= first_kept);
        for chunks in out.values_mut() {
            chunks.sort_by_key(|o| (o.place, o.late, o.chunk.column.range.start));
        }
        out
    }

    fn write_run(
        &self,
        sink: &mut BatchSink<'_>,
        mut writer: RunWriter,
        chunks: &[Outgoing],
        frozen: &Frozen,
    ) -> Result<RunWriter, Error> {
        for o in chunks {
            let column = &o.chunk.column;
            let piece = Piece {
                place: o.place,
                histogram: o.chunk.histogram,
                late: o.late,
                range: column.range,
                samples: column.samples,
                payload: &o.chunk.payload,
                column: column.hash,
            };
            writer.push(sink, &piece, |out| out.extend_from_slice(&column.bytes))?;
        }
        writer.end_chunks(sink)?;
        let (bucket, _) = writer.key();
        if let Some(fresh) = frozen.fresh.get(&bucket) {
            let fresh: Vec<SeriesRef> = fresh.iter().map(SeriesRef).collect();
            put_series(&mut writer, sink, &fresh, |refs, row| self.index.read().describe(refs, row))?;
        }
        Ok(writer)
    }
}
