//! Instant selectors: the newest sample at each step, if it is young enough and the series did not end.

use super::Context;
use super::frame::{Frame, Row};
use super::stream::Block;
use super::window::Windows;
use crate::error::Error;
use crate::plan::{Grid, Select, TimeOf};
use plimsoll_model::{Samples, Timestamp, is_stale};
use std::sync::Arc;

/// No sample at this step.
const NONE: u32 = u32::MAX;

/// The index of the newest sample at each step, for one timestamp column.
pub(super) fn newest(times: &[Timestamp], windows: &Windows) -> Vec<u32> {
    let pick = |(lo, hi): (u32, u32)| if hi > lo { hi - 1 } else { NONE };
    windows.bounds(times).into_iter().map(pick).collect()
}

impl Context<'_> {
    pub(super) fn select_windows(&self, s: &Select, grid: Grid) -> Windows {
        let mut windows = Windows::new(grid, s.at, s.offset, self.options.lookback_ms);
        if s.smoothed {
            // Interpolation wants the next sample too.
            windows.after = self.options.lookback_ms;
        }
        windows
    }

    pub(super) fn range_windows(&self, s: &Select, range: i64, grid: Grid) -> Windows {
        Windows::of_select(grid, s, range, self.options.lookback_ms)
    }

    /// The rows of an instant selector; of a time of the samples when `timestamps` is given.
    pub(super) fn select_block(
        &self,
        select: &Select,
        timestamps: Option<TimeOf>,
        grid: Grid,
        block: &Block<'_>,
    ) -> Result<Frame, Error> {
        let read = self.read(select, block)?;
        let windows = self.select_windows(select, grid);
        let mut frame = Frame::new(grid.steps);
        let mut cached: Option<(Arc<Vec<Timestamp>>, Vec<u32>)> = None;
        for (i, samples) in block.which.clone().zip(&read.samples) {
            let labels = block.labels(i);
            if select.smoothed && timestamps.is_none() {
                let row = self.smoothed_row(select, labels, samples, &windows);
                frame.rows.push(row);
                continue;
            }
            let times = &samples.floats.timestamps;
            let known = cached.as_ref().is_some_and(|(t, _)| Arc::ptr_eq(t, times));
            if !known {
                cached = Some((Arc::clone(times), newest(times, &windows)));
            }
            let (_, picks) = cached.as_ref().expect("it was just filled");
            let mut row = Row::empty(labels, grid.steps);
            match timestamps {
                None => pick_values(samples, picks, &windows, &mut row),
                Some(TimeOf::Info) => {
                    pick_values(samples, picks, &windows, &mut row);
                    for step in row.present.clone().ones() {
                        row.values[step] = times[picks[step] as usize] as f64 / 1000.0;
                    }
                }
                Some(time_of) => {
                    let start = time_of == TimeOf::Start;
                    let starts = if start { block.selection.start_times(i) } else { None };
                    let starts = starts.unwrap_or_default();
                    let wanted = !start || self.options.start_timestamps;
                    for step in (0..grid.steps).filter(|_| wanted) {
                        if let Some((t, st)) = pick_time(samples, &starts, picks[step], &windows, step) {
                            row.set(step, if start { st } else { t } as f64 / 1000.0);
                        }
                    }
                    row.lose_name(self.delayed());
                }
            }
            frame.rows.push(row);
        }
        Ok(frame)
    }
}

fn pick_values(samples: &Samples, picks: &[u32], windows: &Windows, row: &mut Row) {
    let values = &samples.floats.values;
    if samples.histograms.is_empty() {
        for (step, &at) in picks.iter().enumerate() {
            if at != NONE {
                let v = values[at as usize];
                if !is_stale(v) {
                    row.set(step, v);
                }
            }
        }
        return;
    }
    let times: Vec<Timestamp> = samples.histograms.iter().map(|(t, _)| *t).collect();
    let histograms = newest(&times, windows);
    for (step, (&f, &h)) in picks.iter().zip(&histograms).enumerate() {
        let float_time = (f != NONE).then(|| samples.floats.timestamps[f as usize]);
        let histogram_time = (h != NONE).then(|| times[h as usize]);
        if float_time > histogram_time {
            let v = values[f as usize];
            if !is_stale(v) {
                row.set(step, v);
            }
        } else if histogram_time.is_some() {
            let h = &samples.histograms[h as usize].1;
            if !h.is_stale() {
                row.set_histogram(step, Arc::clone(h));
            }
        }
    }
}

/// The time and start time of the newest sample.
fn pick_time(
    samples: &Samples,
    starts: &crate::source::StartTimes,
    float: u32,
    windows: &Windows,
    step: usize,
) -> Option<(Timestamp, Timestamp)> {
    let end = windows.end_of(step);
    let begin = end.saturating_sub(windows.range);
    let before = samples.histograms.partition_point(|(t, _)| *t <= end);
    let histogram = before.checked_sub(1).filter(|at| samples.histograms[*at].0 > begin);
    let float_time = (float != NONE).then(|| samples.floats.timestamps[float as usize]);
    let histogram_time = histogram.map(|at| samples.histograms[at].0);
    if float_time > histogram_time {
        let stale = is_stale(samples.floats.values[float as usize]);
        let st = starts.floats.get(float as usize).copied().unwrap_or(0);
        return float_time.filter(|_| !stale).map(|t| (t, st));
    }
    let at = histogram?;
    let (t, h) = &samples.histograms[at];
    (!h.is_stale()).then(|| (*t, starts.histograms.get(at).copied().unwrap_or(0)))
}
