//! `rate`, `increase` and `delta`: what extrapolation needs of timestamps is computed once a column; a series
//! then costs two loads, a subtraction and a multiplication a step.

use crate::exec::bits::Bits;
use crate::exec::frame::Row;
use crate::exec::range::Call;
use crate::plan::RangeFn;
use plimsoll_model::Timestamp;

/// Steps whose windows move by one sample each, so that all first and all last samples lie side by side.
#[derive(Clone, Copy)]
struct Run {
    step: usize,
    len: usize,
    first: usize,
    last: usize,
}

/// The extrapolation of a step, needed again when a counter would start below zero.
#[derive(Clone, Copy, Default)]
struct Cold {
    sampled: f64,
    to_start: f64,
    to_end: f64,
}

/// A column's windows, ready for extrapolation.
pub(super) struct RatePlan {
    runs: Vec<Run>,
    /// What the difference is multiplied with, unless the counter would start below zero.
    factor: Vec<f64>,
    /// The counter would start below zero at most when `first <= difference * reach`.
    reach: Vec<f64>,
    cold: Vec<Cold>,
    valid: Bits,
    /// Seconds of the window for a rate, else 1.
    per: f64,
}

impl RatePlan {
    pub(super) fn new(call: &Call<'_>, times: &[Timestamp], bounds: &[(u32, u32)]) -> Self {
        let steps = bounds.len();
        let per = if call.function == RangeFn::Rate { call.range_ms as f64 / 1000.0 } else { 1.0 };
        let mut plan = Self {
            runs: Vec::new(),
            factor: vec![0.0; steps],
            reach: vec![0.0; steps],
            cold: vec![Cold::default(); steps],
            valid: Bits::none(steps),
            per,
        };
        for (step, &(lo, hi)) in bounds.iter().enumerate() {
            if hi < lo + 2 {
                continue;
            }
            let (first, last) = (lo as usize, hi as usize - 1);
            let end = call.windows.end_of(step);
            let start = end.saturating_sub(call.range_ms);
            let cold = Cold::new(times[first], times[last], (last - first) as f64, start, end);
            plan.cold[step] = cold;
            plan.factor[step] = cold.factor(cold.to_start) / per;
            plan.reach[step] = cold.to_start / cold.sampled * (1.0 + 1e-9);
            plan.valid.set(step);
            match plan.runs.last_mut() {
                Some(run)
                    if run.step + run.len == step
                        && run.first + run.len == first
                        && run.last + run.len == last =>
                {
                    run.len += 1;
                }
                _ => plan.runs.push(Run { step, len: 1, first, last }),
            }
        }
        plan
    }

    pub(super) fn run(&self, values: &[f64], counter: bool, row: &mut Row) {
        row.present = self.valid.clone();
        if counter {
            let resets = resets(values);
            if !resets.is_empty() {
                return self.run_with_resets(values, &resets, row);
            }
        }
        for run in &self.runs {
            let steps = run.step..run.step + run.len;
            let first = &values[run.first..run.first + run.len];
            let last = &values[run.last..run.last + run.len];
            let out = &mut row.values[steps.clone()];
            let plans = self.factor[steps.clone()].iter().zip(&self.reach[steps.clone()]);
            let mut starts_low = false;
            for (((out, first), last), (factor, reach)) in out.iter_mut().zip(first).zip(last).zip(plans) {
                let difference = last - first;
                *out = difference * factor;
                starts_low |= *first <= difference * reach;
            }
            if counter && starts_low {
                for (i, step) in steps.enumerate() {
                    row.values[step] = self.reaching_zero(step, first[i], last[i] - first[i]);
                }
            }
        }
    }

    /// The general way: values before resets are added in order, so that sums are those of Prometheus.
    fn run_with_resets(&self, values: &[f64], resets: &[u32], row: &mut Row) {
        let mut from = 0;
        for run in &self.runs {
            for i in 0..run.len {
                let (first_at, last_at) = (run.first + i, run.last + i);
                let first = values[first_at];
                let mut difference = values[last_at] - first;
                while from < resets.len() && resets[from] as usize <= first_at {
                    from += 1;
                }
                for &at in resets[from..].iter().take_while(|at| **at as usize <= last_at) {
                    difference += values[at as usize - 1];
                }
                row.values[run.step + i] = self.reaching_zero(run.step + i, first, difference);
            }
        }
    }

    /// The exact formula for a counter.
    fn reaching_zero(&self, step: usize, first: f64, difference: f64) -> f64 {
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
    let Some(after) = values.get(1..) else { return Vec::new() };
    // Most counters never fall: one pass that the compiler vectorises tells.
    let falls = values.iter().zip(after).fold(0u64, |any, (a, b)| any | u64::from(b < a));
    if falls == 0 {
        return Vec::new();
    }
    (1..values.len()).filter(|i| values[*i] < values[*i - 1]).map(|i| i as u32).collect()
}
