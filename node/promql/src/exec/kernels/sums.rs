//! Compensated sums and averages of sliding windows with two stacks: what leaves a window is never subtracted,
//! so infinities and huge values leave no trace. Compensation: Neumaier, "Rundungsfehleranalyse einiger
//! Verfahren zur Summation endlicher Summen", 1974.

use super::slides;
use crate::exec::frame::Row;

/// Adds `v` to the sum `s` with the compensation `c`.
#[inline]
pub(in crate::exec) fn neumaier(v: f64, s: f64, c: f64) -> (f64, f64) {
    let t = s + v;
    if !t.is_finite() && !t.is_nan() {
        return (t, 0.0);
    }
    let lost = if s.abs() >= v.abs() { (s - t) + v } else { (v - t) + s };
    (t, c + lost)
}

/// The sum of a window, as `sum_over_time` has it.
pub(in crate::exec) fn sum(values: &[f64]) -> f64 {
    let (mut s, mut c) = (0.0, 0.0);
    for &v in values {
        (s, c) = neumaier(v, s, c);
    }
    if s.is_infinite() { s } else { s + c }
}

/// The average of a window, as `avg_over_time` has it: incremental once the sum would overflow.
pub(in crate::exec) fn average(values: &[f64]) -> f64 {
    let (mut s, mut c) = (values[0], 0.0);
    for (i, &v) in values.iter().enumerate().skip(1) {
        let (t, d) = neumaier(v, s, c);
        if t.is_infinite() {
            return incremental(values, i, s, c);
        }
        (s, c) = (t, d);
    }
    let n = values.len() as f64;
    s / n + c / n
}

fn incremental(values: &[f64], from: usize, s: f64, c: f64) -> f64 {
    let before = from as f64;
    let (mut mean, mut c) = (s / before, c / before);
    for (i, &v) in values.iter().enumerate().skip(from) {
        let n = (i + 1) as f64;
        let q = (n - 1.0) / n;
        (mean, c) = neumaier(v / n, q * mean, q * c);
    }
    mean + c
}

pub(super) fn run(bounds: &[(u32, u32)], values: &[f64], mean: bool, row: &mut Row) {
    let direct = if mean { average } else { sum };
    if !slides(bounds) {
        for (step, &(lo, hi)) in bounds.iter().enumerate() {
            if lo < hi {
                row.set(step, direct(&values[lo as usize..hi as usize]));
            }
        }
        return;
    }
    // Sums from each sample up to `middle`, and the sum from `middle` to the end of the window.
    let mut back: Vec<(f64, f64)> = Vec::new();
    let mut back_start = 0usize;
    let (mut middle, mut upto) = (0usize, 0usize);
    let mut front = (0.0, 0.0);
    for (step, &(lo, hi)) in bounds.iter().enumerate() {
        let (lo, hi) = (lo as usize, hi as usize);
        if lo >= hi {
            continue;
        }
        if lo >= middle {
            back.clear();
            back.resize(hi - lo, (0.0, 0.0));
            back_start = lo;
            let (mut s, mut c) = (0.0, 0.0);
            for (slot, &v) in back.iter_mut().zip(&values[lo..hi]).rev() {
                (s, c) = neumaier(v, s, c);
                *slot = (s, c);
            }
            (middle, upto, front) = (hi, hi, (0.0, 0.0));
        }
        for &v in &values[upto..hi.max(upto)] {
            front = neumaier(v, front.0, front.1);
        }
        upto = upto.max(hi);
        let (bs, bc) = back[lo - back_start];
        let (s, c) = neumaier(front.0, bs, bc);
        let c = c + front.1;
        let n = (hi - lo) as f64;
        let out = if mean { s / n + c / n } else { s + c };
        row.set(step, if out.is_finite() { out } else { direct(&values[lo..hi]) });
    }
}
