//! Aggregations: on a shard into partial states, at the coordinator into values.

use super::Context;
use super::frame::{Frame, Row, same_labels};
use super::pick::pick;
use super::state::Groups;
use super::stream::Stream;
use super::tally::{add_counts, count_values, quantiles};
use crate::ast::AggregateOp;
use crate::error::Error;
use crate::notes::Notes;
use crate::plan::{Aggregate, Grid, Grouping};
use plimsoll_model::{Labels, METRIC_NAME};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What a shard sends of an aggregation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reduced {
    pub(super) body: Body,
    /// The rows that were aggregated, when they may be equal to rows of other shards: that is an error.
    pub(super) seen: Vec<Seen>,
}

/// States or rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// States of groups.
    Groups(Groups),
    /// The rows that may be part of the result (`topk` and its kin), or counts (`count_values`).
    Rows(Frame),
}

/// A row: its labels' fingerprint, its first and its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Seen(u128, u32, u32);

impl Seen {
    /// `None` for a row without samples.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let presence = row.presence();
        let first = presence.ones().next()?;
        let last = presence.ones().last()?;
        Some(Self(row.labels.fingerprint(), first as u32, last as u32))
    }
}

impl Context<'_> {
    /// An aggregation of rows that are here.
    pub(super) fn aggregate(&self, a: &Aggregate, grid: Grid) -> Result<Frame, Error> {
        let params = self.params(a, grid)?;
        let frame = self.frame(&a.input, grid)?;
        let mut notes = Notes::default();
        let out = if a.op == AggregateOp::Quantile {
            quantiles(a, &params, &frame, &mut notes)
        } else {
            let reduced = reduce(a, &params, frame, grid, &mut notes);
            finish(a, &params, vec![reduced], grid, &mut notes)
        };
        self.note(notes);
        self.check_budget(out)
    }

    /// The states of a shard.
    pub(super) fn reduce_leaf(&self, a: &Aggregate, grid: Grid) -> Result<Reduced, Error> {
        let params = self.params(a, grid)?;
        if let Some(stream) = Stream::of(&a.input).filter(|_| grid.steps > 0) {
            return self.reduce_stream(a, &params, &stream, grid);
        }
        let frame = self.frame(&a.input, grid)?;
        let mut notes = Notes::default();
        let body = reduce(a, &params, frame, grid, &mut notes);
        self.note(notes);
        Ok(Reduced { body, seen: Vec::new() })
    }

    /// Joins what the shards sent.
    pub(super) fn finish_leaf(&self, a: &Aggregate, parts: Vec<Reduced>, grid: Grid) -> Result<Frame, Error> {
        let params = self.params(a, grid)?;
        let mut notes = Notes::default();
        let mut seen = Vec::new();
        let bodies = parts.into_iter().map(|mut part| {
            seen.append(&mut part.seen);
            part.body
        });
        let bodies = bodies.collect();
        seen.sort_unstable();
        if seen.windows(2).any(|w| w[0].0 == w[1].0 && w[1].1 <= w[0].2) {
            return Err(same_labels());
        }
        let out = finish(a, &params, bodies, grid, &mut notes);
        self.note(notes);
        self.check_budget(out)
    }

    fn check_budget(&self, mut frame: Frame) -> Result<Frame, Error> {
        frame.held.push(self.budget.hold(frame.rows.len() * frame.steps, 9)?);
        Ok(frame)
    }
}

/// Whether the aggregation has states rather than rows.
pub(super) fn is_state(op: AggregateOp) -> bool {
    !op.keeps_series() && !matches!(op, AggregateOp::CountValues | AggregateOp::Quantile)
}

pub(super) fn empty(op: AggregateOp, grid: Grid) -> Body {
    if is_state(op) {
        Body::Groups(Groups::new(op, grid.steps, Vec::new()))
    } else {
        Body::Rows(Frame::new(grid.steps))
    }
}

/// The group number of each row, and the labels of the groups.
pub(super) fn group_rows(grouping: &Grouping, rows: &[Row]) -> (Vec<usize>, Vec<Labels>) {
    let mut keys: HashMap<Labels, usize> = HashMap::new();
    let mut labels = Vec::new();
    let of_row = rows
        .iter()
        .map(|row| {
            *keys.entry(grouping.key(&row.labels)).or_insert_with_key(|key| {
                labels.push(key.clone());
                labels.len() - 1
            })
        })
        .collect();
    (of_row, labels)
}

/// Reduces rows to what must be sent of them.
pub(super) fn reduce(a: &Aggregate, params: &[f64], frame: Frame, grid: Grid, notes: &mut Notes) -> Body {
    if a.op == AggregateOp::CountValues {
        return Body::Rows(count_values(a, &frame, grid));
    }
    if !is_state(a.op) {
        return Body::Rows(pick(a, params, frame, notes));
    }
    let (of_row, labels) = group_rows(&a.grouping, &frame.rows);
    let mut groups = Groups::new(a.op, grid.steps, labels);
    for (row, group) in frame.rows.iter().zip(of_row) {
        let name = row.labels.get(METRIC_NAME).unwrap_or("");
        groups.add(group, row, name, a.input_span, notes);
    }
    Body::Groups(groups)
}

pub(super) fn join(
    a: &Aggregate,
    params: &[f64],
    mut parts: Vec<Body>,
    grid: Grid,
    notes: &mut Notes,
) -> Body {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut frame = Frame::new(grid.steps);
    let mut groups: Option<Groups> = None;
    for part in parts {
        match (part, &mut groups) {
            (Body::Groups(more), Some(groups)) => groups.join(more, a.input_span, notes),
            (Body::Groups(first), none) => *none = Some(first),
            (Body::Rows(mut more), _) => {
                frame.rows.append(&mut more.rows);
                frame.held.append(&mut more.held);
            }
        }
    }
    match groups {
        Some(groups) => Body::Groups(groups),
        None if a.op == AggregateOp::CountValues => Body::Rows(add_counts(frame)),
        None => Body::Rows(pick(a, params, frame, notes)),
    }
}

fn finish(a: &Aggregate, params: &[f64], parts: Vec<Body>, grid: Grid, notes: &mut Notes) -> Frame {
    match join(a, params, parts, grid, notes) {
        Body::Groups(groups) => groups.finish(a.input_span, notes),
        Body::Rows(frame) => frame,
    }
}
