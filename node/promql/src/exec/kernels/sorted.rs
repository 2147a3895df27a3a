//! Quantiles of sliding windows: the window is kept sorted, samples are put in and taken out where they belong.

use super::slides;
use crate::exec::frame::Row;
use crate::exec::range::Call;
use crate::notes::Notes;

/// An integer that sorts as the float does, NaN lowest.
#[inline]
fn key(v: f64) -> i64 {
    if v.is_nan() {
        return i64::MIN;
    }
    let bits = v.to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

#[inline]
fn unkey(k: i64) -> f64 {
    if k == i64::MIN { f64::NAN } else { f64::from_bits((k ^ ((k >> 63) as u64 >> 1) as i64) as u64) }
}

/// The quantile of sorted values, as Prometheus interpolates it.
fn quantile_of(q: f64, sorted: &[i64]) -> f64 {
    if sorted.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let n = sorted.len() as f64;
    let rank = q * (n - 1.0);
    let low = rank.floor().max(0.0);
    let high = (low + 1.0).min(n - 1.0);
    let weight = rank - rank.floor();
    unkey(sorted[low as usize]) * (1.0 - weight) + unkey(sorted[high as usize]) * weight
}

/// The quantile of values in any order.
pub(in crate::exec) fn quantile(q: f64, values: &[f64]) -> f64 {
    let mut keys: Vec<i64> = values.iter().map(|v| key(*v)).collect();
    keys.sort_unstable();
    quantile_of(q, &keys)
}

pub(super) fn run(call: &Call<'_>, bounds: &[(u32, u32)], values: &[f64], row: &mut Row, notes: &mut Notes) {
    let quantiles = &call.args[0];
    let sliding = slides(bounds);
    let mut sorted: Vec<i64> = Vec::new();
    let (mut from, mut upto) = (0usize, 0usize);
    for (step, &(lo, hi)) in bounds.iter().enumerate() {
        let (lo, hi) = (lo as usize, hi as usize);
        if lo >= hi {
            continue;
        }
        let q = quantiles[step];
        if !(0.0..=1.0).contains(&q) {
            notes.invalid_quantile(call.span, q);
        }
        // Moving a sample shifts half of the window; with many to move sorting anew is cheaper.
        if !sliding || lo >= upto || (lo - from) + (hi - upto) > 16 + (hi - lo) / 8 {
            sorted.clear();
            sorted.extend(values[lo..hi].iter().map(|v| key(*v)));
            sorted.sort_unstable();
        } else {
            for &v in &values[from..lo] {
                let k = key(v);
                let at = sorted.partition_point(|x| *x < k);
                sorted.remove(at);
            }
            for &v in &values[upto..hi] {
                let k = key(v);
                let at = sorted.partition_point(|x| *x < k);
                sorted.insert(at, k);
            }
        }
        (from, upto) = (lo, hi);
        row.set(step, quantile_of(q, &sorted));
    }
}
