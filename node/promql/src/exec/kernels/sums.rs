//! Sums, averages and variances of sliding windows with two stacks: what leaves a window is never subtracted, so
//! infinities and huge values leave no trace. Compensation of sums: the error of an addition is exact (Knuth,
//! "The Art of Computer Programming" 4.2.2, theorem B), as in Neumaier's variant of Kahan's sum.

use super::slides;
use crate::exec::frame::Row;

/// Adds `v` to the sum `s` with the compensation `c`.
#[inline]
pub(in crate::exec) fn neumaier(v: f64, s: f64, c: f64) -> (f64, f64) {
    let t = s + v;
    let z = t - s;
    let lost = (s - (t - z)) + (v - z);
    (t, if t.is_infinite() { 0.0 } else { c + lost })
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

/// Population variance of a window: Welford's update with compensated sums.
pub(in crate::exec) fn variance(values: &[f64]) -> f64 {
    let (mut n, mut mean, mut mean_c, mut square, mut square_c) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &v in values {
        n += 1.0;
        let delta = v - (mean + mean_c);
        (mean, mean_c) = neumaier(delta / n, mean, mean_c);
        (square, square_c) = neumaier(delta * (v - (mean + mean_c)), square, square_c);
    }
    (square + square_c) / n
}

/// What is known of a part of a window; parts that follow each other can be joined.
trait Part: Copy {
    /// Nothing.
    const NONE: Self;
    /// With one more value.
    fn with(self, v: f64) -> Self;
    /// With the part that follows.
    fn join(self, after: Self) -> Self;
}

/// A sum and its compensation.
#[derive(Clone, Copy)]
struct Sum(f64, f64);

impl Part for Sum {
    const NONE: Self = Self(0.0, 0.0);

    #[inline]
    fn with(self, v: f64) -> Self {
        let (s, c) = neumaier(v, self.0, self.1);
        Self(s, c)
    }

    #[inline]
    fn join(self, after: Self) -> Self {
        let (s, c) = neumaier(after.0, self.0, self.1);
        Self(s, c + after.1)
    }
}

/// Count, mean and squared deviations. Joining: Chan, Golub, LeVeque, "Updating formulae and a pairwise
/// algorithm for computing sample variances", 1979.
#[derive(Clone, Copy)]
struct Moments {
    n: f64,
    mean: f64,
    square: f64,
}

impl Part for Moments {
    const NONE: Self = Self { n: 0.0, mean: 0.0, square: 0.0 };

    #[inline]
    fn with(self, v: f64) -> Self {
        let n = self.n + 1.0;
        let delta = v - self.mean;
        let mean = self.mean + delta / n;
        Self { n, mean, square: self.square + delta * (v - mean) }
    }

    #[inline]
    fn join(self, after: Self) -> Self {
        if after.n == 0.0 {
            return self;
        }
        let n = self.n + after.n;
        let delta = after.mean - self.mean;
        let share = after.n / n;
        Self {
            n,
            mean: self.mean + delta * share,
            square: self.square + after.square + delta * delta * self.n * share,
        }
    }
}

/// Calls `f` with the part of each window that is not empty.
fn slide<P: Part>(bounds: &[(u32, u32)], values: &[f64], mut f: impl FnMut(usize, usize, usize, P)) {
    // Parts from each sample up to `middle`, and the part from `middle` to the end of the window.
    let mut back: Vec<P> = Vec::new();
    let mut back_start = 0usize;
    let (mut middle, mut upto) = (0usize, 0usize);
    let mut front = P::NONE;
    for (step, &(lo, hi)) in bounds.iter().enumerate() {
        let (lo, hi) = (lo as usize, hi as usize);
        if lo >= hi {
            continue;
        }
        if lo >= middle {
            back.clear();
            back.resize(hi - lo, P::NONE);
            back_start = lo;
            let mut part = P::NONE;
            for (slot, &v) in back.iter_mut().zip(&values[lo..hi]).rev() {
                part = part.with(v);
                *slot = part;
            }
            (middle, upto, front) = (hi, hi, P::NONE);
        }
        for &v in &values[upto..hi.max(upto)] {
            front = front.with(v);
        }
        upto = upto.max(hi);
        f(step, lo, hi, back[lo - back_start].join(front));
    }
}

/// Calls `f` with each window that is not empty.
fn each(bounds: &[(u32, u32)], values: &[f64], row: &mut Row, f: impl Fn(&[f64]) -> f64) {
    for (step, &(lo, hi)) in bounds.iter().enumerate() {
        if lo < hi {
            row.set(step, f(&values[lo as usize..hi as usize]));
        }
    }
}

pub(super) fn run(bounds: &[(u32, u32)], values: &[f64], mean: bool, row: &mut Row) {
    let direct = if mean { average } else { sum };
    if !slides(bounds) {
        return each(bounds, values, row, direct);
    }
    slide(bounds, values, |step, lo, hi, Sum(s, c)| {
        let n = if mean { (hi - lo) as f64 } else { 1.0 };
        let out = s / n + c / n;
        row.set(step, if out.is_finite() { out } else { direct(&values[lo..hi]) });
    });
}

pub(super) fn run_variance(bounds: &[(u32, u32)], values: &[f64], root: bool, row: &mut Row) {
    let finish = |variance: f64| if root { variance.sqrt() } else { variance };
    if !slides(bounds) {
        return each(bounds, values, row, |window| finish(variance(window)));
    }
    slide(bounds, values, |step, lo, hi, m: Moments| {
        let out = m.square / m.n;
        row.set(step, finish(if out.is_finite() { out } else { variance(&values[lo..hi]) }));
    });
}
