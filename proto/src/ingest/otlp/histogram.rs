//! Points of histograms with bounds of their own: `_count`, `_sum` and a `_bucket` for each bound.

use super::metric::{Manner, Reader, Temporality};
use super::point::{Attributes, Times};
use super::series::{Head, Role};
use crate::ingest::wire::{Fields, Wire};
use crate::ingest::{DecodeError, Refusal, Sink};
use plimsoll_model::Interval;

const ATTRIBUTES: u32 = 9;

/// A `HistogramDataPoint`.
#[derive(Default)]
struct Content {
    times: Times,
    count: u64,
    sum: Option<f64>,
    counts: Vec<u64>,
    bounds: Vec<f64>,
    exemplars: u64,
    too_many: bool,
}

impl<S: Sink + ?Sized> Reader<'_, '_, S> {
    /// A `HistogramDataPoint`.
    pub(super) fn histogram(
        &mut self,
        point: &[u8],
        head: &Head<'_>,
        metric_key: u128,
        temporality: Temporality,
    ) -> Result<(), DecodeError> {
        let mut content = Content::default();
        let mut attributes = Attributes::new(point, ATTRIBUTES);
        let most = self.origin.limits.buckets_per_histogram;
        let mut fields = Fields::new(point);
        let mut left = fields.left();
        while let Some((field, value)) = fields.next()? {
            if field == ATTRIBUTES {
                value.bytes()?;
                attributes.note(left, fields.left());
            } else {
                content.field(field, value, most)?;
            }
            left = fields.left();
        }
        *self.newest = Some(self.newest.map_or(content.times.end_ns, |t| t.max(content.times.end_ns)));
        self.exemplars(content.exemplars);
        let mut buffer = std::mem::take(self.scattered);
        let taken = (|| {
            let (key, raw) = Self::point_key(&mut buffer, self.keying, metric_key, attributes)?;
            let interval = self.manner(&content.times, temporality);
            match interval.and_then(|i| if content.is_sound() { Ok(i) } else { Err(Refusal::BadHistogram) }) {
                Err(reason) => {
                    let labels = self.labels(head, raw, ATTRIBUTES, Role::Count);
                    self.refuse(&labels, &content.times, reason);
                }
                Ok(interval) => self.buckets(&content, head, (key, raw), interval)?,
            }
            Ok(())
        })();
        *self.scattered = buffer;
        taken
    }

    fn buckets(
        &mut self,
        content: &Content,
        head: &Head<'_>,
        (key, raw): (u128, &[u8]),
        interval: Option<Interval>,
    ) -> Result<(), DecodeError> {
        let mut put = |role: Role, value: f64, leads: bool| {
            let labels = self.labels(head, raw, ATTRIBUTES, role);
            let mut current = self.intake.series(self.keying.series(key, role), &labels);
            self.take(&mut current, &content.times, Manner::of(interval, leads), value)
        };
        // What the leading series does not take part in is not counted at all: it remembers the interval.
        if !put(Role::Count, content.count as f64, true)? {
            return Ok(());
        }
        if let Some(sum) = content.sum {
            put(Role::Sum, sum, false)?;
        }
        let mut below = 0u64;
        for (bound, count) in content.bounds.iter().zip(&content.counts) {
            below = below.saturating_add(*count);
            if *bound != f64::INFINITY {
                put(Role::Bucket(*bound), below as f64, false)?;
            }
        }
        put(Role::Bucket(f64::INFINITY), content.count as f64, false)?;
        Ok(())
    }
}

impl Content {
    fn field(&mut self, field: u32, value: Wire<'_>, most: usize) -> Result<(), DecodeError> {
        match field {
            2 => self.times.start_ns = value.fixed64()?,
            3 => self.times.end_ns = value.fixed64()?,
            4 => self.count = value.fixed64()?,
            5 => self.sum = Some(value.double()?),
            6 => value.fixed64s(|n| {
                self.too_many |= self.counts.len() >= most;
                if !self.too_many {
                    self.counts.push(n);
                }
                Ok(())
            })?,
            7 => value.doubles(|v| {
                self.too_many |= self.bounds.len() >= most;
                if !self.too_many {
                    self.bounds.push(v);
                }
                Ok(())
            })?,
            8 => self.exemplars += 1,
            10 => self.times.flags = value.varint()?,
            _ => {}
        }
        Ok(())
    }

    /// A count more than bounds, or neither; bounds rise. Whether the counts are as many as `count` is left to the sender.
    fn is_sound(&self) -> bool {
        let fits = match self.counts.len() {
            0 => self.bounds.is_empty() || self.times.is_gap(),
            n => n == self.bounds.len() + 1,
        };
        let rises = self.bounds.windows(2).all(|w| w[0] < w[1]) && self.bounds.iter().all(|b| !b.is_nan());
        let sum = self.sum.is_none_or(f64::is_finite) || self.times.is_gap();
        !self.too_many && fits && rises && sum
    }
}
