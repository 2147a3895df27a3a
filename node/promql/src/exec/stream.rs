//! Chains of operators over one selector, carried out on blocks of series: the samples of a block are read, go
//! through the whole chain, and are forgotten before the next block needs the memory.

use super::Context;
use super::folded::of_hours;
use super::frame::{Frame, Row};
use crate::error::Error;
use crate::plan::{Grid, Node, RangeCall, RangeSource, Select, Subquery};
use crate::source::Selection;
use plimsoll_model::{FloatColumn, Labels, METRIC_NAME, MatchOp, Samples, TimeRange};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Values of a block's columns: 1 MiB stays in the second-level cache.
const BLOCK_VALUES: usize = 128 * 1024;
const BLOCK_SERIES: std::ops::RangeInclusive<usize> = 16..=256;

/// What a native histogram takes, roughly: its struct and some dozen buckets.
const HISTOGRAM_BYTES: usize = 400;

/// A chain that begins at a selector.
pub(super) struct Stream<'p> {
    pub(super) select: &'p Select,
    /// Whether labels are changed on the way.
    pub(super) relabels: bool,
}

impl<'p> Stream<'p> {
    /// The chain that ends in `node`, if it is one.
    pub(super) fn of(node: &'p Node) -> Option<Self> {
        let mut relabels = false;
        let mut node = node;
        loop {
            node = match node {
                Node::Select(select) | Node::Timestamp(select, _) => {
                    return Some(Self { select, relabels });
                }
                Node::Range(call) => match &call.source {
                    RangeSource::Select(select) => return Some(Self { select, relabels }),
                    RangeSource::Subquery(s) => &s.input,
                    RangeSource::Leaf(..) => return None,
                },
                Node::Negate(n)
                | Node::Once(n)
                | Node::Math(_, n, _)
                | Node::Date(_, Some(n))
                | Node::EvalTime(n)
                | Node::Nothing(n)
                | Node::HistogramStat(_, n) => n,
                Node::VectorScalar(v) => &v.vector,
                Node::LabelReplace(r) => {
                    relabels = true;
                    &r.input
                }
                Node::LabelJoin(j) => {
                    relabels = true;
                    &j.input
                }
                _ => return None,
            };
        }
    }

    /// The metric's name, when the selector gives just one.
    pub(super) fn name(&self) -> Option<&'p str> {
        let mut names =
            self.select.matchers.iter().filter(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
        let name = names.next()?;
        Some(&name.value)
    }
}

/// A block of series on its way through a chain.
pub(super) struct Block<'s> {
    pub(super) selection: &'s dyn Selection,
    pub(super) which: Range<usize>,
    /// Whether rows get their labels.
    pub(super) labelled: bool,
    /// The name of all series, when rows get no labels.
    pub(super) name: &'s str,
}

impl Block<'_> {
    pub(super) fn labels(&self, series: usize) -> Labels {
        if self.labelled { self.selection.labels(series) } else { Labels::default() }
    }
}

impl Context<'_> {
    /// The series of the stream, and the time that it reads.
    pub(super) fn open<'s>(
        &'s self,
        stream: &Stream<'_>,
        node: &Node,
        grid: Grid,
    ) -> Result<Box<dyn Selection + 's>, Error> {
        let (first, last) = self.span(node, grid);
        let source =
            self.source.ok_or_else(|| Error::Evaluation("a selector stands outside of a leaf".into()))?;
        let range = TimeRange { start: first, end: last.max(first) };
        let selection = source.select(&stream.select.matchers, range)?;
        self.count_series(selection.len())?;
        Ok(selection)
    }

    /// The first and last timestamp that the chain reads.
    fn span(&self, node: &Node, grid: Grid) -> (i64, i64) {
        match node {
            Node::Select(s) | Node::Timestamp(s, _) => self.select_windows(s, grid).span(),
            Node::Range(call) => match &call.source {
                RangeSource::Select(s) => self.range_windows(s, call.range, grid).span(),
                RangeSource::Subquery(s) => self.span(&s.input, s.grid(grid)),
                RangeSource::Leaf(..) => (grid.start, grid.end()),
            },
            Node::Once(n) => self.span(n, Grid { steps: grid.steps.min(1), ..grid }),
            Node::Negate(n)
            | Node::Math(_, n, _)
            | Node::Date(_, Some(n))
            | Node::EvalTime(n)
            | Node::Nothing(n)
            | Node::HistogramStat(_, n) => self.span(n, grid),
            Node::VectorScalar(v) => self.span(&v.vector, grid),
            Node::LabelReplace(r) => self.span(&r.input, grid),
            Node::LabelJoin(j) => self.span(&j.input, grid),
            _ => (grid.start, grid.end()),
        }
    }

    /// Series a block.
    pub(super) fn block_size(grid: Grid) -> usize {
        (BLOCK_VALUES / grid.steps.max(1)).clamp(*BLOCK_SERIES.start(), *BLOCK_SERIES.end())
    }

    /// All rows of a chain.
    pub(super) fn stream_rows(&self, stream: &Stream<'_>, node: &Node, grid: Grid) -> Result<Frame, Error> {
        let mut out = Frame::new(grid.steps);
        if grid.steps == 0 {
            return Ok(out);
        }
        let selection = self.open(stream, node, grid)?;
        let size = Self::block_size(grid);
        let blocks = selection.len().div_ceil(size);
        let frames: Vec<Frame> = (0..blocks)
            .into_par_iter()
            .map(|b| {
                let which = b * size..((b + 1) * size).min(selection.len());
                let block = Block { selection: selection.as_ref(), which, labelled: true, name: "" };
                let mut frame = self.eval_block(node, grid, &block)?;
                frame.rows.retain(|r| !r.is_empty());
                frame.held.push(self.budget.hold(frame.rows.len() * grid.steps, 9)?);
                Ok(frame)
            })
            .collect::<Result<_, Error>>()?;
        for mut frame in frames {
            out.rows.append(&mut frame.rows);
            out.held.append(&mut frame.held);
        }
        if stream.relabels || !self.delayed() {
            out.unite_equal_rows()?;
        }
        Ok(out)
    }

    /// The rows of one block: exactly one a series, in order.
    pub(super) fn eval_block(&self, node: &Node, grid: Grid, block: &Block<'_>) -> Result<Frame, Error> {
        self.budget.stop.check()?;
        let inner = match node {
            Node::Select(s) => return self.select_block(s, None, grid, block),
            Node::Timestamp(s, start) => return self.select_block(s, Some(*start), grid, block),
            Node::Range(call) => return self.range_block(call, grid, block),
            Node::Once(n) => {
                let frame = self.eval_block(n, Grid { steps: 1, ..grid }, block)?;
                return Ok(repeat_all(frame, grid.steps));
            }
            Node::Negate(n)
            | Node::Math(_, n, _)
            | Node::Date(_, Some(n))
            | Node::EvalTime(n)
            | Node::Nothing(n)
            | Node::HistogramStat(_, n) => n,
            Node::VectorScalar(v) => &v.vector,
            Node::LabelReplace(r) => &r.input,
            Node::LabelJoin(j) => &j.input,
            _ => return Err(Error::Evaluation("an operator is not part of a chain".into())),
        };
        let mut frame = self.eval_block(inner, grid, block)?;
        let args = self.row_args(node, grid)?;
        if matches!(node, Node::Nothing(_)) {
            let steps = grid.steps;
            frame.rows.iter_mut().for_each(|r| *r = Row::empty(Labels::default(), steps));
            return Ok(frame);
        }
        self.apply(node, &args, &mut frame, grid)?;
        Ok(frame)
    }

    fn range_block(&self, call: &RangeCall, grid: Grid, block: &Block<'_>) -> Result<Frame, Error> {
        let args: Vec<Vec<f64>> =
            call.args.iter().map(|a| self.scalars(a, grid)).collect::<Result<_, _>>()?;
        match &call.source {
            RangeSource::Select(select) => {
                let windows = self.range_windows(select, call.range, grid);
                if let Some((fold, function)) = of_hours(call.function, &windows, self.options.rollups)
                    && let Some(hours) = self.read_hours(fold, block)?
                {
                    let call = RangeCall { function, ..call.clone() };
                    return self.range_rows(&call, Some(select), &args, windows, grid, hours, block);
                }
                let samples = self.read(select, block)?;
                self.range_rows(call, Some(select), &args, windows, grid, samples, block)
            }
            RangeSource::Subquery(s) => {
                let inner = self.inner_grid(s, grid, block.which.len())?;
                let _held = self.budget.hold(inner.steps.saturating_mul(block.which.len()), 9)?;
                let frame = if inner.steps == 0 {
                    empty_block(block, 0)
                } else {
                    self.eval_block(&s.input, inner, block)?
                };
                self.range_over_rows(call, s, &args, frame, grid)
            }
            RangeSource::Leaf(..) => Err(Error::Evaluation("a leaf reads no leaf".into())),
        }
    }

    /// The steps of a subquery over `rows` rows, if the budget allows so many.
    pub(super) fn inner_grid(&self, s: &Subquery, grid: Grid, rows: usize) -> Result<Grid, Error> {
        let inner = s.grid(grid);
        // What is not held is given back at once: this only refuses what could never be held.
        drop(self.budget.hold(inner.steps.saturating_mul(rows), 9)?);
        Ok(inner)
    }

    pub(super) fn count_series(&self, series: usize) -> Result<(), Error> {
        self.selected.fetch_add(series as u64, Ordering::Relaxed);
        self.budget.count_series(series)
    }

    pub(super) fn count_read(&self, samples: usize) {
        self.read.fetch_add(samples as u64, Ordering::Relaxed);
    }

    /// The samples of a block, counted.
    pub(super) fn read(&self, select: &Select, block: &Block<'_>) -> Result<ReadBlock, Error> {
        let mut samples = Vec::with_capacity(block.which.len());
        block.selection.read(block.which.clone(), &mut samples)?;
        let mut read = self.hold_block(samples)?;
        if select.figures {
            read.samples.iter_mut().for_each(|s| super::histograms::find_resets(&mut s.histograms));
        }
        Ok(read)
    }

    /// Counts what was read of a block, and holds the budget for it.
    pub(super) fn hold_block(&self, samples: Vec<Samples>) -> Result<ReadBlock, Error> {
        let total: usize = samples.iter().map(Samples::len).sum();
        self.count_read(total);
        let histograms: usize = samples.iter().map(|s| s.histograms.len()).sum();
        let held = [self.budget.hold(total, 16)?, self.budget.hold(histograms, HISTOGRAM_BYTES)?];
        Ok(ReadBlock { samples, _held: held })
    }
}

/// Samples of a block and what they hold of the budget.
pub(super) struct ReadBlock {
    pub(super) samples: Vec<Samples>,
    _held: [crate::budget::Held; 2],
}

pub(super) fn empty_block(block: &Block<'_>, steps: usize) -> Frame {
    let rows = block.which.clone().map(|i| Row::empty(block.labels(i), steps)).collect();
    Frame { steps, rows, held: Vec::new() }
}

/// Repeats the only step of every row, also of the empty ones.
fn repeat_all(mut frame: Frame, steps: usize) -> Frame {
    let rows = std::mem::take(&mut frame.rows);
    for row in rows {
        let labels = row.labels.clone();
        let one = Frame { steps: 1, rows: vec![row], held: Vec::new() }.repeat(steps);
        frame.rows.push(one.rows.into_iter().next().unwrap_or_else(|| Row::empty(labels, steps)));
    }
    frame.steps = steps;
    frame
}

/// The points of `row` as samples of a subquery. `times` is shared by all rows that have no gap.
pub(super) fn row_samples(row: &Row, times: &Arc<Vec<i64>>, s: &Subquery, grid: Grid) -> Samples {
    let inner = s.grid(grid);
    let histograms = row
        .histograms
        .iter()
        .flat_map(|h| h.iter().enumerate())
        .filter_map(|(i, h)| h.as_ref().map(|h| (inner.time(i), Arc::clone(h))))
        .collect();
    let floats = if row.present.is_full() {
        FloatColumn { timestamps: Arc::clone(times), values: row.values.clone() }
    } else {
        FloatColumn {
            timestamps: Arc::new(row.present.ones().map(|i| inner.time(i)).collect()),
            values: row.present.ones().map(|i| row.values[i]).collect(),
        }
    };
    Samples { floats, histograms }
}
