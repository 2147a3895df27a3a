//! Points of exponential histograms: native histograms of Prometheus.

use super::metric::{Reader, Temporality};
use super::point::{Attributes, Times};
use super::series::{Head, Role};
use crate::ingest::wire::Fields;
use crate::ingest::{DecodeError, Refusal, Sink};
use plimsoll_model::{Histogram, Increase, Span, buckets, stale_nan, varint};

const ATTRIBUTES: u32 = 1;

/// The finest schema of native histograms; finer scales are made coarser.
const FINEST: i64 = 8;
/// The coarsest.
const COARSEST: i64 = -4;

/// An `ExponentialHistogramDataPoint`.
#[derive(Default)]
struct Content {
    times: Times,
    count: u64,
    sum: f64,
    scale: i64,
    zero_count: u64,
    zero_threshold: f64,
    positive: Side,
    negative: Side,
    exemplars: u64,
}

/// Buckets beside one another: bucket `i` reaches from `base^(offset + i)` on.
#[derive(Default)]
struct Side {
    offset: i64,
    counts: Vec<u64>,
    too_many: bool,
}

impl<S: Sink + ?Sized> Reader<'_, '_, S> {
    /// An `ExponentialHistogramDataPoint`.
    pub(super) fn exponential(
        &mut self,
        point: &[u8],
        head: &Head<'_>,
        metric_key: u128,
        temporality: Temporality,
    ) -> Result<(), DecodeError> {
        let mut attributes = Attributes::new(point, ATTRIBUTES);
        let content = Content::read(point, self.origin.limits.buckets_per_histogram, &mut attributes)?;
        let times = content.times;
        *self.newest = Some(self.newest.map_or(times.end_ns, |t| t.max(times.end_ns)));
        self.exemplars(content.exemplars);
        let mut buffer = std::mem::take(self.scattered);
        let taken = (|| {
            let (key, raw) = Self::point_key(&mut buffer, self.keying, metric_key, attributes)?;
            let labels = self.labels(head, raw, ATTRIBUTES, Role::Value);
            let interval = match self.manner(&times, temporality) {
                Ok(interval) => interval,
                Err(reason) => {
                    self.refuse(&labels, &times, reason);
                    return Ok(());
                }
            };
            let histogram = content.histogram();
            let mut current = self.intake.series(key, &labels);
            match (histogram, interval) {
                (Ok(h), Some(interval)) if h.validate().is_ok() && h.sum.is_finite() => {
                    self.intake.increase(&mut current, interval, Increase::Histogram(h), true)?;
                }
                (Ok(_), Some(_)) => self.refuse(&labels, &times, Refusal::BadHistogram),
                (histogram, _) => self.intake.histogram(&mut current, times.end(), histogram)?,
            }
            Ok(())
        })();
        *self.scattered = buffer;
        taken
    }
}

impl Content {
    fn read(point: &[u8], most: usize, attributes: &mut Attributes<'_>) -> Result<Self, DecodeError> {
        let mut content = Self::default();
        let mut fields = Fields::new(point);
        let mut left = fields.left();
        while let Some((field, value)) = fields.next()? {
            match field {
                ATTRIBUTES => {
                    value.bytes()?;
                    attributes.note(left, fields.left());
                }
                2 => content.times.start_ns = value.fixed64()?,
                3 => content.times.end_ns = value.fixed64()?,
                4 => content.count = value.fixed64()?,
                5 => content.sum = value.double()?,
                6 => content.scale = varint::unzigzag(value.varint()?),
                7 => content.zero_count = value.fixed64()?,
                8 => content.positive = Side::read(value.bytes()?, most)?,
                9 => content.negative = Side::read(value.bytes()?, most)?,
                10 => content.times.flags = value.varint()?,
                11 => content.exemplars += 1,
                14 => content.zero_threshold = value.double()?,
                _ => {}
            }
            left = fields.left();
        }
        Ok(content)
    }

    fn histogram(&self) -> Result<Histogram, String> {
        if self.times.is_gap() {
            return Ok(Histogram { sum: stale_nan(), ..Histogram::default() });
        }
        if self.scale < COARSEST {
            return Err(format!(
                "scale {} is coarser than {COARSEST}, the coarsest that is kept",
                self.scale
            ));
        }
        if self.positive.too_many || self.negative.too_many {
            return Err("the exponential histogram has too many buckets".to_owned());
        }
        let schema = self.scale.min(FINEST);
        // a difference of two small numbers, or of a huge one and 8: then no bucket is left apart from another
        let steps = u32::try_from(self.scale - schema).unwrap_or(u32::MAX);
        let (positive_spans, positive_buckets) = self.positive.buckets(steps)?;
        let (negative_spans, negative_buckets) = self.negative.buckets(steps)?;
        Ok(Histogram {
            schema: schema as i32,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum,
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            ..Histogram::default()
        })
    }
}

impl Side {
    fn read(message: &[u8], most: usize) -> Result<Self, DecodeError> {
        let mut side = Self::default();
        let mut fields = Fields::new(message);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => side.offset = varint::unzigzag(value.varint()?),
                2 => value.varints(|n| {
                    side.too_many |= side.counts.len() >= most;
                    if !side.too_many {
                        side.counts.push(n);
                    }
                    Ok(())
                })?,
                _ => {}
            }
        }
        Ok(side)
    }

    /// As spans. A native bucket is named by its upper end, so its index is one more.
    fn buckets(&self, steps: u32) -> Result<(Vec<Span>, Vec<f64>), String> {
        let out_of_range = || "a bucket lies out of range".to_owned();
        if self.offset.unsigned_abs() > u64::from(u32::MAX) {
            return Err(out_of_range());
        }
        let index = |i: usize| buckets::coarser(self.offset + i as i64 + 1, steps);
        let all = self.counts.iter().enumerate().map(|(i, n)| (index(i), *n as f64));
        buckets::spans(all).ok_or_else(out_of_range)
    }
}
