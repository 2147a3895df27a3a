//! A native histogram's buckets with their bounds, from its schema and spans.

use crate::{Bucket, HistogramValue};
use plimsoll_model::{Histogram, Span};

/// Most buckets that are worked out; more are no histogram but an attack.
const MOST_BUCKETS: usize = 10_000;

impl From<&Histogram> for HistogramValue {
    fn from(h: &Histogram) -> Self {
        let custom = h.schema == Histogram::CUSTOM_SCHEMA;
        let mut buckets = Vec::new();
        for (index, count) in indexed(&h.negative_spans, &h.negative_buckets) {
            let (lower, upper) = exponential(h.schema, index);
            buckets.push(Bucket { bounds: 1, lower: -upper, upper: -lower, count });
        }
        buckets.reverse();
        if h.zero_count > 0.0 {
            let edge = h.zero_threshold;
            buckets.push(Bucket { bounds: 3, lower: -edge, upper: edge, count: h.zero_count });
        }
        for (index, count) in indexed(&h.positive_spans, &h.positive_buckets) {
            let (lower, upper) =
                if custom { custom_bounds(&h.custom_values, index) } else { exponential(h.schema, index) };
            buckets.push(Bucket { bounds: 0, lower, upper, count });
        }
        buckets.retain(|b| b.count != 0.0);
        Self { count: h.count, sum: h.sum, buckets }
    }
}

/// The buckets with their indexes, from the lowest index.
fn indexed<'a>(spans: &'a [Span], counts: &'a [f64]) -> impl Iterator<Item = (i64, f64)> + 'a {
    let mut next = 0i64;
    let indexes = spans.iter().flat_map(move |s| {
        let first = next.saturating_add(i64::from(s.offset));
        next = first.saturating_add(i64::from(s.length));
        first..next
    });
    indexes.zip(counts.iter().copied()).take(MOST_BUCKETS)
}

/// Bucket `index` of an exponential schema spans `(b^(index-1), b^index]` with `b = 2^(2^-schema)`.
fn exponential(schema: i32, index: i64) -> (f64, f64) {
    let width = (-f64::from(schema)).exp2();
    let bound = |i: i64| (i as f64 * width).exp2();
    (bound(index - 1), bound(index))
}

/// Bucket `index` of custom bounds spans from the bound before it to its own; the last one is open.
fn custom_bounds(bounds: &[f64], index: i64) -> (f64, f64) {
    let at = |i: i64| usize::try_from(i).ok().and_then(|i| bounds.get(i)).copied();
    (at(index - 1).unwrap_or(f64::NEG_INFINITY), at(index).unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_exponential_buckets_follow_the_schema() {
        let h = Histogram {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 8.0,
            sum: 10.0,
            positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: 1, length: 1 }],
            positive_buckets: vec![1.0, 3.0],
            negative_spans: vec![Span { offset: 1, length: 1 }],
            negative_buckets: vec![2.0],
            ..Histogram::default()
        };
        let bounds: Vec<_> =
            HistogramValue::from(&h).buckets.iter().map(|b| (b.lower, b.upper, b.count)).collect();
        assert_eq!(bounds, [(-2.0, -1.0, 2.0), (-0.001, 0.001, 2.0), (0.5, 1.0, 1.0), (2.0, 4.0, 3.0)]);
    }

    #[test]
    fn custom_buckets_end_at_infinity() {
        let h = Histogram {
            schema: Histogram::CUSTOM_SCHEMA,
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![1.0, 0.0, 3.0],
            custom_values: vec![0.1, 0.5],
            ..Histogram::default()
        };
        let bounds: Vec<_> = HistogramValue::from(&h).buckets.iter().map(|b| (b.lower, b.upper)).collect();
        assert_eq!(bounds, [(f64::NEG_INFINITY, 0.1), (0.5, f64::INFINITY)]);
    }

    #[test]
    fn spans_that_lie_do_not_panic() {
        let h = Histogram {
            positive_spans: vec![
                Span { offset: i32::MIN, length: u32::MAX },
                Span { offset: i32::MAX, length: 9 },
            ],
            positive_buckets: vec![1.0; 20_000],
            ..Histogram::default()
        };
        assert_eq!(HistogramValue::from(&h).buckets.len(), MOST_BUCKETS);
    }
}
