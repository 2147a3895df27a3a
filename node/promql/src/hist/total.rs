//! Sums of histograms with compensation, over differing resolutions, zero buckets and custom bounds.

use super::buckets::{cells, spans, upper_bound};
use plimsoll_model::{Histogram, ResetHint};
use serde::{Deserialize, Serialize};

/// A sum and its compensation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum(f64, f64);

impl Sum {
    fn add(&mut self, v: f64) {
        let t = self.0 + v;
        if t.is_infinite() {
            *self = Self(t, 0.0);
            return;
        }
        let lost = if self.0.abs() >= v.abs() { (self.0 - t) + v } else { (v - t) + self.0 };
        *self = Self(t, self.1 + lost);
    }

    fn join(&mut self, other: Self) {
        self.add(other.0);
        self.add(other.1);
    }

    fn value(self) -> f64 {
        if self.0.is_infinite() { self.0 } else { self.0 + self.1 }
    }

    fn scale(&mut self, factor: f64) {
        self.0 *= factor;
        self.1 *= factor;
    }
}

/// Exponential and custom buckets cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incompatible;

/// What happened when histograms were added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One told of a counter reset, the other that there was none.
    pub(crate) collision: bool,
    /// Custom bounds differed and were reduced to those that both have.
    pub(crate) reconciled: bool,
}

/// A histogram under summation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Total {
    pub(crate) reset_hint: ResetHint,
    schema: i32,
    zero_threshold: f64,
    zero_count: Sum,
    count: Sum,
    sum: Sum,
    positive: Vec<(i32, Sum)>,
    negative: Vec<(i32, Sum)>,
    bounds: Vec<f64>,
}

impl Total {
    pub(crate) fn of(h: &Histogram) -> Self {
        let side = |spans, counts| cells(spans, counts).into_iter().map(|(i, c)| (i, Sum(c, 0.0))).collect();
        Self {
            reset_hint: h.reset_hint,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: Sum(h.zero_count, 0.0),
            count: Sum(h.count, 0.0),
            sum: Sum(h.sum, 0.0),
            positive: side(&h.positive_spans, &h.positive_buckets),
            negative: side(&h.negative_spans, &h.negative_buckets),
            bounds: h.custom_values.clone(),
        }
    }

    /// The histogram, without empty buckets.
    pub(crate) fn finish(&self) -> Histogram {
        let values = |side: &[(i32, Sum)]| spans(side.iter().map(|(i, s)| (*i, s.value())));
        let (positive_spans, positive_buckets) = values(&self.positive);
        let (negative_spans, negative_buckets) = values(&self.negative);
        Histogram {
            reset_hint: self.reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.value(),
            count: self.count.value(),
            sum: self.sum.value(),
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values: self.bounds.clone(),
        }
    }

    fn is_custom(&self) -> bool {
        self.schema == Histogram::CUSTOM_SCHEMA
    }

    pub(crate) fn add(&mut self, other: &Histogram) -> Result<Outcome, Incompatible> {
        self.join(Self::of(other))
    }

    pub(crate) fn subtract(&mut self, other: &Histogram) -> Result<Outcome, Incompatible> {
        let mut other = Self::of(other);
        other.scale(-1.0);
        self.join(other)
    }

    /// Multiplies all counts and the sum.
    pub(crate) fn scale(&mut self, factor: f64) {
        for sum in [&mut self.zero_count, &mut self.count, &mut self.sum] {
            sum.scale(factor);
        }
        for (_, sum) in self.positive.iter_mut().chain(&mut self.negative) {
            sum.scale(factor);
        }
    }

    /// Whether a figure is infinite.
    pub(crate) fn overflows(&self) -> bool {
        let cells = self.positive.iter().chain(&self.negative).map(|(_, s)| s);
        [&self.zero_count, &self.count, &self.sum].into_iter().chain(cells).any(|s| s.0.is_infinite())
    }

    pub(crate) fn join(&mut self, mut other: Self) -> Result<Outcome, Incompatible> {
        if self.is_custom() != other.is_custom() {
            return Err(Incompatible);
        }
        let mut outcome = Outcome { collision: self.join_hint(other.reset_hint), reconciled: false };
        if self.is_custom() {
            if self.bounds != other.bounds {
                outcome.reconciled = true;
                let common = intersection(&self.bounds, &other.bounds);
                self.rebound(&common);
                other.rebound(&common);
            }
        } else {
            while self.zero_threshold != other.zero_threshold {
                if self.zero_threshold > other.zero_threshold {
                    other.widen_zero(self.zero_threshold);
                } else {
                    self.widen_zero(other.zero_threshold);
                }
            }
            self.zero_count.join(other.zero_count);
            let schema = self.schema.min(other.schema);
            self.reduce(schema);
            other.reduce(schema);
        }
        self.count.join(other.count);
        self.sum.join(other.sum);
        merge(&mut self.positive, other.positive);
        merge(&mut self.negative, other.negative);
        Ok(outcome)
    }

    /// Joins what is known of resets; true when it contradicts itself.
    fn join_hint(&mut self, other: ResetHint) -> bool {
        use ResetHint::{Gauge, Unknown};
        if other == self.reset_hint || matches!(self.reset_hint, Gauge) {
            return false;
        }
        if other == Gauge {
            self.reset_hint = Gauge;
            return false;
        }
        let collides = self.reset_hint != Unknown && other != Unknown;
        self.reset_hint = Unknown;
        collides
    }

    /// Lowers the resolution.
    pub(crate) fn reduce(&mut self, schema: i32) {
        if self.is_custom() || schema >= self.schema {
            return;
        }
        let shift = self.schema - schema;
        for side in [&mut self.positive, &mut self.negative] {
            let cells = std::mem::take(side);
            for (index, sum) in cells {
                put(side, ((index - 1) >> shift) + 1, sum);
            }
        }
        self.schema = schema;
    }

    /// Moves buckets into a zero bucket that reaches at least to `threshold`; a populated bucket that the border
    /// would cut goes in as a whole.
    fn widen_zero(&mut self, threshold: f64) {
        let mut threshold = threshold;
        loop {
            let before = threshold;
            for side in [&self.positive, &self.negative] {
                for (index, sum) in side {
                    let (lower, upper) =
                        (upper_bound(index - 1, self.schema), upper_bound(*index, self.schema));
                    if lower < threshold && upper > threshold && sum.0 != 0.0 {
                        threshold = upper;
                    }
                }
            }
            if threshold == before {
                break;
            }
        }
        for side in [&mut self.positive, &mut self.negative] {
            let schema = self.schema;
            for (_, sum) in side.iter().filter(|(i, _)| upper_bound(i - 1, schema) < threshold) {
                self.zero_count.join(*sum);
            }
            side.retain(|(i, _)| upper_bound(i - 1, schema) >= threshold);
        }
        self.zero_threshold = threshold;
    }

    /// Sorts the counts into buckets with the bounds `common`, which are some of the present ones.
    fn rebound(&mut self, common: &[f64]) {
        for (index, sum) in std::mem::take(&mut self.positive) {
            let bound = usize::try_from(index).ok().and_then(|i| self.bounds.get(i));
            let target = bound.map_or(common.len(), |b| common.partition_point(|c| c < b));
            put(&mut self.positive, target as i32, sum);
        }
        self.bounds = common.to_vec();
    }

    /// The zero threshold and count after widening, for reset detection.
    pub(super) fn widened(mut self, threshold: f64) -> (f64, f64) {
        if threshold > self.zero_threshold {
            self.widen_zero(threshold);
        }
        (self.zero_threshold, self.zero_count.value())
    }

    pub(super) fn with_bounds(mut self, common: &[f64]) -> Self {
        self.rebound(common);
        self
    }

    pub(super) fn sides(&self) -> [Vec<(i32, f64)>; 2] {
        let plain = |side: &[(i32, Sum)]| side.iter().map(|(i, s)| (*i, s.value())).collect();
        [plain(&self.positive), plain(&self.negative)]
    }
}

/// Bounds that both have.
pub(super) fn intersection(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().copied().filter(|v| b.contains(v)).collect()
}

fn put(side: &mut Vec<(i32, Sum)>, index: i32, sum: Sum) {
    match side.last_mut() {
        Some((last, total)) if *last == index => total.join(sum),
        _ => side.push((index, sum)),
    }
}

/// Adds the cells of `other`; both are in order of the index.
fn merge(side: &mut Vec<(i32, Sum)>, other: Vec<(i32, Sum)>) {
    if side.len() == other.len() && side.iter().zip(&other).all(|(a, b)| a.0 == b.0) {
        for (a, b) in side.iter_mut().zip(other) {
            a.1.join(b.1);
        }
        return;
    }
    let mine = std::mem::take(side);
    side.reserve(mine.len() + other.len());
    let (mut a, mut b) = (mine.into_iter().peekable(), other.into_iter().peekable());
    loop {
        let take_a = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => x.0 <= y.0,
            (x, y) if x.is_none() && y.is_none() => return,
            (x, _) => x.is_some(),
        };
        if let Some((index, sum)) = if take_a { a.next() } else { b.next() } {
            put(side, index, sum);
        }
    }
}
