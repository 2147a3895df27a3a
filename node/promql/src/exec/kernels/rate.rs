//! `rate`, `increase` and `delta`: what extrapolation needs of timestamps is computed once a column; a series
//! then costs two loads, a subtraction and a multiplication a step.

use super::full_or;
use crate::exec::bits::Bits;
use crate::exec::frame::Row;
use crate::exec::range::Call;
use crate::plan::RangeFn;
use plimsoll_model::Timestamp;

/// The part of a step that every series needs.
#[derive(Clone, Copy, Default)]
struct Hot {
    first: u32,
    last: u32,
    /// What the difference is multiplied with, unless the counter would start below zero.
    factor: f64,
    /// The counter would start below zero at most when `first <= difference * reach`.
    reach: f64,
}

/// The part that is needed when the counter would start below zero.
#[derive(Clone, Copy, Default)]
struct Cold {
    sampled: f64,
    to_start: f64,
    to_end: f64,
}

/// A column's windows, ready for extrapolation.
pub(super) struct RatePlan {
    hot: Vec<Hot>,
    cold: Vec<Cold>,
    valid: Bits,
    full: bool,
    /// Seconds of the window for a rate, else 1.
    per: f64,
}

impl RatePlan {
    pub(super) fn new(call: &Call<'_>, times: &[Timestamp], bounds: &[(u32, u32)]) -> Self {
        let steps = bounds.len();
        let per = if call.function == RangeFn::Rate { call.range_ms as f64 / 1000.0 } else { 1.0 };
        let mut plan = Self {
            hot: vec![Hot::default(); steps],
            cold: vec![Cold::default(); steps],
            valid: Bits::none(steps),
            full: false,
            per,
        };
        for (step, &(lo, hi)) in bounds.iter().enumerate() {
            if hi < lo + 2 {
                continue;
            }
            let (first, last) = (times[lo as usize], times[hi as usize - 1]);
            let end = call.windows.end_of(step);
            let cold = Cold::new(first, last, (hi - lo - 1) as f64, end - call.range_ms, end);
            plan.cold[step] = cold;
            plan.hot[step] = Hot {
                first: lo,
                last: hi - 1,
                factor: cold.factor(cold.to_start) / per,
                reach: cold.to_start / cold.sampled * (1.0 + 1e-9),
            };
            plan.valid.set(step);
        }
        plan.full = full_or(&plan.valid);
        plan
    }

    pub(super) fn run(&self, values: &[f64], counter: bool, row: &mut Row) {
        row.present = self.valid.clone();
        let resets = if counter { resets(values) } else { Vec::new() };
        if !resets.is_empty() {
            return self.run_with_resets(values, &resets, row);
        }
        let steps = self.hot.iter().zip(&mut row.values).enumerate();
        for (step, (hot, out)) in steps {
            if !self.full && hot.last == 0 {
                continue;
            }
            let first = values[hot.first as usize];
            let difference = values[hot.last as usize] - first;
            *out = difference * hot.factor;
            if counter && first <= difference * hot.reach {
                *out = self.from_zero(step, first, difference);
            }
        }
    }

    /// The general way: values before resets are added in order, so that sums are those of Prometheus.
    fn run_with_resets(&self, values: &[f64], resets: &[u32], row: &mut Row) {
        let mut from = 0;
        for step in self.valid.ones() {
            let hot = self.hot[step];
            let first = values[hot.first as usize];
            let mut difference = values[hot.last as usize] - first;
            while from < resets.len() && resets[from] <= hot.first {
                from += 1;
            }
            for &at in resets[from..].iter().take_while(|at| **at <= hot.last) {
                difference += values[at as usize - 1];
            }
            row.values[step] = self.from_zero(step, first, difference);
        }
    }

    /// The exact formula for a counter.
    fn from_zero(&self, step: usize, first: f64, difference: f64) -> f64 {
        let cold = self.cold[step];
        let mut to_start = cold.to_start;
        if difference > 0.0 && first >= 0.0 {
            let to_zero = cold.sampled * (first / difference);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        difference * (cold.factor(to_start) / self.per)
    }
}

impl Cold {
    fn new(first: Timestamp, last: Timestamp, gaps: f64, start: Timestamp, end: Timestamp) -> Self {
        let sampled = (last - first) as f64 / 1000.0;
        let average = sampled / gaps;
        let threshold = average * 1.1;
        let mut to_start = (first - start) as f64 / 1000.0;
        let mut to_end = (end - last) as f64 / 1000.0;
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        if to_end >= threshold {
            to_end = average / 2.0;
        }
        Self { sampled, to_start, to_end }
    }

    fn factor(self, to_start: f64) -> f64 {
        (self.sampled + to_start + self.to_end) / self.sampled
    }
}

/// Where a counter falls.
fn resets(values: &[f64]) -> Vec<u32> {
    let falls = |i: usize| values[i] < values[i - 1];
    // Most counters never fall: one pass that the compiler vectorises tells.
    if !values.windows(2).fold(false, |any, w| any | (w[1] < w[0])) {
        return Vec::new();
    }
    (1..values.len()).filter(|i| falls(*i)).map(|i| i as u32).collect()
}
