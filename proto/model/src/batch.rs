//! Samples on their way into one shard: what a raft log entry holds. Columnar, frozen, see
//! `docs/formats/batch.md`.
//!
//! ```text
//! version u8 = 1, or 2 with increases
//! definitions   varint count, then each: varint length, canonical label bytes
//! floats        varint count, varint length of targets, targets, varint length of timestamps,
//!               timestamps, values as 8 little-endian bytes each
//! histograms    varint count, (version 2: varint length,) then each: target, timestamp, histogram
//! increases     version 2: see `points`
//! ```
//! A target is `ref << 1` or `definition << 1 | 1`. Targets and timestamps are zigzag deltas from the one before.

use crate::points::{Points, PointsBuilder};
use crate::{
    Histogram, Increase, Interval, Labels, LabelsError, ResetHint, SeriesRef, Span, Timestamp, varint,
};
use std::sync::Arc;

/// Samples alone.
const PLAIN: u8 = 1;
/// Increases as well. A batch without any is written as [`PLAIN`].
const WITH_INCREASES: u8 = 2;

/// Which series a sample belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A series that the shard has numbered.
    Known(SeriesRef),
    /// The n-th definition of the same batch.
    Defined(u32),
}

/// One sample of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A float sample.
    Float(Target, Timestamp, f64),
    /// A native-histogram sample.
    Histogram(Target, Timestamp, Arc<Histogram>),
}

/// Bytes that are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The format is of another version.
    #[error("batch format version {0} is not known, this node reads 1 and 2")]
    Version(u8),
    /// The bytes are cut or inconsistent.
    #[error("batch bytes are cut or inconsistent")]
    Malformed,
    /// A definition is not a set of labels.
    #[error("batch definition: {0}")]
    Labels(#[from] LabelsError),
}

/// Builds the bytes of a batch.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    definitions: Vec<u8>,
    definition_count: u32,
    targets: Vec<u8>,
    timestamps: Vec<u8>,
    values: Vec<u8>,
    floats: u32,
    histograms: Vec<u8>,
    histogram_count: u32,
    points: PointsBuilder,
    last_target: i64,
    last_timestamp: i64,
}

impl BatchBuilder {
    /// Adds a series that the shard may not know; answers its number within this batch.
    pub fn define(&mut self, labels: &Labels) -> u32 {
        varint::put(&mut self.definitions, labels.as_bytes().len() as u64);
        self.definitions.extend_from_slice(labels.as_bytes());
        self.definition_count += 1;
        self.definition_count - 1
    }

    /// Adds a float sample.
    #[inline]
    pub fn float(&mut self, target: Target, timestamp: Timestamp, value: f64) {
        let code = target.code();
        varint::put_signed(&mut self.targets, code - self.last_target);
        varint::put_signed(&mut self.timestamps, timestamp.wrapping_sub(self.last_timestamp));
        self.values.extend_from_slice(&value.to_bits().to_le_bytes());
        self.last_target = code;
        self.last_timestamp = timestamp;
        self.floats += 1;
    }

    /// Adds a native-histogram sample.
    pub fn histogram(&mut self, target: Target, timestamp: Timestamp, histogram: &Histogram) {
        varint::put_signed(&mut self.histograms, target.code());
        varint::put_signed(&mut self.histograms, timestamp);
        histogram.encode(&mut self.histograms);
        self.histogram_count += 1;
    }

    /// Adds what a series counted over `interval`. With `leads` a data point begins; without, the series belongs to the
    /// point of the one before it, as the buckets of one histogram do: they are counted together or not at all.
    pub fn increase(&mut self, target: Target, interval: Interval, increase: &Increase, leads: bool) {
        self.points.push(target, interval, increase, leads);
    }

    /// Number of samples so far; of a data point with increases, each series counts.
    pub fn samples(&self) -> usize {
        (self.floats + self.histogram_count) as usize + self.points.members()
    }

    /// Number of definitions so far.
    pub fn definitions(&self) -> usize {
        self.definition_count as usize
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.samples() == 0 && self.definition_count == 0
    }

    /// The bytes; the builder is empty afterwards and keeps its allocations.
    pub fn finish(&mut self) -> Vec<u8> {
        let size = self.definitions.len() + self.targets.len() + self.timestamps.len();
        let mut out = Vec::with_capacity(size + self.values.len() + self.histograms.len() + 32);
        let points = self.points.finish();
        out.push(if points.is_some() { WITH_INCREASES } else { PLAIN });
        varint::put(&mut out, u64::from(self.definition_count));
        out.append(&mut self.definitions);
        varint::put(&mut out, u64::from(self.floats));
        for column in [&mut self.targets, &mut self.timestamps] {
            varint::put(&mut out, column.len() as u64);
            out.append(column);
        }
        out.append(&mut self.values);
        varint::put(&mut out, u64::from(self.histogram_count));
        if let Some(mut points) = points {
            varint::put(&mut out, self.histograms.len() as u64);
            out.append(&mut self.histograms);
            out.append(&mut points);
        }
        out.append(&mut self.histograms);
        (self.definition_count, self.floats, self.histogram_count) = (0, 0, 0);
        (self.last_target, self.last_timestamp) = (0, 0);
        out
    }
}

impl Target {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Known(r) => i64::from(r.0) << 1,
            Self::Defined(i) => i64::from(i) << 1 | 1,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        let n = u32::try_from(code >> 1).ok()?;
        Some(if code & 1 == 0 { Self::Known(SeriesRef(n)) } else { Self::Defined(n) })
    }
}

/// A batch read in place.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// Labels of the series that this batch defines.
    pub definitions: Vec<Labels>,
    targets: &'a [u8],
    timestamps: &'a [u8],
    values: &'a [u8],
    histogram_count: u64,
    histograms: &'a [u8],
    points: Points<'a>,
}

impl<'a> Batch<'a> {
    /// Reads the frame of a batch; samples are decoded by the iterators.
    pub fn decode(mut input: &'a [u8]) -> Result<Self, BatchError> {
        let input = &mut input;
        let version = *varint::take_bytes(input, 1).and_then(<[u8]>::first).ok_or(BatchError::Malformed)?;
        if ![PLAIN, WITH_INCREASES].contains(&version) {
            return Err(BatchError::Version(version));
        }
        let count = take(input)?;
        let mut definitions = Vec::with_capacity(count.min(input.len() / 2));
        for _ in 0..count {
            definitions.push(Labels::from_bytes(take_sized(input)?)?);
        }
        let floats = take(input)?;
        let targets = take_sized(input)?;
        let timestamps = take_sized(input)?;
        let value_bytes = floats.checked_mul(8).ok_or(BatchError::Malformed)?;
        let values = varint::take_bytes(input, value_bytes).ok_or(BatchError::Malformed)?;
        let histogram_count = take(input)? as u64;
        let (histograms, points) = match version {
            PLAIN => (*input, Points::default()),
            _ => (take_sized(input)?, Points::decode(input)?),
        };
        Ok(Self { definitions, targets, timestamps, values, histogram_count, histograms, points })
    }

    /// Number of float samples.
    pub fn float_count(&self) -> usize {
        self.values.len() / 8
    }

    /// Number of samples of both kinds.
    pub fn sample_count(&self) -> usize {
        self.float_count() + self.histogram_count as usize
    }

    /// The data points with increases, in the order in which they were added.
    pub fn points(&self) -> Points<'a> {
        self.points.clone()
    }

    /// The float samples in the order in which they were added.
    #[inline]
    pub fn floats(&self) -> impl Iterator<Item = Result<(Target, Timestamp, f64), BatchError>> + use<'a> {
        let (mut targets, mut timestamps) = (self.targets, self.timestamps);
        let (mut code, mut timestamp) = (0i64, 0i64);
        self.values.chunks_exact(8).map(move |v| {
            let dt = varint::take_signed(&mut targets).ok_or(BatchError::Malformed)?;
            let dts = varint::take_signed(&mut timestamps).ok_or(BatchError::Malformed)?;
            code = code.wrapping_add(dt);
            timestamp = timestamp.wrapping_add(dts);
            let target = Target::from_code(code).ok_or(BatchError::Malformed)?;
            let bits = u64::from_le_bytes(v.try_into().expect("chunks of eight bytes"));
            Ok((target, timestamp, f64::from_bits(bits)))
        })
    }

    /// The histogram samples in the order in which they were added.
    pub fn histograms(
        &self,
    ) -> impl Iterator<Item = Result<(Target, Timestamp, Histogram), BatchError>> + use<'a> {
        let mut input = self.histograms;
        (0..self.histogram_count).map(move |_| {
            let code = varint::take_signed(&mut input).ok_or(BatchError::Malformed)?;
            let timestamp = varint::take_signed(&mut input).ok_or(BatchError::Malformed)?;
            let h = Histogram::decode(&mut input).ok_or(BatchError::Malformed)?;
            Ok((Target::from_code(code).ok_or(BatchError::Malformed)?, timestamp, h))
        })
    }
}

pub(crate) fn take(input: &mut &[u8]) -> Result<usize, BatchError> {
    varint::take(input).and_then(|n| usize::try_from(n).ok()).ok_or(BatchError::Malformed)
}

fn take_sized<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], BatchError> {
    let n = take(input)?;
    varint::take_bytes(input, n).ok_or(BatchError::Malformed)
}

impl Histogram {
    /// Appends the bytes of this histogram: hint, schema, four floats, then spans, buckets and bounds with counts.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.reset_hint as u8);
        varint::put_signed(out, i64::from(self.schema));
        for v in [self.zero_threshold, self.zero_count, self.count, self.sum] {
            out.extend_from_slice(&v.to_bits().to_le_bytes());
        }
        for spans in [&self.positive_spans, &self.negative_spans] {
            varint::put(out, spans.len() as u64);
            for s in spans {
                varint::put_signed(out, i64::from(s.offset));
                varint::put(out, u64::from(s.length));
            }
        }
        for column in [&self.positive_buckets, &self.negative_buckets, &self.custom_values] {
            varint::put(out, column.len() as u64);
            for v in column {
                out.extend_from_slice(&v.to_bits().to_le_bytes());
            }
        }
    }

    /// Takes a histogram off the front of `input`; `None` when the bytes are no histogram.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        let reset_hint = match varint::take_bytes(input, 1)?[0] {
            0 => ResetHint::Unknown,
            1 => ResetHint::Yes,
            2 => ResetHint::No,
            3 => ResetHint::Gauge,
            _ => return None,
        };
        let schema = i32::try_from(varint::take_signed(input)?).ok()?;
        let mut float =
            || Some(f64::from_bits(u64::from_le_bytes(varint::take_bytes(input, 8)?.try_into().ok()?)));
        let (zero_threshold, zero_count, count, sum) = (float()?, float()?, float()?, float()?);
        let (positive_spans, negative_spans) = (take_spans(input)?, take_spans(input)?);
        let (positive_buckets, negative_buckets) = (take_floats(input)?, take_floats(input)?);
        let custom_values = take_floats(input)?;
        Some(Self {
            reset_hint,
            schema,
            zero_threshold,
            zero_count,
            count,
            sum,
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values,
        })
    }
}

fn take_spans(input: &mut &[u8]) -> Option<Vec<Span>> {
    let n = usize::try_from(varint::take(input)?).ok()?;
    if n > input.len() {
        return None;
    }
    let mut out = Vec::with_capacity(n);
    for _ in 0..n {
        let offset = i32::try_from(varint::take_signed(input)?).ok()?;
        out.push(Span { offset, length: u32::try_from(varint::take(input)?).ok()? });
    }
    Some(out)
}

fn take_floats(input: &mut &[u8]) -> Option<Vec<f64>> {
    let n = usize::try_from(varint::take(input)?).ok()?;
    let bytes = varint::take_bytes(input, n.checked_mul(8)?)?;
    let float = |c: &[u8]| f64::from_bits(u64::from_le_bytes(c.try_into().expect("chunks of eight bytes")));
    Some(bytes.chunks_exact(8).map(float).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut b = BatchBuilder::default();
        let d = b.define(&Labels::from_pairs([("__name__", "up")]).expect("labels"));
        b.float(Target::Defined(d), 1000, f64::from_bits(crate::STALE_NAN_BITS));
        b.float(Target::Known(SeriesRef(u32::MAX)), i64::MIN, -0.0);
        b.float(Target::Known(SeriesRef(0)), i64::MAX, 1.5);
        let h = Histogram {
            positive_spans: vec![Span { offset: -3, length: 1 }],
            positive_buckets: vec![4.0],
            ..Histogram::default()
        };
        b.histogram(Target::Known(SeriesRef(7)), 5, &h);
        b.finish()
    }

    #[test]
    fn everything_comes_back_bit_for_bit() {
        let bytes = sample();
        let b = Batch::decode(&bytes).expect("a batch");
        assert_eq!(b.definitions[0].to_string(), "up");
        let floats: Vec<_> =
            b.floats().map(|r| r.expect("a sample")).map(|(t, ts, v)| (t, ts, v.to_bits())).collect();
        assert_eq!(
            floats,
            vec![
                (Target::Defined(0), 1000, crate::STALE_NAN_BITS),
                (Target::Known(SeriesRef(u32::MAX)), i64::MIN, (-0.0f64).to_bits()),
                (Target::Known(SeriesRef(0)), i64::MAX, 1.5f64.to_bits()),
            ]
        );
        let (target, at, h) = b.histograms().next().expect("one").expect("a histogram");
        assert_eq!((target, at, h.positive_buckets), (Target::Known(SeriesRef(7)), 5, vec![4.0]));
    }

    #[test]
    fn every_cut_is_refused_or_ends_early_without_a_panic() {
        let bytes = sample();
        for n in 0..bytes.len() {
            let whole = Batch::decode(&bytes[..n])
                .is_ok_and(|b| b.floats().all(|f| f.is_ok()) && b.histograms().all(|h| h.is_ok()));
            assert!(!whole, "a batch cut at {n} was taken as whole");
        }
        assert_eq!(Batch::decode(&[9]).err(), Some(BatchError::Version(9)));
    }
}
