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
    let (mut sorted, mut spare): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
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
        if !sliding || lo >= upto {
            sorted.clear();
            sorted.extend(values[lo..hi].iter().map(|v| key(*v)));
            sorted.sort_unstable();
        } else {
            exchange(&mut sorted, &mut spare, &values[from..lo], &values[upto..hi]);
        }
        (from, upto) = (lo, hi);
        row.set(step, quantile_of(q, &sorted));
    }
}

/// Takes `gone` out of the sorted keys and puts `new` in.
fn exchange(sorted: &mut Vec<i64>, spare: &mut Vec<i64>, gone: &[f64], new: &[f64]) {
    if let ([gone], [new]) = (gone, new) {
        // One for one, the usual case: only what lies between the two moves.
        let (gone, new) = (key(*gone), key(*new));
        let from = sorted.partition_point(|k| *k < gone);
        let to = sorted.partition_point(|k| *k < new);
        if from < to {
            sorted.copy_within(from + 1..to, from);
            sorted[to - 1] = new;
        } else {
            sorted.copy_within(to..from, to + 1);
            sorted[to] = new;
        }
        return;
    }
    let keys = |values: &[f64]| {
        let mut keys: Vec<i64> = values.iter().map(|v| key(*v)).collect();
        keys.sort_unstable();
        keys
    };
    let (gone, new) = (keys(gone), keys(new));
    spare.clear();
    let (mut at, mut g, mut n) = (0, 0, 0);
    // What lies between two changes is copied as a whole.
    while g < gone.len() || n < new.len() {
        let leaves = n >= new.len() || g < gone.len() && gone[g] <= new[n];
        let k = if leaves { gone[g] } else { new[n] };
        let upto = at + sorted[at..].partition_point(|x| *x < k);
        spare.extend_from_slice(&sorted[at..upto]);
        at = upto;
        if leaves {
            at += 1;
            g += 1;
        } else {
            spare.push(k);
            n += 1;
        }
    }
    spare.extend_from_slice(&sorted[at..]);
    std::mem::swap(sorted, spare);
}
