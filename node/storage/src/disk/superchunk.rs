//! Chunks of many series in one value.
//!
//! ```text
//! body     varint number of chunks, then of each:
//!            zigzag varint distance of its ref to the one before
//!            varint samples << 2 | histogram << 1 | late
//!            varint timestamp column
//!            varint bytes of its payload
//!          payloads one after another, packed (see `frame`)
//! ```
//! Chunks are in the order of (metric, ref, late). A payload is a `codec::floats` column, or `codec::histograms`
//! records. A late chunk holds samples that came out of order: it wins over the others of its run.

use super::Flaw;
use super::frame::{self, Packer, Unpacker};
use crate::codec::MAX_CHUNK_SAMPLES;
use plimsoll_model::{SeriesRef, varint};

/// One chunk in the directory of a superchunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) series: SeriesRef,
    pub(crate) samples: u32,
    pub(crate) histogram: bool,
    pub(crate) late: bool,
    /// Number of its timestamp column inside the run.
    pub(crate) column: u32,
    start: usize,
    length: usize,
}

/// Collects chunks into one value.
#[derive(Default)]
pub(crate) struct Builder {
    directory: Vec<u8>,
    payloads: Vec<u8>,
    count: u64,
    last: u32,
    packer: Packer,
}

/// What the directory says of a chunk that is added.
pub(crate) struct NewChunk<'a> {
    pub(crate) series: SeriesRef,
    pub(crate) samples: u32,
    pub(crate) histogram: bool,
    pub(crate) late: bool,
    pub(crate) column: u32,
    pub(crate) payload: &'a [u8],
}

impl Builder {
    pub(crate) fn push(&mut self, c: &NewChunk<'_>) {
        varint::put_signed(&mut self.directory, i64::from(c.series.0) - i64::from(self.last));
        let flags = u64::from(c.histogram) << 1 | u64::from(c.late);
        varint::put(&mut self.directory, u64::from(c.samples) << 2 | flags);
        varint::put(&mut self.directory, u64::from(c.column));
        varint::put(&mut self.directory, c.payload.len() as u64);
        self.payloads.extend_from_slice(c.payload);
        self.last = c.series.0;
        self.count += 1;
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// Bytes before compression.
    pub(crate) fn size(&self) -> usize {
        self.directory.len() + self.payloads.len()
    }

    /// The framed value; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.size());
        varint::put(&mut body, self.count);
        body.append(&mut self.directory);
        self.packer.put(&mut body, &self.payloads);
        self.payloads.clear();
        (self.count, self.last) = (0, 0);
        frame::seal(&body)
    }
}

/// A superchunk read from disk; payloads are unpacked when first asked for.
pub(crate) struct Superchunk<'a> {
    slots: Vec<Slot>,
    packed: &'a [u8],
}

impl<'a> Superchunk<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Flaw> {
        let mut body = frame::open(value)?;
        let (slots, packed) = directory(&mut body).ok_or(Flaw::Damaged)?;
        Ok(Self { slots, packed })
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// All payloads; `Slot::payload` cuts one out.
    pub(crate) fn payloads(&self, unpacker: &mut Unpacker) -> Result<Vec<u8>, Flaw> {
        let payloads = unpacker.take(self.packed)?;
        let length = self.slots.last().map_or(0, |s| s.start + s.length);
        if payloads.len() == length { Ok(payloads) } else { Err(Flaw::Damaged) }
    }
}

impl Slot {
    pub(crate) fn payload<'p>(&self, payloads: &'p [u8]) -> &'p [u8] {
        &payloads[self.start..self.start + self.length]
    }
}

fn directory<'a>(body: &mut &'a [u8]) -> Option<(Vec<Slot>, &'a [u8])> {
    let count = usize::try_from(varint::take(body)?).ok().filter(|n| *n <= body.len() / 4)?;
    let mut slots = Vec::with_capacity(count);
    let (mut series, mut start) = (0i64, 0usize);
    for _ in 0..count {
        series = series.checked_add(varint::take_signed(body)?)?;
        let samples = varint::take(body)?;
        let column = u32::try_from(varint::take(body)?).ok()?;
        let length = usize::try_from(varint::take(body)?).ok()?;
        let slot = Slot {
            series: SeriesRef(u32::try_from(series).ok()?),
            samples: u32::try_from(samples >> 2).ok().filter(|n| *n as usize <= MAX_CHUNK_SAMPLES)?,
            histogram: samples & 2 != 0,
            late: samples & 1 != 0,
            column,
            start,
            length,
        };
        start = start.checked_add(length)?;
        slots.push(slot);
    }
    Some((slots, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_superchunk_is_golden() {
        let mut b = Builder::default();
        for (series, late) in [(5, false), (3, true)] {
            let series = SeriesRef(series);
            b.push(&NewChunk { series, samples: 2, histogram: false, late, column: 1, payload: b"ab" });
        }
        assert_eq!(b.finish()[5..], [2, 10, 8, 1, 2, 3, 9, 1, 2, 4, 0, b'a', b'b', b'a', b'b']);
    }

    proptest! {
        #[test]
        fn chunks_come_back(
            chunks in proptest::collection::vec(
                (any::<u32>(), 0u32..1000, any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..50)),
                0..20)
        ) {
            let mut b = Builder::default();
            for (series, samples, late, column, payload) in &chunks {
                b.push(&NewChunk {
                    series: SeriesRef(*series), samples: *samples, histogram: !late, late: *late, column: *column, payload,
                });
            }
            let value = b.finish();
            let read = Superchunk::parse(&value).expect("own bytes");
            let payloads = read.payloads(&mut Unpacker::default()).expect("own bytes");
            prop_assert_eq!(read.slots().len(), chunks.len());
            for (slot, (series, samples, late, column, payload)) in read.slots().iter().zip(&chunks) {
                prop_assert_eq!((slot.series.0, slot.samples, slot.late, slot.column), (*series, *samples, *late, *column));
                prop_assert_eq!(slot.payload(&payloads), &payload[..]);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let value = frame::seal(&body);
            if let Ok(read) = Superchunk::parse(&value) {
                let _ = read.payloads(&mut Unpacker::default());
            }
        }
    }
}
