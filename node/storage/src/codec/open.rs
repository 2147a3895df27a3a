//! The newest float samples of one series: a byte stream that grows sample by sample, one byte for a steady one.
//!
//! ```text
//! record   varint word: bit 0 set when the distance to the sample before changed, bit 1 set for an escape
//!          plain:  word >> 2 is the zigzag difference of v * 10^exponent to the integer before
//!          escape: word >> 2 is 0: 8 bytes of the value; 1: exponent u8, zigzag varint integer; 2: the bits before
//!          with bit 0: zigzag varint change of the distance
//! ```
//! The first record's timestamp is kept beside the stream; exponent, integers and distance begin at 0. The stream
//! is stored at a checkpoint as it is (see `docs/formats/chunk.md`).

use super::decimal;
use super::pack::{take_byte, take_slice};
use plimsoll_model::{Timestamp, varint};

const CHANGED: u64 = 1;
const ESCAPE: u64 = 2;
const RAW: u64 = 0;
const RESCALE: u64 = 1;
const SAME: u64 = 2;

/// Exponent that stands for "no longer tried": values are noise.
const NOISE: u8 = u8::MAX;

/// More digits than this are left to the raw form, which is shorter by then.
const LARGEST_EXPONENT: usize = 12;

/// Longest record: a word, an exponent, an integer, a change.
const LONGEST_RECORD: usize = 32;

/// Sizes to which the stream's buffer grows; steps are small because there is one buffer a series.
const SIZES: [usize; 10] = [40, 64, 96, 136, 192, 256, 336, 432, 560, 1200];

/// Samples after which a stream is full.
pub(crate) const FULL_SAMPLES: u8 = 128;

/// Bytes after which a stream is full.
pub(crate) const FULL_BYTES: usize = 512;

/// The open stream of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    first: Timestamp,
    last: Timestamp,
    distance: i64,
    integer: i64,
    bits: u64,
    bytes: Vec<u8>,
    count: u8,
    exponent: u8,
}

/// A stream whose bytes are damaged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl Open {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= FULL_SAMPLES || self.bytes.len() >= FULL_BYTES
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Timestamp of the first sample; meaningless when empty.
    pub(crate) fn first(&self) -> Timestamp {
        self.first
    }

    /// Timestamp of the newest sample, also after `clear`; meaningless before the first.
    pub(crate) fn last(&self) -> Timestamp {
        self.last
    }

    pub(crate) fn last_bits(&self) -> u64 {
        self.bits
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the memory that an append writes.
    #[inline]
    pub(crate) fn touch(&self) -> i64 {
        self.last ^ i64::from(self.bytes.last().copied().unwrap_or(0))
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends a sample. It must be newer than the last one and the stream must not be full.
    #[inline]
    pub(crate) fn push(&mut self, at: Timestamp, v: f64) {
        if self.bytes.capacity() - self.bytes.len() < LONGEST_RECORD {
            self.grow();
        }
        if self.count == 0 {
            (self.first, self.last) = (at, at);
        }
        let distance = at.wrapping_sub(self.last);
        let change = distance.wrapping_sub(self.distance);
        let changed = u64::from(change != 0);
        match self.plain(v) {
            Some(m) => {
                put_word(&mut self.bytes, varint::zigzag(m - self.integer) << 2 | changed);
                self.integer = m;
            }
            None => self.push_escape(v, changed),
        }
        if change != 0 {
            varint::put_signed(&mut self.bytes, change);
            self.distance = distance;
        }
        self.last = at;
        self.bits = v.to_bits();
        self.count += 1;
    }

    #[inline]
    fn plain(&self, v: f64) -> Option<i64> {
        if self.exponent == NOISE { None } else { decimal::integer(v, usize::from(self.exponent)) }
    }

    #[cold]
    fn push_escape(&mut self, v: f64, changed: u64) {
        let word = |code: u64| code << 2 | ESCAPE | changed;
        if self.count > 0 && v.to_bits() == self.bits {
            varint::put(&mut self.bytes, word(SAME));
            return;
        }
        if self.exponent != NOISE && !decimal::is_special(v) {
            let from = usize::from(self.exponent) + 1;
            if let Some(e) = decimal::exponent(v, from, LARGEST_EXPONENT) {
                let m = decimal::integer(v, e).expect("the exponent was found for this value");
                varint::put(&mut self.bytes, word(RESCALE));
                self.bytes.push(e as u8);
                varint::put_signed(&mut self.bytes, m);
                (self.exponent, self.integer) = (e as u8, m);
                return;
            }
            self.exponent = NOISE;
        }
        varint::put(&mut self.bytes, word(RAW));
        self.bytes.extend_from_slice(&v.to_bits().to_le_bytes());
    }

    #[cold]
    fn grow(&mut self) {
        let need = self.bytes.len() + LONGEST_RECORD;
        let size = SIZES.into_iter().find(|s| *s >= need).unwrap_or(need * 2);
        self.bytes.reserve_exact(size - self.bytes.len());
    }

    /// Empties the stream; a buffer that the series filled before is kept for the samples to come.
    pub(crate) fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        *self = Self { last: self.last, bytes, ..Self::default() };
    }

    /// Remembers the timestamp of a newer sample that is kept elsewhere; the stream must be empty.
    pub(crate) fn note(&mut self, newest: Timestamp) {
        self.last = newest;
    }

    /// Gives the buffer's memory back; for series that have gone quiet.
    pub(crate) fn release(&mut self) {
        self.bytes = Vec::new();
    }

    /// A stream from stored bytes; the state for further appends is found by reading it.
    pub(crate) fn restore(first: Timestamp, count: u8, bytes: &[u8]) -> Result<Self, Damaged> {
        let mut cursor = Cursor::new(first, bytes);
        for _ in 0..count {
            cursor.next().ok_or(Damaged)?;
        }
        if count == 0 || !cursor.input.is_empty() {
            return Err(Damaged);
        }
        Ok(Self {
            first,
            last: cursor.at,
            distance: cursor.distance,
            integer: cursor.integer,
            bits: cursor.bits,
            bytes: bytes.to_vec(),
            count,
            // A stream of noise is restored as one that may try again; readers cannot tell the difference.
            exponent: cursor.exponent,
        })
    }

    /// Appends all samples to the two columns.
    pub(crate) fn read(&self, times: &mut Vec<Timestamp>, values: &mut Vec<f64>) -> Result<(), Damaged> {
        read(self.first, self.len(), &self.bytes, times, values)
    }
}

/// Appends a varint; nearly all have one or two bytes.
#[inline]
fn put_word(out: &mut Vec<u8>, word: u64) {
    if word < 0x80 {
        out.push(word as u8);
    } else if word < 0x4000 {
        out.extend_from_slice(&[word as u8 | 0x80, (word >> 7) as u8]);
    } else {
        varint::put(out, word);
    }
}

/// Appends the `count` samples of a stream to the two columns.
pub(crate) fn read(
    first: Timestamp,
    count: usize,
    bytes: &[u8],
    times: &mut Vec<Timestamp>,
    values: &mut Vec<f64>,
) -> Result<(), Damaged> {
    let mut cursor = Cursor::new(first, bytes);
    times.reserve(count.min(bytes.len()));
    values.reserve(count.min(bytes.len()));
    for _ in 0..count {
        let (at, v) = cursor.next().ok_or(Damaged)?;
        times.push(at);
        values.push(v);
    }
    Ok(())
}

struct Cursor<'a> {
    input: &'a [u8],
    at: Timestamp,
    distance: i64,
    integer: i64,
    bits: u64,
    exponent: u8,
    begun: bool,
}

impl<'a> Cursor<'a> {
    fn new(first: Timestamp, input: &'a [u8]) -> Self {
        Self { input, at: first, distance: 0, integer: 0, bits: 0, exponent: 0, begun: false }
    }

    #[inline]
    fn next(&mut self) -> Option<(Timestamp, f64)> {
        let word = varint::take(&mut self.input)?;
        if word & ESCAPE == 0 {
            self.integer = self.integer.wrapping_add(varint::unzigzag(word >> 2));
            self.bits = decimal::float(self.integer, usize::from(self.exponent)).to_bits();
        } else {
            match word >> 2 {
                RAW => {
                    let bytes = take_slice(&mut self.input, 8)?;
                    self.bits = u64::from_le_bytes(bytes.try_into().ok()?);
                }
                RESCALE => {
                    self.exponent =
                        take_byte(&mut self.input).filter(|e| usize::from(*e) <= LARGEST_EXPONENT)?;
                    self.integer = varint::take_signed(&mut self.input)?;
                    self.bits = decimal::float(self.integer, usize::from(self.exponent)).to_bits();
                }
                SAME => {}
                _ => return None,
            }
        }
        if word & CHANGED != 0 {
            self.distance = self.distance.wrapping_add(varint::take_signed(&mut self.input)?);
        }
        if self.begun {
            self.at = self.at.wrapping_add(self.distance);
        }
        self.begun = true;
        Some((self.at, f64::from_bits(self.bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            5 => (-100_000i64..100_000, 0usize..4).prop_map(|(m, e)| decimal::float(m, e)),
            1 => any::<u64>().prop_map(f64::from_bits),
            1 => Just(f64::from_bits(plimsoll_model::STALE_NAN_BITS)),
            1 => Just(-0.0),
        ]
    }

    proptest! {
        #[test]
        fn samples_come_back_and_a_restored_stream_goes_on(
            samples in proptest::collection::vec((1i64..100_000, value()), 2..100),
            first in -1_000_000_000i64..2_000_000_000_000,
            cut in 1usize..100,
        ) {
            let (mut open, mut at, mut expected) = (Open::default(), first, Vec::new());
            for (i, (step, v)) in samples.iter().enumerate() {
                if i == cut {
                    open = Open::restore(open.first(), open.len() as u8, open.bytes()).expect("own bytes");
                }
                at += step;
                open.push(at, *v);
                expected.push((at, v.to_bits()));
            }
            let (mut times, mut values) = (Vec::new(), Vec::new());
            open.read(&mut times, &mut values).expect("own bytes");
            let back: Vec<_> = times.into_iter().zip(values.into_iter().map(f64::to_bits)).collect();
            prop_assert_eq!(back, expected);
            prop_assert_eq!((open.last(), open.len()), (at, samples.len()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), n in 0u8..200) {
            let _ = Open::restore(0, n, &bytes);
            let _ = read(0, usize::from(n), &bytes, &mut Vec::new(), &mut Vec::new());
        }
    }

    #[test]
    fn a_steady_gauge_costs_a_byte_a_sample() {
        let mut open = Open::default();
        for i in 0..100i64 {
            open.push(1_700_000_000_000 + i * 15_000, (i % 5) as f64);
        }
        assert!(open.bytes().len() <= 104, "{}", open.bytes().len());
    }

    #[test]
    fn the_stream_is_golden() {
        let mut open = Open::default();
        for (at, v) in [(1000, 1.0), (1010, 2.5), (1020, f64::INFINITY), (1030, f64::INFINITY), (1045, 2.4)] {
            open.push(at, v);
        }
        let expected =
            [&[0x08][..], &[0x07, 1, 50, 20], &[0x02, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f], &[0x0a], &[0x05, 10]];
        assert_eq!(open.bytes(), expected.concat());
    }
}
