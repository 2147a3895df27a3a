//! Counter resets and equality.

use super::buckets::cells;
use super::total::{Total, intersection};
use plimsoll_model::{Histogram, ResetHint};

/// Whether a counter was reset between `before` and `now`: something became less, or the layout became finer.
pub(crate) fn is_reset(now: &Histogram, before: &Histogram) -> bool {
    match now.reset_hint {
        ResetHint::Yes => return true,
        ResetHint::No => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    if now.count < before.count {
        return true;
    }
    let custom = |h: &Histogram| h.schema == Histogram::CUSTOM_SCHEMA;
    if custom(now) {
        if !custom(before) {
            return true;
        }
        if now.custom_values != before.custom_values {
            let common = intersection(&now.custom_values, &before.custom_values);
            let [mine, _] = Total::of(now).with_bounds(&common).sides();
            let [theirs, _] = Total::of(before).with_bounds(&common).sides();
            return falls(&mine, &theirs);
        }
    } else if custom(before) {
        return true;
    }
    if now.schema > before.schema || now.zero_threshold < before.zero_threshold {
        return true;
    }
    let (threshold, zero_count) = Total::of(before).widened(now.zero_threshold);
    if threshold != now.zero_threshold || now.zero_count < zero_count {
        return true;
    }
    let mut earlier = Total::of(before);
    earlier.reduce(now.schema);
    let sides = Total::of(now).sides();
    let outside = |side: &[(i32, f64)]| -> Vec<(i32, f64)> {
        let reach = |i: i32| super::buckets::upper_bound(i, now.schema) > now.zero_threshold;
        side.iter().copied().filter(|(i, _)| custom(now) || reach(*i)).collect()
    };
    sides.iter().zip(earlier.sides()).any(|(now, before)| falls(&outside(now), &outside(&before)))
}

/// Whether a populated bucket of `before` has less now.
fn falls(now: &[(i32, f64)], before: &[(i32, f64)]) -> bool {
    before.iter().any(|(index, count)| match now.binary_search_by_key(index, |(i, _)| *i) {
        Ok(at) => now[at].1 < *count,
        Err(_) => *count != 0.0,
    })
}

/// Whether all figures are the same, bit for bit, however the spans are cut.
pub(crate) fn same(a: &Histogram, b: &Histogram) -> bool {
    let bits = |x: f64, y: f64| x.to_bits() == y.to_bits();
    let side = |a: Vec<(i32, f64)>, b: Vec<(i32, f64)>| {
        a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.0 == y.0 && bits(x.1, y.1))
    };
    a.schema == b.schema
        && bits(a.count, b.count)
        && bits(a.sum, b.sum)
        && a.zero_threshold == b.zero_threshold
        && bits(a.zero_count, b.zero_count)
        && (a.schema != Histogram::CUSTOM_SCHEMA || a.custom_values == b.custom_values)
        && side(cells(&a.positive_spans, &a.positive_buckets), cells(&b.positive_spans, &b.positive_buckets))
        && side(cells(&a.negative_spans, &a.negative_buckets), cells(&b.negative_spans, &b.negative_buckets))
}
