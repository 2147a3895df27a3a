//! Writes the chunks of one run, in order, as superchunk rows and timestamp columns.

use super::columns::Columns;
use super::keys::{self, Place, RunId};
use super::rollups;
use super::state::Run;
use super::superchunk::{Builder, NewChunk};
use crate::Error;
use crate::bucket::Bucket;
use crate::rollup::Hours;
use plimsoll_model::{SeriesRef, TimeRange, Timestamp};

/// Size of a superchunk before compression: a read unpacks one of them at least.
const ROW_BYTES: usize = 32 << 10;

/// Chunks in a superchunk at most, for runs of very short chunks.
const ROW_CHUNKS: u64 = 512;

/// Takes rows in ascending order of the key.
pub(crate) trait Sink {
    /// Takes one row.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error>;
}

/// A chunk for the writer.
pub(crate) struct Piece<'a> {
    pub(crate) place: Place,
    pub(crate) histogram: bool,
    pub(crate) late: bool,
    pub(crate) range: TimeRange,
    pub(crate) samples: u32,
    pub(crate) payload: &'a [u8],
    /// Hash of the timestamps, by which equal columns are found.
    pub(crate) column: u128,
}

/// The run in the making.
pub(crate) struct RunWriter {
    bucket: Bucket,
    id: RunId,
    slice: u8,
    row: u32,
    builder: Builder,
    last: Option<Place>,
    columns: Columns,
    range: TimeRange,
    samples: u64,
    bytes: u64,
    rolled: bool,
}

impl RunWriter {
    pub(crate) fn new(bucket: Bucket, id: RunId) -> Self {
        Self {
            bucket,
            id,
            slice: 0,
            row: 0,
            builder: Builder::default(),
            last: None,
            columns: Columns::default(),
            range: TimeRange { start: Timestamp::MAX, end: Timestamp::MIN },
            samples: 0,
            bytes: 0,
            rolled: false,
        }
    }

    /// Adds a chunk; `column` encodes its timestamps when they are new to the run.
    pub(crate) fn push(
        &mut self,
        sink: &mut impl Sink,
        piece: &Piece<'_>,
        column: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let number = self.columns.number(piece.column, piece.samples, column);
        self.builder.push(&NewChunk {
            series: piece.place.series,
            samples: piece.samples,
            histogram: piece.histogram,
            late: piece.late,
            column: number,
            payload: piece.payload,
        });
        self.last = Some(piece.place);
        self.samples += u64::from(piece.samples);
        self.range.start = self.range.start.min(piece.range.start);
        self.range.end = self.range.end.max(piece.range.end);
        if self.builder.size() >= ROW_BYTES || self.builder.len() >= ROW_CHUNKS {
            self.close_row(sink)?;
        }
        Ok(())
    }

    fn close_row(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        let Some(last) = self.last.take() else { return Ok(()) };
        let value = self.builder.finish();
        self.bytes += value.len() as u64;
        sink.put(&keys::superchunk(self.bucket, self.id, self.slice, last, self.row), &value)?;
        self.row += 1;
        Ok(())
    }

    /// Ends a slice: chunks that follow belong to the next one.
    pub(crate) fn next_slice(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        self.close_row(sink)?;
        self.columns.next_slice();
        self.slice += 1;
        Ok(())
    }

    /// Writes what is left of the chunks; the timestamp columns come after the rows of series (see [`Self::finish`]).
    pub(crate) fn end_chunks(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        self.close_row(sink)
    }

    /// Writes the hours of all series of the run, in the order of their places; after the chunks and before the rows of
    /// series. `None` stands for a series with histograms.
    pub(crate) fn put_rollups<'h>(
        &mut self,
        sink: &mut impl Sink,
        all: impl Iterator<Item = (Place, Option<&'h Hours>)>,
    ) -> Result<(), Error> {
        let (mut builder, mut number) = (rollups::Builder::default(), 0);
        let mut close = |builder: &mut rollups::Builder, bytes: &mut u64| -> Result<(), Error> {
            let Some((last, value)) = builder.finish() else { return Ok(()) };
            *bytes += value.len() as u64;
            sink.put(&keys::rollups(self.bucket, self.id, last, number), &value)?;
            number += 1;
            Ok(())
        };
        for (place, hours) in all {
            builder.push(place, self.bucket, hours);
            if builder.is_full() {
                close(&mut builder, &mut self.bytes)?;
            }
        }
        close(&mut builder, &mut self.bytes)?;
        self.rolled = true;
        Ok(())
    }

    /// Writes the timestamp columns; answers what the state row says of the run.
    pub(crate) fn finish(mut self, sink: &mut impl Sink, level: u8, slices: u8) -> Result<Run, Error> {
        for (i, block) in std::mem::take(&mut self.columns).finish().into_iter().enumerate() {
            self.bytes += block.len() as u64;
            sink.put(&keys::numbered(self.bucket, keys::COLUMNS, self.id, i as u32), &block)?;
        }
        let Self { id, rolled, range, samples, bytes, .. } = self;
        Ok(Run { id, level, slices, rolled, range, samples, bytes })
    }

    /// The bucket and the number of the run.
    pub(crate) fn key(&self) -> (Bucket, RunId) {
        (self.bucket, self.id)
    }
}

/// Writes the labels of these series (ascending) as rows of a run. `fill` adds those of one row: it may take a lock
/// that is not held while rows are written.
pub(crate) fn put_series(
    writer: &mut RunWriter,
    sink: &mut impl Sink,
    series: &[SeriesRef],
    mut fill: impl FnMut(&[SeriesRef], &mut super::series::Builder),
) -> Result<(), Error> {
    let (bucket, run) = writer.key();
    let mut builder = super::series::Builder::default();
    for row in series.chunks(super::series::ROW) {
        fill(row, &mut builder);
        if let Some((first, value)) = builder.finish() {
            writer.bytes += value.len() as u64;
            sink.put(&keys::numbered(bucket, keys::SERIES, run, first.0), &value)?;
        }
    }
    Ok(())
}
