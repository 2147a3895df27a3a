use super::Snapshot;
use super::assemble::{Assembler, Part};
use crate::Shard;
use crate::bucket::Bucket;
use crate::codec::Scratch;
use crate::disk::columns::{BLOCK, ColumnBlock};
use crate::disk::frame::Unpacker;
use crate::disk::keys::{self, Place, RunId};
use crate::disk::rollups::Row;
use crate::disk::state::Run;
use crate::disk::superchunk::Superchunk;
use crate::disk::tombstones::Tombstones;
use crate::rollup::{Fold, Folded};
use plimsoll_model::{SeriesRef, TimeRange, Timestamp};
use roaring::RoaringBitmap;
use rocksdb::DBRawIteratorWithThreadMode;
use std::collections::HashMap;
use std::sync::Arc;

type Cursor<'a> = DBRawIteratorWithThreadMode<'a, rocksdb::DB>;

/// Reads the chunks of some series from disk as of a snapshot. Lives for one read; what it caches goes with it.
pub(crate) struct DiskReader<'a> {
    shard: &'a Shard,
    snapshot: &'a Snapshot,
    /// The series, in the order of the disk.
    wanted: &'a [Place],
    /// The same by ref, with their number in `wanted`.
    numbers: Vec<(SeriesRef, usize)>,
    cursor: Option<Cursor<'a>>,
    blocks: HashMap<(Bucket, RunId, u32), Option<ColumnBlock>>,
    columns: HashMap<(Bucket, RunId, u32), Arc<Vec<Timestamp>>>,
    unpacker: Unpacker,
    /// What was deleted from the run that is being read.
    deleted: Vec<(RoaringBitmap, TimeRange)>,
    tombstones: Arc<Tombstones>,
    /// Rows that were left out because they are damaged.
    pub(crate) damaged: u64,
}

impl<'a> DiskReader<'a> {
    /// A reader of the series `wanted`, which are ascending.
    pub(crate) fn new(
        shard: &'a Shard,
        snapshot: &'a Snapshot,
        tombstones: Arc<Tombstones>,
        wanted: &'a [Place],
    ) -> Self {
        let mut numbers: Vec<_> = wanted.iter().enumerate().map(|(i, p)| (p.series, i)).collect();
        numbers.sort_unstable();
        Self {
            shard,
            snapshot,
            wanted,
            numbers,
            cursor: None,
            blocks: HashMap::new(),
            columns: HashMap::new(),
            unpacker: Unpacker::default(),
            deleted: Vec::new(),
            tombstones,
            damaged: 0,
        }
    }

    /// Appends what a run has of the series in `range` to `parts`, which has a place for each.
    pub(crate) fn read_run(
        &mut self,
        bucket: Bucket,
        run: &Run,
        range: TimeRange,
        assembler: &mut Assembler,
        parts: &mut [Vec<Part>],
    ) {
        if self.wanted.is_empty() || !run.range.overlaps(&range) {
            return;
        }
        self.deleted.clear();
        let tombstones = self.tombstones.of(bucket, run.id).filter(|t| t.range.overlaps(&run.range));
        self.deleted.extend(tombstones.map(|t| (t.refs.clone(), t.range)));
        let mut cursor = self.cursor.take().unwrap_or_else(|| {
            let options = self.snapshot.options();
            self.snapshot.db.rocks.raw_iterator_cf_opt(self.shard.rows(), options)
        });
        for slice in (0..run.slices).filter(|s| bucket.slice(*s, run.slices).overlaps(&range)) {
            self.read_slice(&mut cursor, (bucket, run.id, slice), assembler, parts);
        }
        self.cursor = Some(cursor);
    }

    /// Reads the rows of a slice that may hold a wanted chunk.
    fn read_slice(
        &mut self,
        cursor: &mut Cursor<'a>,
        (bucket, run, slice): (Bucket, RunId, u8),
        assembler: &mut Assembler,
        parts: &mut [Vec<Part>],
    ) {
        let prefix = keys::slice(bucket, run, slice);
        let seek =
            |cursor: &mut Cursor<'_>, to: Place| cursor.seek(keys::superchunk(bucket, run, slice, to, 0));
        let wanted = self.wanted;
        let mut next = 0;
        seek(cursor, wanted[0]);
        while next < wanted.len() {
            match cursor.key().filter(|k| k.starts_with(&prefix)).and_then(keys::place) {
                Some(last) if wanted[next] <= last => {
                    if !self.read_row(bucket, run, cursor.value().unwrap_or_default(), assembler, parts) {
                        self.note_damage(cursor.key().unwrap_or_default().to_vec());
                    }
                    // The series of the row's last chunk may go on in the next row.
                    next += wanted[next..].partition_point(|p| *p < last);
                    cursor.next();
                }
                Some(_) => seek(cursor, wanted[next]),
                None if cursor.status().is_ok() => return,
                None => {
                    // A block that RocksDB itself finds damaged: what comes after it may be sound.
                    self.note_damage(prefix.clone());
                    next += 1;
                    if next < wanted.len() {
                        seek(cursor, wanted[next]);
                    }
                }
            }
        }
    }

    /// Decodes the wanted chunks of one row; `false` when it is damaged.
    fn read_row(
        &mut self,
        bucket: Bucket,
        run: RunId,
        value: &[u8],
        assembler: &mut Assembler,
        parts: &mut [Vec<Part>],
    ) -> bool {
        let Ok(row) = Superchunk::parse(value) else { return false };
        let mut payloads = None;
        for slot in row.slots() {
            let Ok(found) = self.numbers.binary_search_by_key(&slot.series, |(r, _)| *r) else { continue };
            if payloads.is_none() {
                match row.payloads(&mut self.unpacker) {
                    Ok(unpacked) => payloads = Some(unpacked),
                    Err(_) => return false,
                }
            }
            let payload = slot.payload(payloads.as_deref().expect("it was just unpacked"));
            let Some(times) = self.column(bucket, run, slot.column, assembler) else { continue };
            if times.len() != slot.samples as usize {
                return false;
            }
            match Part::decode(times, slot.histogram, payload, &mut assembler.scratch) {
                Some(part) => parts[self.numbers[found].1].extend(self.left_of(part, slot.series)),
                None => return false,
            }
        }
        true
    }

    /// What deletions have left of a part.
    fn left_of(&self, part: Part, series: SeriesRef) -> Option<Part> {
        let mut hit = self.deleted.iter().filter(|(refs, _)| refs.contains(series.0));
        hit.try_fold(part, |part, (_, range)| part.without(*range))
    }

    /// A timestamp column; `None` when its block is damaged or has expired meanwhile.
    fn column(
        &mut self,
        bucket: Bucket,
        run: RunId,
        number: u32,
        assembler: &mut Assembler,
    ) -> Option<Arc<Vec<Timestamp>>> {
        if let Some(times) = self.columns.get(&(bucket, run, number)) {
            return Some(times.clone());
        }
        let block = (bucket, run, number / BLOCK);
        if !self.blocks.contains_key(&block) {
            let read = self.read_block(bucket, run, number / BLOCK);
            self.blocks.insert(block, read);
        }
        let times = self.blocks[&block].as_ref()?.read(number, &mut assembler.scratch);
        let Ok(times) = times else {
            self.note_damage(keys::numbered(bucket, keys::COLUMNS, run, number / BLOCK));
            return None;
        };
        let times = Arc::new(times);
        self.columns.insert((bucket, run, number), times.clone());
        Some(times)
    }

    fn read_block(&mut self, bucket: Bucket, run: RunId, block: u32) -> Option<ColumnBlock> {
        let key = keys::numbered(bucket, keys::COLUMNS, run, block);
        let value =
            self.snapshot.db.rocks.get_pinned_cf_opt(self.shard.rows(), &key, &self.snapshot.options());
        let parsed = match value {
            Ok(Some(value)) => ColumnBlock::parse(&value).ok(),
            _ => None,
        };
        // The files of an expired bucket go at once, also from under a snapshot.
        if parsed.is_none() && bucket.range().end >= self.shard.head.read().expired_before {
            self.note_damage(key);
        }
        parsed
    }

    /// Appends the folded hours of a run of a whole day to `out`, which has a place for each series; `false` when one
    /// of them was not rolled up, or when a row is damaged: then the samples have to be read.
    pub(crate) fn read_rollups(
        &mut self,
        bucket: Bucket,
        run: RunId,
        fold: Fold,
        scratch: &mut Scratch,
        out: &mut [Folded],
    ) -> bool {
        let options = self.snapshot.options();
        let mut cursor = self.snapshot.db.rocks.raw_iterator_cf_opt(self.shard.rows(), options);
        let prefix = keys::kind(bucket, run, keys::ROLLUPS);
        let wanted = self.wanted;
        let seek = |cursor: &mut Cursor<'_>, to: Place| cursor.seek(keys::rollups(bucket, run, to, 0));
        let mut next = 0;
        if let Some(first) = wanted.first() {
            seek(&mut cursor, *first);
        }
        while next < wanted.len() {
            match cursor.key().filter(|k| k.starts_with(&prefix)).and_then(keys::rollups_place) {
                Some(last) if wanted[next] <= last => {
                    let Ok(row) = Row::parse(cursor.value().unwrap_or_default(), &mut self.unpacker) else {
                        self.note_damage(cursor.key().unwrap_or_default().to_vec());
                        return false;
                    };
                    for (i, series) in row.series().enumerate() {
                        let found = self.numbers.binary_search_by_key(&series, |(r, _)| *r);
                        let Ok(found) = found else { continue };
                        let place = self.numbers[found].1;
                        if row.read(i, bucket, fold, scratch, &mut out[place]) != Some(true) {
                            return false;
                        }
                    }
                    next += wanted[next..].partition_point(|p| *p <= last);
                    cursor.next();
                }
                Some(_) => seek(&mut cursor, wanted[next]),
                // what comes after the last row was not in the day
                None => return cursor.status().is_ok(),
            }
        }
        true
    }

    fn note_damage(&mut self, key: Vec<u8>) {
        self.damaged += 1;
        self.shard.damage.quarantine(key);
    }
}
