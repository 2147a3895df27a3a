//! Arithmetic of native histograms.
//!
//! Exponential buckets: <https://prometheus.io/docs/specs/native_histograms/>. Bucket `i` of schema `s` holds
//! values in `(2^((i-1) * 2^-s), 2^(i * 2^-s)]`, mirrored for negative values.

mod buckets;
mod increase;
mod reset;
mod total;
mod trim;

pub(crate) use buckets::text;
pub use buckets::{Bucket, all_buckets};
pub use increase::HistogramIncrease;
pub(crate) use reset::{is_reset, same};
pub(crate) use total::{Incompatible, Outcome, Total};
pub(crate) use trim::trim;

use plimsoll_model::Histogram;

/// What PromQL does with a histogram.
pub(crate) trait HistogramMath {
    /// Whether its buckets have bounds of their own.
    fn is_custom(&self) -> bool;
    /// Multiplies all counts and the sum; a negative factor makes it a gauge.
    fn scale(&mut self, factor: f64);
    /// Divides all counts and the sum.
    fn divide(&mut self, by: f64);
    /// Whether a counter was reset between `before` and this.
    fn is_reset_of(&self, before: &Histogram) -> bool;
    /// Whether all figures are the same, bit for bit.
    fn same_as(&self, other: &Histogram) -> bool;
}

impl HistogramMath for Histogram {
    fn is_custom(&self) -> bool {
        self.schema == Self::CUSTOM_SCHEMA
    }

    fn scale(&mut self, factor: f64) {
        each(self, |v| *v *= factor);
        if factor < 0.0 {
            self.reset_hint = plimsoll_model::ResetHint::Gauge;
        }
    }

    fn divide(&mut self, by: f64) {
        each(self, |v| *v /= by);
        if by < 0.0 {
            self.reset_hint = plimsoll_model::ResetHint::Gauge;
        }
        // Nothing can be said of the buckets when all is divided by nothing.
        if by == 0.0 {
            self.positive_buckets.clear();
            self.positive_spans.clear();
            self.negative_buckets.clear();
            self.negative_spans.clear();
        }
    }

    fn is_reset_of(&self, before: &Histogram) -> bool {
        is_reset(self, before)
    }

    fn same_as(&self, other: &Histogram) -> bool {
        same(self, other)
    }
}

fn each(h: &mut Histogram, mut f: impl FnMut(&mut f64)) {
    f(&mut h.zero_count);
    f(&mut h.count);
    f(&mut h.sum);
    h.positive_buckets.iter_mut().for_each(&mut f);
    h.negative_buckets.iter_mut().for_each(&mut f);
}

/// Whether a counter was reset between `before` and `now`, by their counts and hints.
pub fn histogram_was_reset(now: &Histogram, before: &Histogram) -> bool {
    is_reset(now, before)
}
