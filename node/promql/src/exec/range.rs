//! Range functions: for each series the windows are found (once for all that share timestamps), then a kernel
//! runs over them. Plain floats go through kernels with O(1) work a step, everything else window by window.

use super::frame::{Frame, Row};
use super::kernels::{self, Columns};
use super::raw::{Cleaned, clean};
use super::stream::{Block, ReadBlock, row_samples};
use super::window::Windows;
use super::{Context, rates};
use crate::ast::Span;
use crate::error::Error;
use crate::notes::Notes;
use crate::plan::{Grid, RangeCall, RangeFn, RangeSource, Select, Subquery};
use crate::source::StartTimes;
use plimsoll_model::{Histogram, Labels, METRIC_NAME, ResetHint, Samples, Timestamp};
use std::sync::Arc;

/// What a range function answers for a step.
pub(super) enum Point {
    Float(f64),
    Histogram(Histogram),
}

/// What stays the same for all series of a call.
pub(super) struct Call<'a> {
    pub(super) function: RangeFn,
    pub(super) range_ms: i64,
    /// The scalar arguments, one value a step.
    pub(super) args: &'a [Vec<f64>],
    pub(super) windows: Windows,
    pub(super) grid: Grid,
    pub(super) span: Span,
    pub(super) anchored: bool,
    pub(super) smoothed: bool,
    pub(super) start_timestamps: bool,
}

/// One window of one series.
pub(super) struct Window<'a> {
    pub(super) times: &'a [Timestamp],
    pub(super) values: &'a [f64],
    pub(super) histograms: &'a [(Timestamp, Arc<Histogram>)],
    pub(super) float_starts: &'a [Timestamp],
    pub(super) histogram_starts: &'a [Timestamp],
    /// The window without what is read around it: after `start`, until `end`.
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) step: usize,
}

impl Context<'_> {
    pub(super) fn call<'a>(
        &self,
        call: &RangeCall,
        select: Option<&Select>,
        args: &'a [Vec<f64>],
        windows: Windows,
        grid: Grid,
    ) -> Result<Call<'a>, Error> {
        if call.function == RangeFn::Smoothing {
            for (name, values) in ["smoothing", "trend"].iter().zip(args) {
                if let Some(bad) = values.iter().find(|v| !(**v > 0.0 && **v < 1.0)) {
                    let message =
                        format!("invalid {name} factor. Expected: 0 < {}f < 1, got: {bad:.6}", &name[..1]);
                    return Err(Error::Evaluation(message));
                }
            }
        }
        Ok(Call {
            function: call.function,
            range_ms: call.range,
            args,
            windows,
            grid,
            span: call.span,
            anchored: select.is_some_and(|s| s.anchored),
            smoothed: select.is_some_and(|s| s.smoothed),
            start_timestamps: self.options.start_timestamps
                && matches!(
                    call.function,
                    RangeFn::Rate | RangeFn::Increase | RangeFn::Irate | RangeFn::Resets
                ),
        })
    }

    /// The rows of a call over samples of a block.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn range_rows(
        &self,
        call: &RangeCall,
        select: Option<&Select>,
        args: &[Vec<f64>],
        windows: Windows,
        grid: Grid,
        read: ReadBlock,
        block: &Block<'_>,
    ) -> Result<Frame, Error> {
        let prepared = self.call(call, select, args, windows, grid)?;
        let mut columns = Columns::default();
        let mut notes = Notes::default();
        let mut frame = Frame::new(grid.steps);
        for (i, samples) in block.which.clone().zip(read.samples) {
            let labels = block.labels(i);
            let starts = if prepared.start_timestamps { block.selection.start_times(i) } else { None };
            let named = labels.get(METRIC_NAME).unwrap_or(block.name).to_owned();
            let samples = clean(samples, starts);
            let mut row = Row::empty(labels, grid.steps);
            run(&prepared, &samples, &named, &mut columns, &mut row, &mut notes);
            self.finish_row(&prepared, &named, &mut row, &mut notes);
            frame.rows.push(row);
        }
        self.note(notes);
        Ok(frame)
    }

    fn finish_row(&self, call: &Call<'_>, name: &str, row: &mut Row, notes: &mut Notes) {
        if matches!(call.function, RangeFn::Rate | RangeFn::Increase)
            && !name.is_empty()
            && !["_total", "_sum", "_count", "_bucket"].iter().any(|s| name.ends_with(s))
            && row.present.any()
        {
            let text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
            notes.info(call.span, format!("{text} {name:?}"));
        }
        if !matches!(call.function, RangeFn::Last | RangeFn::First) {
            row.lose_name(self.delayed());
        }
    }

    /// The rows of a call over rows of an inner grid.
    pub(super) fn range_over_rows(
        &self,
        call: &RangeCall,
        s: &Subquery,
        args: &[Vec<f64>],
        inner: Frame,
        grid: Grid,
    ) -> Result<Frame, Error> {
        let windows = Windows::new(grid, s.at, s.offset, s.range);
        let mut prepared = self.call(call, None, args, windows, grid)?;
        prepared.start_timestamps = false;
        let times = Arc::new(s.grid(grid).times().collect::<Vec<_>>());
        let mut columns = Columns::default();
        let mut notes = Notes::default();
        let mut frame = Frame::new(grid.steps);
        for from in &inner.rows {
            let mut samples = row_samples(from, &times, s, grid);
            forget_hints(&mut samples);
            let samples = clean(samples, None);
            let name = from.labels.get(METRIC_NAME).unwrap_or("").to_owned();
            let mut row = Row::empty(from.labels.clone(), grid.steps);
            row.drop_name = from.drop_name;
            run(&prepared, &samples, &name, &mut columns, &mut row, &mut notes);
            self.finish_row(&prepared, &name, &mut row, &mut notes);
            frame.rows.push(row);
        }
        self.note(notes);
        Ok(frame)
    }

    /// A call whose input was made by other operators or came raw from the leaves.
    pub(super) fn range_over_frame(&self, call: &RangeCall, grid: Grid) -> Result<Frame, Error> {
        let args: Vec<Vec<f64>> =
            call.args.iter().map(|a| self.scalars(a, grid)).collect::<Result<_, _>>()?;
        let mut frame = match &call.source {
            RangeSource::Subquery(s) => {
                let inner = self.inner_grid(s, grid, 1)?;
                let rows = if inner.steps == 0 { Frame::new(0) } else { self.frame(&s.input, inner)? };
                self.range_over_rows(call, s, &args, rows, grid)?
            }
            RangeSource::Leaf(at, select) => self.range_over_raw(call, *at, select, &args, grid)?,
            RangeSource::Select(_) => {
                return Err(Error::Evaluation("a selector stands outside of a leaf".into()));
            }
        };
        frame.rows.retain(|r| !r.is_empty());
        frame.held.push(self.budget.hold(frame.rows.len() * grid.steps, 9)?);
        if !self.delayed() {
            frame.unite_equal_rows()?;
        }
        Ok(frame)
    }

    fn range_over_raw(
        &self,
        call: &RangeCall,
        leaf: usize,
        select: &Select,
        args: &[Vec<f64>],
        grid: Grid,
    ) -> Result<Frame, Error> {
        let windows = self.range_windows(select, call.range, grid);
        let mut prepared = self.call(call, Some(select), args, windows, grid)?;
        prepared.start_timestamps = false;
        let mut columns = Columns::default();
        let mut notes = Notes::default();
        let mut frame = Frame::new(grid.steps);
        for series in self.leaf_raw(leaf)? {
            let samples = clean(series.samples(), None);
            let labels: Labels = series.labels.clone();
            let name = labels.get(METRIC_NAME).unwrap_or("").to_owned();
            let mut row = Row::empty(labels, grid.steps);
            run(&prepared, &samples, &name, &mut columns, &mut row, &mut notes);
            self.finish_row(&prepared, &name, &mut row, &mut notes);
            frame.rows.push(row);
        }
        self.note(notes);
        Ok(frame)
    }
}

/// A subquery may skip samples, so what it says about counter resets is not known.
fn forget_hints(samples: &mut Samples) {
    for (_, h) in &mut samples.histograms {
        if matches!(h.reset_hint, ResetHint::Yes | ResetHint::No) {
            let mut copy = Histogram::clone(h);
            copy.reset_hint = ResetHint::Unknown;
            *h = Arc::new(copy);
        }
    }
}

/// Runs the call over one series.
fn run(
    call: &Call<'_>,
    samples: &Cleaned,
    name: &str,
    columns: &mut Columns,
    row: &mut Row,
    notes: &mut Notes,
) {
    let simple = samples.histograms.is_empty()
        && samples.starts.is_none()
        && !call.anchored
        && !call.smoothed
        && call.windows.step > 0;
    if simple && kernels::run(call, samples, columns, row, notes) {
        return;
    }
    let no_starts = StartTimes::default();
    let starts = samples.starts.as_ref().unwrap_or(&no_starts);
    let histogram_times: Vec<Timestamp> = samples.histograms.iter().map(|(t, _)| *t).collect();
    let bounds = columns.bounds(&samples.floats.timestamps, &call.windows);
    let histogram_bounds = if histogram_times.is_empty() {
        vec![(0, 0); call.grid.steps]
    } else {
        call.windows.bounds(&histogram_times)
    };
    for step in 0..call.grid.steps {
        let (lo, hi) = (bounds[step].0 as usize, bounds[step].1 as usize);
        let (hlo, hhi) = (histogram_bounds[step].0 as usize, histogram_bounds[step].1 as usize);
        if lo >= hi && hlo >= hhi {
            continue;
        }
        let end = call.windows.end_of(step);
        let window = Window {
            times: &samples.floats.timestamps[lo..hi],
            values: &samples.floats.values[lo..hi],
            histograms: &samples.histograms[hlo..hhi],
            float_starts: starts.floats.get(lo..hi).unwrap_or(&[]),
            histogram_starts: starts.histograms.get(hlo..hhi).unwrap_or(&[]),
            start: end.saturating_sub(call.range_ms),
            end,
            step,
        };
        match rates::evaluate(call, &window, name, notes) {
            Some(Point::Float(v)) => row.set(step, v),
            Some(Point::Histogram(h)) => row.set_histogram(step, Arc::new(h)),
            None => {}
        }
    }
}
