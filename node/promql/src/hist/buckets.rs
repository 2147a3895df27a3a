//! Buckets as lists: index with count, or bounds with count.

use crate::format::format_general;
use plimsoll_model::{Histogram, Span};

/// A bucket and its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub lower: f64,
    /// Where it ends.
    pub upper: f64,
    /// Observations in it.
    pub count: f64,
}

/// The populated and the empty buckets of a side, by index.
pub(crate) fn cells(spans: &[Span], counts: &[f64]) -> Vec<(i32, f64)> {
    let mut out = Vec::with_capacity(counts.len());
    let mut index = 0i32;
    let mut counts = counts.iter();
    for span in spans {
        index = index.saturating_add(span.offset);
        for _ in 0..span.length {
            let Some(count) = counts.next() else { return out };
            out.push((index, *count));
            index = index.saturating_add(1);
        }
    }
    out
}

/// Spans and counts of the buckets that are not empty.
pub(super) fn spans(cells: impl Iterator<Item = (i32, f64)>) -> (Vec<Span>, Vec<f64>) {
    let (mut spans, mut counts): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = 0i32;
    for (index, count) in cells.filter(|(_, count)| *count != 0.0) {
        match spans.last_mut() {
            Some(last) if index == next => last.length += 1,
            _ => spans.push(Span { offset: index - next, length: 1 }),
        }
        counts.push(count);
        next = index + 1;
    }
    (spans, counts)
}

/// The upper bound of bucket `index`.
pub(super) fn upper_bound(index: i32, schema: i32) -> f64 {
    let exponent = f64::from(index) * f64::from(-schema).exp2();
    // The last bucket of finite values ends with the largest float.
    if exponent == 1024.0 { f64::MAX } else { exponent.exp2() }
}

/// The bucket at `index` of the positive side.
pub(super) fn bucket(h: &Histogram, index: i32, count: f64) -> Bucket {
    if h.schema != Histogram::CUSTOM_SCHEMA {
        let (lower, upper) = (upper_bound(index - 1, h.schema), upper_bound(index, h.schema));
        return Bucket { lower, upper, count };
    }
    let bound = |i: i32| usize::try_from(i).ok().and_then(|i| h.custom_values.get(i)).copied();
    let lower = if index <= 0 { f64::NEG_INFINITY } else { bound(index - 1).unwrap_or(f64::INFINITY) };
    Bucket { lower, upper: bound(index).unwrap_or(f64::INFINITY), count }
}

pub(super) fn positive(h: &Histogram) -> Vec<Bucket> {
    let cells = cells(&h.positive_spans, &h.positive_buckets);
    cells.into_iter().map(|(i, count)| bucket(h, i, count)).collect()
}

/// In the order of their indices: away from zero.
pub(super) fn negative(h: &Histogram) -> Vec<Bucket> {
    let cells = cells(&h.negative_spans, &h.negative_buckets);
    let mirrored = |b: Bucket| Bucket { lower: -b.upper, upper: -b.lower, count: b.count };
    cells.into_iter().map(|(i, count)| mirrored(bucket(h, i, count))).collect()
}

/// All buckets in ascending order, the zero bucket where it is populated.
pub fn all_buckets(h: &Histogram) -> Vec<Bucket> {
    let mut out = negative(h);
    out.reverse();
    if h.zero_count > 0.0 {
        let zero = Bucket { lower: -h.zero_threshold, upper: h.zero_threshold, count: h.zero_count };
        out.push(zero);
    }
    out.extend(positive(h));
    out
}

/// The histogram as Prometheus prints it, for `count_values`.
pub(crate) fn text(h: &Histogram) -> String {
    use std::fmt::Write;
    let mut out = format!("{{count:{}, sum:{}", format_general(h.count), format_general(h.sum));
    let mut put = |open: char, close: char, b: &Bucket| {
        if b.count != 0.0 {
            let (l, u, c) = (format_general(b.lower), format_general(b.upper), format_general(b.count));
            // Writing to a String does not fail.
            let _ = write!(out, ", {open}{l},{u}{close}:{c}");
        }
    };
    negative(h).iter().rev().for_each(|b| put('[', ')', b));
    let zero = Bucket { lower: -h.zero_threshold, upper: h.zero_threshold, count: h.zero_count };
    put('[', ']', &zero);
    positive(h).iter().for_each(|b| put(if b.lower == f64::NEG_INFINITY { '[' } else { '(' }, ']', b));
    out.push('}');
    out
}
