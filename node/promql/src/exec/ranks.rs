//! Quantiles and fractions of one histogram.

use crate::ast::Span;
use crate::hist::{Bucket, HistogramMath, all_buckets};
use crate::notes::Notes;
use plimsoll_model::Histogram;

fn almost_equal(a: f64, b: f64) -> bool {
    const TOLERANCE: f64 = 1e-12;
    if a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// Least bound, greatest bound and greatest difference of what was raised.
pub(super) type Forced = (f64, f64, f64);

/// Makes cumulative counts rise. Tiny differences come from arithmetic and are not worth a word.
fn make_monotonic(buckets: &mut [(f64, f64)]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut before = buckets[0].1;
    for (bound, count) in buckets.iter_mut().skip(1) {
        if *count == before {
            continue;
        }
        if almost_equal(before, *count) {
            *count = before;
        } else if *count < before {
            let (least, greatest, difference) = forced.unwrap_or((f64::INFINITY, f64::NEG_INFINITY, 0.0));
            forced = Some((least.min(*bound), greatest.max(*bound), difference.max(before - *count)));
            *count = before;
        } else {
            before = *count;
        }
    }
    forced
}

/// The quantile of cumulative counts by upper bound, the last of which is +Inf; NaN where there is none.
pub fn quantile_of_buckets(q: f64, buckets: &mut [(f64, f64)]) -> f64 {
    if buckets.is_empty() { f64::NAN } else { classic_quantile(q, buckets).0 }
}

/// The quantile of a native histogram.
pub fn quantile_of_histogram(q: f64, h: &Histogram) -> f64 {
    native_quantile(q, h, "", Span::default(), &mut Notes::default())
}

/// The quantile of cumulative counts by upper bound.
pub(super) fn classic_quantile(q: f64, buckets: &mut [(f64, f64)]) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    let last = buckets.len() - 1;
    if buckets[last].0 != f64::INFINITY {
        return (f64::NAN, None);
    }
    let forced = make_monotonic(buckets);
    let total = buckets[last].1;
    if last == 0 || total == 0.0 || total.is_nan() {
        return (f64::NAN, forced);
    }
    let mut rank = q * total;
    let at = buckets[..last].partition_point(|(_, count)| *count < rank || count.is_nan());
    let value = if at == last {
        buckets[last - 1].0
    } else if at == 0 && buckets[0].0 <= 0.0 {
        buckets[0].0
    } else {
        let (end, mut count) = buckets[at];
        let mut start = 0.0;
        if at > 0 {
            start = buckets[at - 1].0;
            count -= buckets[at - 1].1;
            rank -= buckets[at - 1].1;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

pub(super) fn classic_fraction(lower: f64, upper: f64, buckets: &[(f64, f64)]) -> f64 {
    let last = buckets.len() - 1;
    let total = buckets[last].1;
    if buckets[last].0 != f64::INFINITY || total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut start = if buckets[0].0 <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut rank = 0.0;
    let mut ranks = [None, None];
    for &(end, count) in buckets {
        for (slot, v) in ranks.iter_mut().zip([lower, upper]) {
            if slot.is_some() {
                continue;
            }
            if start >= v {
                *slot = Some(rank);
            } else if end > v {
                *slot = Some(if start == f64::NEG_INFINITY {
                    count
                } else {
                    rank + (count - rank) * (v - start) / (end - start)
                });
            }
        }
        rank = count;
        start = end;
    }
    let rank_of = |slot: Option<f64>| slot.filter(|r| *r <= total).unwrap_or(total);
    (rank_of(ranks[1]) - rank_of(ranks[0])) / total
}

/// Cuts the zero bucket at zero when values lie on one side alone.
fn narrow_zero(h: &Histogram, b: &mut Bucket) {
    if h.negative_buckets.is_empty() && !h.positive_buckets.is_empty() {
        b.lower = 0.0;
    } else if h.positive_buckets.is_empty() && !h.negative_buckets.is_empty() {
        b.upper = 0.0;
    }
}

pub(super) fn native_quantile(q: f64, h: &Histogram, name: &str, span: Span, notes: &mut Notes) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if h.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    // Values that are NaN lie in no bucket, so then ranks count from below.
    let upward = h.sum.is_nan() || q < 0.5;
    let mut buckets = all_buckets(h);
    if !upward {
        buckets.reverse();
    }
    let rank = if upward { q * h.count } else { (1.0 - q) * h.count };
    let (mut count, mut rest) = (0.0, buckets.as_slice());
    let mut b = Bucket { lower: 0.0, upper: 0.0, count: 0.0 };
    while let Some((next, tail)) = rest.split_first() {
        (b, rest) = (*next, tail);
        if b.count == 0.0 {
            continue;
        }
        count += b.count;
        if count >= rank {
            break;
        }
    }
    if h.is_custom() {
        if b.lower == f64::NEG_INFINITY {
            if b.upper <= 0.0 {
                return b.upper;
            }
            b.lower = 0.0;
        } else if b.upper == f64::INFINITY {
            return b.lower;
        }
    } else if b.lower < 0.0 && b.upper > 0.0 {
        narrow_zero(h, &mut b);
    }
    count = count.min(h.count);
    if count < rank {
        if h.sum.is_nan() {
            notes.quantile_of_nan(span, name, false);
            return f64::NAN;
        }
        return b.upper;
    }
    let inside = if upward { rank - (count - b.count) } else { count - rank };
    if h.sum.is_nan() && count + rest.iter().map(|b| b.count).sum::<f64>() < h.count {
        notes.quantile_of_nan(span, name, true);
    }
    let fraction = inside / b.count;
    if h.is_custom() || b.lower <= 0.0 && b.upper >= 0.0 {
        return b.lower + (b.upper - b.lower) * fraction;
    }
    let (low, high) = (b.lower.abs().log2(), b.upper.abs().log2());
    if b.lower > 0.0 {
        (low + (high - low) * fraction).exp2()
    } else {
        -(high + (low - high) * (1.0 - fraction)).exp2()
    }
}

pub(super) fn native_fraction(
    lower: f64,
    upper: f64,
    h: &Histogram,
    name: &str,
    span: Span,
    notes: &mut Notes,
) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let buckets = all_buckets(h);
    let mut rank = 0.0;
    let mut ranks = [None, None];
    for bucket in &buckets {
        let mut b = *bucket;
        let zero = b.lower <= 0.0 && b.upper >= 0.0;
        if zero {
            narrow_zero(h, &mut b);
        }
        for (slot, v) in ranks.iter_mut().zip([lower, upper]) {
            if slot.is_some() {
                continue;
            }
            if b.lower >= v {
                *slot = Some(rank);
            } else if b.upper > v {
                let linear = h.is_custom() || zero;
                *slot = Some(if linear && b.lower == f64::NEG_INFINITY {
                    b.count
                } else {
                    rank + b.count * b.fraction_below(v, linear)
                });
            }
        }
        rank += b.count;
    }
    let mut total = h.count;
    if h.sum.is_nan() {
        total = buckets.iter().map(|b| b.count).sum();
        if total < h.count {
            notes.fraction_of_nan(span, name);
        }
    }
    let rank_of = |slot: Option<f64>| slot.filter(|r| *r <= total).unwrap_or(total);
    (rank_of(ranks[1]) - rank_of(ranks[0])) / h.count
}
