//! What all kinds of data points have in common: times, flags, attributes.

use crate::ingest::compression::clear;
use crate::ingest::wire::{Fields, Wire};
use crate::ingest::{DecodeError, Refusal};
use plimsoll_model::{Interval, Timestamp, varint};

/// Flag of a point that stands for a gap.
const NO_RECORDED_VALUE: u64 = 1;

/// Nanoseconds since the epoch as a timestamp.
pub(super) fn milliseconds(ns: u64) -> Timestamp {
    // far below i64::MAX after the division
    (ns / 1_000_000) as Timestamp
}

/// Times and flags of a point.
#[derive(Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) flags: u64,
}

impl Times {
    pub(super) fn end(&self) -> Timestamp {
        milliseconds(self.end_ns)
    }

    /// Whether the point says that nothing was recorded.
    pub(super) fn is_gap(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    /// The interval of a delta. Without a start it is the last nanosecond: then its end alone tells it apart.
    pub(super) fn interval(&self) -> Result<Interval, Refusal> {
        let ns = |t: u64| i64::try_from(t).map_err(|_| Refusal::BadPoint);
        let (start, end_ns) = (ns(self.start_ns)?, ns(self.end_ns)?);
        if start > end_ns || end_ns == 0 {
            return Err(Refusal::BadPoint);
        }
        let start_ns = if start == 0 || start == end_ns { end_ns - 1 } else { start };
        Ok(Interval { start_ns, end_ns })
    }
}

/// The fields of a point that hold its attributes. Senders write them one after the other.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    point: &'a [u8],
    field: u32,
    start: usize,
    end: usize,
    strewn: bool,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(point: &'a [u8], field: u32) -> Self {
        Self { point, field, start: 0, end: 0, strewn: false }
    }

    /// Notes a field that lies between these distances from the end of the point.
    #[inline]
    pub(super) fn note(&mut self, left_before: usize, left_after: usize) {
        let (start, end) = (self.point.len() - left_before, self.point.len() - left_after);
        if self.end == 0 {
            self.start = start;
        } else if self.end != start {
            self.strewn = true;
        }
        self.end = end;
    }

    /// All of them, one after the other.
    #[inline]
    pub(super) fn bytes(self, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
        if self.strewn { self.gather(buffer) } else { Ok(&self.point[self.start..self.end]) }
    }

    #[cold]
    fn gather(self, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
        clear(buffer);
        let mut fields = Fields::new(self.point);
        while let Some((number, value)) = fields.next()? {
            if let (true, Wire::Bytes(attribute)) = (number == self.field, value) {
                varint::put(buffer, u64::from(self.field << 3 | 2));
                varint::put(buffer, attribute.len() as u64);
                buffer.extend_from_slice(attribute);
            }
        }
        Ok(buffer)
    }
}
