//! Data points with increases inside a batch. Frozen, see `docs/formats/batch.md`.
//!
//! ```text
//! varint points, then of each:
//!   signed distance of its end from the one before, varint length of its interval, both in nanoseconds
//!   varint members << 1, each: signed distance of its target from the one before, 8 little-endian bytes
//!   varint 1 << 1 | 1: signed distance of the target, histogram
//! ```

use crate::batch::take;
use crate::{BatchError, Histogram, Increase, Interval, Target, varint};

/// Builds the bytes.
#[derive(Debug, Default)]
pub struct PointsBuilder {
    /// Whole points.
    bytes: Vec<u8>,
    points: u64,
    members: usize,
    open: Option<Open>,
    last_end: i64,
    last_target: i64,
}

/// The point that further members may join.
#[derive(Debug)]
struct Open {
    interval: Interval,
    members: Vec<(Target, Increase)>,
}

impl PointsBuilder {
    pub(crate) fn push(&mut self, target: Target, interval: Interval, increase: &Increase, leads: bool) {
        self.members += 1;
        let joins = !leads && matches!(increase, Increase::Float(_));
        match &mut self.open {
            Some(open) if joins && open.interval == interval && open.takes_more() => {
                open.members.push((target, increase.clone()));
            }
            _ => {
                self.close();
                self.open = Some(Open { interval, members: vec![(target, increase.clone())] });
            }
        }
    }

    /// Series of all points so far.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// The bytes, if there is any point; empty afterwards.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        self.close();
        if self.points == 0 {
            return None;
        }
        let mut out = Vec::with_capacity(self.bytes.len() + 4);
        varint::put(&mut out, self.points);
        out.append(&mut self.bytes);
        *self = Self { bytes: std::mem::take(&mut self.bytes), ..Self::default() };
        Some(out)
    }

    fn close(&mut self) {
        let Some(Open { interval, members }) = self.open.take() else { return };
        let out = &mut self.bytes;
        varint::put_signed(out, interval.end_ns.wrapping_sub(self.last_end));
        varint::put(out, interval.end_ns.wrapping_sub(interval.start_ns) as u64);
        let histogram = matches!(members[0].1, Increase::Histogram(_));
        varint::put(out, (members.len() as u64) << 1 | u64::from(histogram));
        for (target, increase) in &members {
            varint::put_signed(out, target.code() - self.last_target);
            self.last_target = target.code();
            match increase {
                Increase::Float(v) => out.extend_from_slice(&v.to_bits().to_le_bytes()),
                Increase::Histogram(h) => h.encode(out),
            }
        }
        self.last_end = interval.end_ns;
        self.points += 1;
    }
}

impl Open {
    fn takes_more(&self) -> bool {
        matches!(self.members[0].1, Increase::Float(_))
    }
}

/// A data point: what several series counted over one interval. The first one leads: it remembers the interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// From when to when.
    pub interval: Interval,
    /// The series and what each counted; one at least, and with a histogram one alone.
    pub members: Vec<(Target, Increase)>,
}

/// Goes through data points.
#[derive(Clone, Debug, Default)]
pub struct Points<'a> {
    input: &'a [u8],
    left: usize,
    last_end: i64,
    last_target: i64,
}

impl<'a> Points<'a> {
    pub(crate) fn decode(mut input: &'a [u8]) -> Result<Self, BatchError> {
        let left = take(&mut input)?;
        // a point has four bytes at least
        if left > input.len() / 4 {
            return Err(BatchError::Malformed);
        }
        Ok(Self { input, left, last_end: 0, last_target: 0 })
    }

    fn point(&mut self) -> Option<Point> {
        let input = &mut self.input;
        let end_ns = self.last_end.wrapping_add(varint::take_signed(input)?);
        self.last_end = end_ns;
        let start_ns = end_ns.wrapping_sub(varint::take(input)? as i64);
        let head = varint::take(input)?;
        let (count, histogram) = (usize::try_from(head >> 1).ok()?, head & 1 == 1);
        if count == 0 || count > input.len() || (histogram && count > 1) {
            return None;
        }
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            let code = self.last_target.wrapping_add(varint::take_signed(input)?);
            self.last_target = code;
            let increase = if histogram {
                Increase::Histogram(Histogram::decode(input)?)
            } else {
                let bits = varint::take_bytes(input, 8)?.try_into().ok()?;
                Increase::Float(f64::from_bits(u64::from_le_bytes(bits)))
            };
            members.push((Target::from_code(code)?, increase));
        }
        Some(Point { interval: Interval { start_ns, end_ns }, members })
    }
}

impl Iterator for Points<'_> {
    type Item = Result<Point, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let point = self.point().ok_or(BatchError::Malformed);
        if point.is_err() {
            self.left = 0;
        }
        Some(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, BatchBuilder, Labels, SeriesRef};
    use proptest::prelude::*;

    const MINUTE: Interval = Interval { start_ns: 100, end_ns: 400 };

    #[test]
    fn the_bytes_are_golden() {
        let mut b = BatchBuilder::default();
        b.increase(Target::Known(SeriesRef(3)), MINUTE, &Increase::Float(1.5), true);
        b.increase(Target::Known(SeriesRef(2)), MINUTE, &Increase::Float(-0.0), false);
        assert_eq!(b.samples(), 2);
        let bytes = b.finish();
        let golden = [
            &[2u8, 0, 0, 0, 0, 0, 0, 1, 0xa0, 6, 0xac, 2, 4, 12][..],
            &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 3, 0, 0, 0, 0, 0, 0, 0, 0x80],
        ];
        assert_eq!(bytes, golden.concat());
        assert_eq!(b.finish(), [1, 0, 0, 0, 0, 0]);
        for n in 0..bytes.len() {
            let whole = Batch::decode(&bytes[..n]).is_ok_and(|b| b.points().all(|p| p.is_ok()));
            assert!(!whole, "a batch cut at {n} was taken as whole");
        }
    }

    fn increase() -> impl Strategy<Value = Increase> {
        let histogram = any::<(i8, u16)>().prop_map(|(schema, count)| {
            let count = f64::from(count);
            let h = Histogram { schema: schema.into(), count, zero_count: count, ..Histogram::default() };
            Increase::Histogram(h)
        });
        prop_oneof![any::<u64>().prop_map(|bits| Increase::Float(f64::from_bits(bits))), histogram]
    }

    proptest! {
        #[test]
        fn points_come_back_bit_for_bit(
            items in proptest::collection::vec((any::<u32>(), any::<(i64, i64)>(), increase(), any::<bool>()), 0..20)
        ) {
            let mut b = BatchBuilder::default();
            let defined = b.define(&Labels::from_pairs([("__name__", "m")]).expect("labels"));
            b.float(Target::Defined(defined), 1, 2.0);
            b.histogram(Target::Defined(defined), 1, &Histogram::default());
            let mut sent = Vec::new();
            for (r, (start_ns, end_ns), increase, leads) in &items {
                let interval = Interval { start_ns: *start_ns, end_ns: *end_ns };
                b.increase(Target::Known(SeriesRef(*r)), interval, increase, *leads);
                sent.push((Target::Known(SeriesRef(*r)), interval, increase.clone()));
            }
            let bytes = b.finish();
            let batch = Batch::decode(&bytes).expect("own bytes");
            prop_assert_eq!(batch.histograms().count(), 1);
            let mut back = Vec::new();
            for point in batch.points() {
                let point = point.expect("own bytes");
                back.extend(point.members.into_iter().map(|(t, i)| (t, point.interval, i)));
            }
            let bits = |all: &[(Target, Interval, Increase)]| {
                all.iter().map(|(t, i, v)| (*t, *i, match v {
                    Increase::Float(f) => Err(f.to_bits()),
                    Increase::Histogram(h) => Ok(h.clone()),
                })).collect::<Vec<_>>()
            };
            prop_assert_eq!(bits(&back), bits(&sent));
        }
    }
}
