//! Range functions over plain floats with O(1) work a step: windows slide, and what depends on timestamps alone
//! is computed once for all series that share them.

mod extremes;
mod rate;
mod sorted;
mod sums;

pub(super) use sorted::quantile;
pub(super) use sums::{average, neumaier, sum, variance};

use super::frame::Row;
use super::range::Call;
use super::raw::Cleaned;
use super::window::Windows;
use crate::notes::Notes;
use crate::plan::RangeFn;
use plimsoll_model::Timestamp;
use rate::RatePlan;
use std::collections::HashMap;
use std::sync::Arc;

/// Timestamp columns whose windows are remembered; a block of series rarely has more.
const REMEMBERED: usize = 256;

/// Samples of a window for each step: `lo..hi`.
pub(super) type Bounds = Arc<Vec<(u32, u32)>>;

/// What is known of the timestamp columns of a block.
#[derive(Default)]
pub(super) struct Columns {
    known: HashMap<usize, Column>,
}

struct Column {
    /// Keeps the address from being used again.
    _times: Arc<Vec<Timestamp>>,
    bounds: Bounds,
    rate: Option<Arc<RatePlan>>,
}

impl Columns {
    fn column(&mut self, times: &Arc<Vec<Timestamp>>, windows: &Windows) -> &mut Column {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.entry(Arc::as_ptr(times) as usize).or_insert_with(|| Column {
            _times: Arc::clone(times),
            bounds: Arc::new(windows.bounds(times)),
            rate: None,
        })
    }

    pub(super) fn bounds(&mut self, times: &Arc<Vec<Timestamp>>, windows: &Windows) -> Bounds {
        Arc::clone(&self.column(times, windows).bounds)
    }

    fn rate(&mut self, times: &Arc<Vec<Timestamp>>, call: &Call<'_>) -> Arc<RatePlan> {
        let column = self.column(times, &call.windows);
        let bounds = &column.bounds;
        Arc::clone(column.rate.get_or_insert_with(|| Arc::new(RatePlan::new(call, times, bounds))))
    }
}

/// Runs the call over one series of floats; false when the function has no kernel.
pub(super) fn run(
    call: &Call<'_>,
    samples: &Cleaned,
    columns: &mut Columns,
    row: &mut Row,
    notes: &mut Notes,
) -> bool {
    let (times, values) = (&samples.floats.timestamps, samples.floats.values.as_slice());
    if matches!(call.function, RangeFn::Rate | RangeFn::Increase | RangeFn::Delta) {
        columns.rate(times, call).run(values, call.function != RangeFn::Delta, row);
        return true;
    }
    let bounds = columns.bounds(times, &call.windows);
    let each = |row: &mut Row, f: &mut dyn FnMut(usize, usize) -> f64| {
        for (step, &(lo, hi)) in bounds.iter().enumerate() {
            if lo < hi {
                row.set(step, f(lo as usize, hi as usize));
            }
        }
    };
    let seconds = |t: Timestamp| t as f64 / 1000.0;
    match call.function {
        RangeFn::Count => each(row, &mut |lo, hi| (hi - lo) as f64),
        RangeFn::Present => each(row, &mut |_, _| 1.0),
        RangeFn::Last => each(row, &mut |_, hi| values[hi - 1]),
        RangeFn::First => each(row, &mut |lo, _| values[lo]),
        RangeFn::TsOfFirst => each(row, &mut |lo, _| seconds(times[lo])),
        RangeFn::TsOfLast => each(row, &mut |_, hi| seconds(times[hi - 1])),
        RangeFn::Changes => {
            let counts = pair_counts(values, |a, b| a != b && !(a.is_nan() && b.is_nan()));
            each(row, &mut |lo, hi| f64::from(counts[hi - 1] - counts[lo]));
        }
        RangeFn::Resets => {
            let counts = pair_counts(values, |a, b| b < a);
            each(row, &mut |lo, hi| f64::from(counts[hi - 1] - counts[lo]));
        }
        RangeFn::Sum => sums::run(&bounds, values, false, row),
        RangeFn::Avg => sums::run(&bounds, values, true, row),
        RangeFn::Stddev => sums::run_variance(&bounds, values, true, row),
        RangeFn::Stdvar => sums::run_variance(&bounds, values, false, row),
        RangeFn::Min => extremes::run(&bounds, values, |a, b| a < b, row),
        RangeFn::Max => extremes::run(&bounds, values, |a, b| a > b, row),
        RangeFn::Quantile => sorted::run(call, &bounds, values, row, notes),
        _ => return false,
    }
    true
}

/// How many pairs of neighbours up to each sample fulfil `is`.
fn pair_counts(values: &[f64], is: impl Fn(f64, f64) -> bool) -> Vec<u32> {
    let mut count = 0;
    let mut out = Vec::with_capacity(values.len());
    let mut before = None;
    for &v in values {
        count += u32::from(before.is_some_and(|b| is(b, v)));
        before = Some(v);
        out.push(count);
    }
    out
}

/// Whether windows overlap so much that sliding beats looking at each window anew.
fn slides(bounds: &[(u32, u32)]) -> bool {
    let samples: u64 = bounds.iter().map(|(lo, hi)| u64::from(hi - lo)).sum();
    let moved = bounds.last().map_or(0, |l| l.1) - bounds.first().map_or(0, |f| f.0);
    samples > 3 * u64::from(moved) + 16
}
