//! Samples as they are stored: without stale markers for range functions, and as the answer to a range selector.

use super::Context;
use super::answer::RangeSeries;
use super::rates::extend_floats;
use crate::error::Error;
use crate::plan::{Grid, Select, Subquery};
use crate::source::StartTimes;
use plimsoll_model::{FloatColumn, Histogram, Samples, TimeRange, Timestamp, is_stale};
use std::sync::Arc;

/// Samples of a series without stale markers.
pub(super) struct Cleaned {
    pub(super) floats: FloatColumn,
    pub(super) histograms: Vec<(Timestamp, Arc<Histogram>)>,
    pub(super) starts: Option<StartTimes>,
}

/// Takes the stale markers out; columns without any keep their shared timestamps.
pub(super) fn clean(samples: Samples, starts: Option<StartTimes>) -> Cleaned {
    let Samples { mut floats, mut histograms } = samples;
    let known = |s: &StartTimes| s.floats.iter().chain(&s.histograms).any(|t| *t != 0);
    let mut starts = starts.filter(known);
    // A pass without an early end, so that it is vectorised.
    let stale = floats.values.iter().fold(0u64, |any, v| any | u64::from(is_stale(*v)));
    if stale != 0 {
        let keep: Vec<bool> = floats.values.iter().map(|v| !is_stale(*v)).collect();
        floats.timestamps = Arc::new(kept(&floats.timestamps, &keep));
        floats.values = kept(&floats.values, &keep);
        if let Some(s) = &mut starts {
            s.floats = kept(&s.floats, &keep);
        }
    }
    if histograms.iter().any(|(_, h)| h.is_stale()) {
        let keep: Vec<bool> = histograms.iter().map(|(_, h)| !h.is_stale()).collect();
        if let Some(s) = &mut starts {
            s.histograms = kept(&s.histograms, &keep);
        }
        histograms = kept(&histograms, &keep);
    }
    Cleaned { floats, histograms, starts }
}

fn kept<T: Clone>(all: &[T], keep: &[bool]) -> Vec<T> {
    all.iter().zip(keep).filter(|(_, keep)| **keep).map(|(t, _)| t.clone()).collect()
}

impl Context<'_> {
    /// The samples of a range selector, for all windows of `grid`.
    pub(super) fn raw(&self, select: &Select, range: i64, grid: Grid) -> Result<Vec<RangeSeries>, Error> {
        let windows = self.range_windows(select, range, grid);
        let (first, last) = windows.span();
        let source =
            self.source.ok_or_else(|| Error::Evaluation("a selector stands outside of a leaf".into()))?;
        let selection = source.select(&select.matchers, TimeRange { start: first, end: last })?;
        self.count_series(selection.len())?;
        let mut out = Vec::new();
        let mut samples = Vec::new();
        for i in 0..selection.len() {
            self.budget.stop.check()?;
            samples.clear();
            selection.read(i..i + 1, &mut samples)?;
            let Some(one) = samples.pop() else { continue };
            self.count_read(one.len());
            let held = self.budget.hold(one.len(), 16)?;
            let cleaned = clean(one, None);
            let inside = |t: Timestamp| t >= first && t <= last;
            let floats = cleaned.floats;
            let mut series = RangeSeries {
                labels: selection.labels(i),
                floats: floats
                    .timestamps
                    .iter()
                    .copied()
                    .zip(floats.values)
                    .filter(|(t, _)| inside(*t))
                    .collect(),
                histograms: cleaned.histograms.into_iter().filter(|(t, _)| inside(*t)).collect(),
                _held: Arc::new(held),
            };
            if grid.steps == 1 && (select.anchored || select.smoothed) {
                if !series.histograms.is_empty() {
                    let name = if select.anchored { "anchored" } else { "smoothed" };
                    let message = format!("{name} modifier is not supported with histograms");
                    return Err(Error::Evaluation(message));
                }
                let (start, end) = (windows.end.saturating_sub(range), windows.end);
                series.floats = extend_floats(&series.floats, start, end, select.smoothed);
            }
            if !series.floats.is_empty() || !series.histograms.is_empty() {
                out.push(series);
            }
        }
        Ok(out)
    }

    /// The points of a subquery at the top of a query.
    pub(super) fn raw_subquery(&self, s: &Subquery, grid: Grid) -> Result<Vec<RangeSeries>, Error> {
        let inner = self.inner_grid(s, grid, 1)?;
        if inner.steps == 0 {
            return Ok(Vec::new());
        }
        let mut frame = self.frame(&s.input, inner)?;
        for row in &mut frame.rows {
            if row.drop_name {
                row.labels = super::frame::without_metadata(&row.labels);
                row.drop_name = false;
            }
        }
        frame.unite_equal_rows()?;
        let mut out = Vec::new();
        for row in &frame.rows {
            let series = RangeSeries::of_row(row, inner);
            if !series.floats.is_empty() || !series.histograms.is_empty() {
                out.push(series);
            }
        }
        Ok(out)
    }
}
