//! Which samples each step looks at, computed once for all series that share a timestamp column.

use crate::plan::{Grid, Select};
use plimsoll_model::Timestamp;

/// The windows of a range function: left-open, right-closed, one a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// The end of the first window.
    pub(crate) end: Timestamp,
    /// How far the end moves with each step; 0 when the time is fixed by `@`.
    pub(crate) step: i64,
    pub(crate) steps: usize,
    /// The length.
    pub(crate) range: i64,
    /// Samples wanted before the window, for `anchored` and `smoothed`.
    pub(crate) before: i64,
    /// Samples wanted after the window, for `smoothed`.
    pub(crate) after: i64,
}

impl Windows {
    pub(crate) fn new(grid: Grid, at: Option<Timestamp>, offset: i64, range: i64) -> Self {
        let (end, step) = match at {
            Some(at) => (at, 0),
            None => (grid.start, grid.step),
        };
        Self { end: end.saturating_sub(offset), step, steps: grid.steps, range, before: 0, after: 0 }
    }

    pub(crate) fn of_select(grid: Grid, select: &Select, range: i64, lookback: i64) -> Self {
        let mut windows = Self::new(grid, select.at, select.offset, range);
        if select.anchored || select.smoothed {
            windows.before = lookback;
        }
        if select.smoothed {
            windows.after = lookback;
        }
        windows
    }

    #[inline]
    pub(crate) fn end_of(&self, i: usize) -> Timestamp {
        self.end.saturating_add(self.step.saturating_mul(i as i64))
    }

    /// The first and the last timestamp that any window holds.
    pub(crate) fn span(&self) -> (Timestamp, Timestamp) {
        let first = self.end.saturating_sub(self.range).saturating_sub(self.before).saturating_add(1);
        let last = self.end_of(self.steps.saturating_sub(1)).saturating_add(self.after);
        (first, last)
    }

    /// For each step the samples `lo..hi` of `times` that lie in its window.
    pub(crate) fn bounds(&self, times: &[Timestamp]) -> Vec<(u32, u32)> {
        let mut out = Vec::with_capacity(self.steps);
        let (mut lo, mut hi) = (0usize, 0usize);
        for i in 0..self.steps {
            let end = self.end_of(i);
            let after = end.saturating_sub(self.range).saturating_sub(self.before);
            let until = end.saturating_add(self.after);
            lo = advance(times, lo, after);
            hi = advance(times, hi.max(lo), until);
            out.push((lo as u32, hi as u32));
            if self.step == 0 {
                out.resize(self.steps, (lo as u32, hi as u32));
                break;
            }
        }
        out
    }
}

/// The first index from `from` whose time is after `t`.
#[inline]
fn advance(times: &[Timestamp], mut from: usize, t: Timestamp) -> usize {
    // Windows mostly move by a sample or so; a long way is searched.
    for _ in 0..8 {
        match times.get(from) {
            Some(time) if *time <= t => from += 1,
            _ => return from,
        }
    }
    from + times[from..].partition_point(|time| *time <= t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_open_at_the_left_and_closed_at_the_right() {
        let times: Vec<i64> = (0..100).map(|i| i * 10).collect();
        let w = Windows::new(Grid { start: 50, step: 7, steps: 60 }, None, 0, 30);
        for (i, (lo, hi)) in w.bounds(&times).into_iter().enumerate() {
            let end = 50 + 7 * i as i64;
            let inside: Vec<_> = times.iter().filter(|t| **t > end - 30 && **t <= end).collect();
            assert_eq!(times[lo as usize..hi as usize].iter().collect::<Vec<_>>(), inside);
        }
        let fixed = Windows::new(Grid { start: 50, step: 7, steps: 3 }, Some(100), 20, 30);
        assert_eq!(fixed.bounds(&times), vec![(6, 9); 3]);
    }
}
