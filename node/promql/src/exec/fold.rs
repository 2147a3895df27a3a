//! Aggregation of a stream: blocks of series are reduced as they come, so that their rows are never held together.

use super::Context;
use super::aggregate::{Body, Reduced, Seen, empty, is_state, join, reduce};
use super::frame::Frame;
use super::pick::Picker;
use super::state::Groups;
use super::stream::{Block, Stream};
use crate::ast::AggregateOp;
use crate::budget::Held;
use crate::error::Error;
use crate::notes::Notes;
use crate::plan::{Aggregate, Grid};
use crate::source::{Selection, is_metadata};
use plimsoll_model::Labels;
use rayon::prelude::*;
use std::ops::Range;

/// What all runs of blocks share.
struct Fold<'f> {
    a: &'f Aggregate,
    params: &'f [f64],
    grid: Grid,
    selection: &'f dyn Selection,
    name: &'f str,
    /// The group of each series, when it is known without the labels of rows.
    grouped: Option<(Vec<u32>, Vec<Labels>)>,
    /// Whether rows may have become equal on the way.
    collides: bool,
}

/// The state of a run of blocks.
enum Folded {
    /// Groups that stand at the same places in all runs.
    Aligned(Groups),
    Picked(Picker),
    Other(Body),
}

impl Folded {
    /// Rows that are kept from block to block.
    fn rows(&self) -> usize {
        match self {
            Self::Aligned(_) => 0,
            Self::Picked(picker) => picker.len(),
            Self::Other(Body::Rows(frame)) => frame.rows.len(),
            // The columns of a group are those of three rows.
            Self::Other(Body::Groups(groups)) => 3 * groups.groups.len(),
        }
    }
}

/// What a run of blocks came to.
struct Run {
    state: Folded,
    seen: Vec<Seen>,
    _held: Vec<Held>,
}

impl Context<'_> {
    pub(super) fn reduce_stream(
        &self,
        a: &Aggregate,
        params: &[f64],
        stream: &Stream<'_>,
        grid: Grid,
    ) -> Result<Reduced, Error> {
        let selection = self.open(stream, &a.input, grid)?;
        // Groups can be told before labels are built when nothing on the way changes what they are told by.
        let by_stored = a.grouping.without || !a.grouping.labels.iter().any(|l| is_metadata(l));
        let unlabelled = is_state(a.op) && !stream.relabels && by_stored && stream.name().is_some();
        let fold = Fold {
            a,
            params,
            grid,
            selection: selection.as_ref(),
            name: stream.name().unwrap_or(""),
            grouped: unlabelled.then(|| selection.groups(&a.grouping)),
            collides: stream.relabels || !self.delayed() && stream.name().is_none(),
        };
        let size = Self::block_size(grid);
        let blocks = selection.len().div_ceil(size);
        // A run of blocks shares one state, so that states stay few; the runs are joined in order.
        // What is picked gets rarer the longer a run is.
        let per_thread = if a.op.keeps_series() { 1 } else { 4 };
        let runs = blocks.min(per_thread * rayon::current_num_threads().max(1));
        let results = (0..runs)
            .into_par_iter()
            .map(|run| {
                let blocks = run * blocks / runs..(run + 1) * blocks / runs;
                let blocks = blocks.map(|b| b * size..((b + 1) * size).min(fold.selection.len()));
                self.fold_run(&fold, blocks)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        self.join_runs(&fold, results)
    }

    fn fold_run(&self, fold: &Fold<'_>, blocks: impl Iterator<Item = Range<usize>>) -> Result<Run, Error> {
        let (a, steps) = (fold.a, fold.grid.steps);
        let mut notes = Notes::default();
        let (mut seen, mut held) = (Vec::new(), Vec::new());
        let groups = fold.grouped.as_ref().map_or(0, |(_, labels)| labels.len());
        held.push(self.budget.hold(groups * steps, 25)?);
        let mut state = match &fold.grouped {
            Some((_, labels)) => Folded::Aligned(Groups::new(a.op, steps, labels.clone())),
            None if matches!(a.op, AggregateOp::Topk | AggregateOp::Bottomk) => {
                Folded::Picked(Picker::new(a.op, fold.params))
            }
            None => Folded::Other(empty(a.op, fold.grid)),
        };
        for which in blocks {
            let block = Block {
                selection: fold.selection,
                which: which.clone(),
                labelled: fold.grouped.is_none(),
                name: fold.name,
            };
            let frame = self.eval_block(&a.input, fold.grid, &block)?;
            let _rows = self.budget.hold(frame.rows.len() * steps, 9)?;
            if fold.collides {
                seen.extend(frame.rows.iter().filter_map(Seen::of));
            }
            let before = state.rows();
            state = fold.take(state, frame, which, &mut notes);
            let more = state.rows().saturating_sub(before);
            held.push(self.budget.hold(more * steps, 9)?);
        }
        self.note(notes);
        Ok(Run { state, seen, _held: held })
    }

    fn join_runs(&self, fold: &Fold<'_>, runs: Vec<Run>) -> Result<Reduced, Error> {
        let mut notes = Notes::default();
        let mut all_seen = Vec::new();
        let mut aligned: Option<Groups> = None;
        let mut bodies = Vec::new();
        for mut run in runs {
            all_seen.append(&mut run.seen);
            match (run.state, &mut aligned) {
                (Folded::Aligned(more), Some(groups)) => {
                    groups.join_aligned(more, fold.a.input_span, &mut notes);
                }
                (Folded::Aligned(first), none) => *none = Some(first),
                (Folded::Picked(picker), _) => bodies.push(Body::Rows(picker.finish(fold.grid.steps))),
                (Folded::Other(body), _) => bodies.push(body),
            }
        }
        let body = match aligned {
            Some(groups) => Body::Groups(groups),
            None if bodies.is_empty() => empty(fold.a.op, fold.grid),
            None => join(fold.a, fold.params, bodies, fold.grid, &mut notes),
        };
        self.note(notes);
        Ok(Reduced { body, seen: all_seen })
    }
}

impl Fold<'_> {
    /// Takes the rows of a block into the state.
    fn take(&self, state: Folded, frame: Frame, which: Range<usize>, notes: &mut Notes) -> Folded {
        match (state, &self.grouped) {
            (Folded::Aligned(mut groups), Some((of_series, _))) => {
                for (row, series) in frame.rows.iter().zip(which) {
                    let group = of_series[series] as usize;
                    groups.add(group, row, self.name, self.a.input_span, notes);
                }
                Folded::Aligned(groups)
            }
            (Folded::Picked(mut picker), _) => {
                picker.offer_all(self.a, frame, notes);
                Folded::Picked(picker)
            }
            (Folded::Other(before), _) => {
                let part = reduce(self.a, self.params, frame, self.grid, notes);
                Folded::Other(join(self.a, self.params, vec![before, part], self.grid, notes))
            }
            (state, None) => state,
        }
    }
}
