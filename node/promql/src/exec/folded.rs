//! Windows of whole hours are asked of what a storage has rolled up, where the answer is the same.

use super::Context;
use super::stream::{Block, ReadBlock};
use super::window::Windows;
use crate::error::Error;
use crate::plan::{RangeFn, Rollups};
use crate::source::Fold;

const HOUR_MS: i64 = 3_600_000;

/// What to ask of each hour, and the function of the answers, where that is as good as `function` of the samples: every
/// window is one of whole hours, from the end of one to the end of another.
pub(super) fn of_hours(function: RangeFn, windows: &Windows, how: Rollups) -> Option<(Fold, RangeFn)> {
    let whole = |ms: i64| ms % HOUR_MS == 0;
    let aligned = windows.range > 0
        && whole(windows.range)
        && whole(windows.end)
        && (windows.steps <= 1 || whole(windows.step))
        && (windows.before, windows.after) == (0, 0);
    if !aligned || how == Rollups::Off {
        return None;
    }
    Some(match function {
        RangeFn::Min => (Fold::Min, RangeFn::Min),
        RangeFn::Max => (Fold::Max, RangeFn::Max),
        RangeFn::Last => (Fold::Last, RangeFn::Last),
        RangeFn::First => (Fold::First, RangeFn::First),
        RangeFn::Present => (Fold::Last, RangeFn::Present),
        // whole numbers add up exactly
        RangeFn::Count => (Fold::Count, RangeFn::Sum),
        // sums by the hour differ in the last digit from sums by the sample
        RangeFn::Sum if how == Rollups::Sums => (Fold::Sum, RangeFn::Sum),
        _ => return None,
    })
}

impl Context<'_> {
    /// The hours of a block; none where the storage has the samples alone.
    pub(super) fn read_hours(&self, fold: Fold, block: &Block<'_>) -> Result<Option<ReadBlock>, Error> {
        let mut samples = Vec::with_capacity(block.which.len());
        if !block.selection.read_folded(block.which.clone(), fold, &mut samples)? {
            return Ok(None);
        }
        self.hold_block(samples).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_windows_of_whole_hours_and_functions_that_stay_exact_are_asked_of_hours() {
        let windows = |end, step, range| Windows { end, step, steps: 3, range, before: 0, after: 0 };
        let day = 24 * HOUR_MS;
        let asked = |f, w: &Windows, how| of_hours(f, w, how);
        let good = windows(5 * HOUR_MS, HOUR_MS, day);
        assert_eq!(asked(RangeFn::Max, &good, Rollups::Exact), Some((Fold::Max, RangeFn::Max)));
        assert_eq!(asked(RangeFn::Count, &good, Rollups::Exact), Some((Fold::Count, RangeFn::Sum)));
        assert_eq!(asked(RangeFn::Sum, &good, Rollups::Exact), None);
        assert_eq!(asked(RangeFn::Sum, &good, Rollups::Sums), Some((Fold::Sum, RangeFn::Sum)));
        assert_eq!(asked(RangeFn::Max, &good, Rollups::Off), None);
        assert_eq!(asked(RangeFn::Rate, &good, Rollups::Sums), None);
        for bad in [
            windows(5 * HOUR_MS + 1, HOUR_MS, day),
            windows(5 * HOUR_MS, HOUR_MS / 2, day),
            windows(5 * HOUR_MS, HOUR_MS, day + 1),
            Windows { before: 300_000, ..good },
        ] {
            assert_eq!(asked(RangeFn::Max, &bad, Rollups::Exact), None, "{bad:?}");
        }
        assert!(asked(RangeFn::Max, &windows(5 * HOUR_MS, 0, day), Rollups::Exact).is_some(), "fixed by @");
    }
}
