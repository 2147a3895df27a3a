//! The trim operators `</` and `>/`: what lies on one side of a value stays, a bucket that the value cuts is
//! interpolated, and sum and count are estimated anew.

use super::buckets::{Bucket, negative, positive};
use plimsoll_model::Histogram;

/// Keeps what lies below `at` when `upper`, else what lies above.
pub(crate) fn trim(h: &Histogram, at: f64, upper: bool) -> Histogram {
    let mut out = h.clone();
    let custom = h.schema == Histogram::CUSTOM_SCHEMA;
    let (mut count, mut sum, mut changed) = (0.0, 0.0, false);
    let mut populated = [false; 2];
    let sides =
        [(positive(h), &mut out.positive_buckets, true), (negative(h), &mut out.negative_buckets, false)];
    for (n, (buckets, counts, is_positive)) in sides.into_iter().enumerate() {
        for (bucket, slot) in buckets.iter().zip(counts) {
            if bucket.count == 0.0 {
                continue;
            }
            populated[n] = true;
            let (kept, middle) = keep(bucket, at, upper, is_positive, custom);
            count += kept;
            if kept != 0.0 {
                sum += middle * kept;
            }
            if *slot != kept {
                *slot = kept;
                changed = true;
            }
        }
    }
    if h.zero_count > 0.0 {
        let (kept, middle) = keep_zero(h, at, upper, populated[1], populated[0]);
        changed |= kept != h.zero_count;
        out.zero_count = kept;
        count += kept;
        sum += middle * kept;
    }
    if !changed {
        return h.clone();
    }
    (out.count, out.sum) = (count, sum);
    super::Total::of(&out).finish()
}

/// The count that stays of a bucket, and where it lies on average.
fn keep(b: &Bucket, at: f64, upper: bool, is_positive: bool, linear: bool) -> (f64, f64) {
    let whole = if upper { b.upper <= at } else { b.lower >= at };
    if whole {
        return (b.count, middle(b.lower, b.upper, is_positive, linear));
    }
    let cut = if upper { b.lower < at } else { b.upper > at };
    if !cut {
        return (0.0, 0.0);
    }
    if b.lower == f64::NEG_INFINITY {
        return keep_lowest(b, at, upper);
    }
    if b.upper == f64::INFINITY {
        // How values lie in the last bucket is not known: it stays whole only above its lower bound.
        return if !upper && at >= b.lower { (b.count, at) } else { (0.0, 0.0) };
    }
    let below = if at <= b.lower {
        0.0
    } else if at >= b.upper {
        b.count
    } else {
        b.count * b.fraction_below(at, linear)
    };
    if upper {
        (below, middle(b.lower, at, is_positive, linear))
    } else {
        (b.count - below, middle(at, b.upper, is_positive, linear))
    }
}

/// The first custom bucket begins at minus infinity, or at zero when its upper bound is positive.
fn keep_lowest(b: &Bucket, at: f64, upper: bool) -> (f64, f64) {
    let finite = b.upper.is_finite();
    if upper {
        if at > 0.0 && b.upper > 0.0 && finite {
            return (b.count * at / b.upper, at / 2.0);
        }
        if b.upper <= 0.0 {
            return (b.count, at);
        }
    } else if at >= 0.0 && b.upper > at && finite {
        return (b.count * (1.0 - at / b.upper), (at + b.upper) / 2.0);
    }
    (0.0, 0.0)
}

fn keep_zero(h: &Histogram, at: f64, upper: bool, negative: bool, positive: bool) -> (f64, f64) {
    let low = if positive && !negative { 0.0 } else { -h.zero_threshold };
    let high = if negative && !positive { 0.0 } else { h.zero_threshold };
    let count = h.zero_count;
    let (none, all) = if upper { (at <= low, at >= high) } else { (at >= high, at <= low) };
    if none {
        (0.0, 0.0)
    } else if all {
        (count, (low + high) / 2.0)
    } else if upper {
        (count * ((at - low) / (high - low)), (low + at) / 2.0)
    } else {
        (count * ((high - at) / (high - low)), (at + high) / 2.0)
    }
}

fn middle(lower: f64, upper: f64, is_positive: bool, linear: bool) -> f64 {
    if lower.is_infinite() {
        return match upper {
            u if u.is_infinite() => 0.0,
            u if u > 0.0 => u / 2.0,
            u => u,
        };
    }
    if upper.is_infinite() {
        return lower;
    }
    if linear {
        return (lower + upper) / 2.0;
    }
    let mean = (lower * upper).abs().sqrt();
    if is_positive { mean } else { -mean }
}

impl Bucket {
    /// How much of the bucket lies below `v`, which lies inside: by the value, or by its logarithm.
    pub(crate) fn fraction_below(&self, v: f64, linear: bool) -> f64 {
        if linear {
            return (v - self.lower) / (self.upper - self.lower);
        }
        let (low, high, at) = (self.lower.abs().log2(), self.upper.abs().log2(), v.abs().log2());
        if v > 0.0 { (at - low) / (high - low) } else { 1.0 - (at - high) / (low - high) }
    }
}
