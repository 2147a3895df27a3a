//! Aggregations: on a shard into partial states, at the coordinator into values.

use super::Context;
use super::frame::{Frame, Row};
use super::state::Groups;
use super::stream::{Block, Stream};
use crate::ast::{AggregateOp, Span};
use crate::error::Error;
use crate::format::{format_general, format_plain};
use crate::hist;
use crate::notes::Notes;
use crate::plan::{Aggregate, Grid, Grouping};
use crate::source::is_metadata;
use plimsoll_model::{Labels, METRIC_NAME};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What a shard sends of an aggregation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reduced {
    /// States of groups.
    Groups(Groups),
    /// The rows that may be part of the result (`topk` and its kin), or counts (`count_values`).
    Rows(Frame),
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
        let streamed = Stream::of(&a.input).filter(|_| grid.steps > 0);
        let Some(stream) = streamed else {
            let frame = self.frame(&a.input, grid)?;
            let mut notes = Notes::default();
            let reduced = reduce(a, &params, frame, grid, &mut notes);
            self.note(notes);
            return Ok(reduced);
        };
        self.reduce_stream(a, &params, &stream, grid)
    }

    fn reduce_stream(
        &self,
        a: &Aggregate,
        params: &[f64],
        stream: &Stream<'_>,
        grid: Grid,
    ) -> Result<Reduced, Error> {
        let selection = self.open(stream, &a.input, grid)?;
        let size = Self::block_size(grid);
        let states = is_state(a.op);
        // Groups can be told before labels are built when nothing on the way changes what they are told by.
        let by_stored = a.grouping.without || !a.grouping.labels.iter().any(|l| is_metadata(l));
        let unlabelled = states && !stream.relabels && by_stored && stream.name().is_some();
        let grouped = unlabelled.then(|| selection.groups(&a.grouping));
        let blocks = selection.len().div_ceil(size);
        // A run of blocks shares one state, so that states stay few; the runs are joined in order.
        let runs = blocks.min(4 * rayon::current_num_threads().max(1));
        let results: Vec<Reduced> = (0..runs)
            .into_par_iter()
            .map(|run| {
                let mut notes = Notes::default();
                let mut out = grouped
                    .as_ref()
                    .map(|(_, labels)| Reduced::Groups(Groups::new(a.op, grid.steps, labels.clone())));
                let columns = grouped.as_ref().map_or(0, |(_, labels)| labels.len());
                let _held = self.budget.hold(columns * grid.steps, 25)?;
                for b in run * blocks / runs..(run + 1) * blocks / runs {
                    let which = b * size..((b + 1) * size).min(selection.len());
                    let block = Block {
                        selection: selection.as_ref(),
                        which: which.clone(),
                        labelled: !unlabelled,
                        name: stream.name().unwrap_or(""),
                    };
                    let frame = self.eval_block(&a.input, grid, &block)?;
                    let _rows = self.budget.hold(frame.rows.len() * grid.steps, 9)?;
                    match (&mut out, &grouped) {
                        (Some(Reduced::Groups(groups)), Some((of_series, _))) => {
                            for (row, series) in frame.rows.iter().zip(which) {
                                let group = of_series[series] as usize;
                                groups.add(group, row, block.name, a.input_span, &mut notes);
                            }
                        }
                        _ => {
                            let part = reduce(a, params, frame, grid, &mut notes);
                            out = Some(match out {
                                None => part,
                                Some(before) => join(a, params, vec![before, part], grid, &mut notes),
                            });
                        }
                    }
                }
                self.note(notes);
                Ok(out.unwrap_or_else(|| empty(a.op, grid)))
            })
            .collect::<Result<_, Error>>()?;
        let mut notes = Notes::default();
        let mut results = results.into_iter();
        let mut out = results.next().unwrap_or_else(|| empty(a.op, grid));
        for part in results {
            out = match (out, part) {
                (Reduced::Groups(mut groups), Reduced::Groups(more)) if unlabelled => {
                    groups.join_aligned(more, a.input_span, &mut notes);
                    Reduced::Groups(groups)
                }
                (before, part) => join(a, params, vec![before, part], grid, &mut notes),
            };
        }
        self.note(notes);
        Ok(out)
    }

    /// Joins what the shards sent.
    pub(super) fn finish_leaf(&self, a: &Aggregate, parts: Vec<Reduced>, grid: Grid) -> Result<Frame, Error> {
        let params = self.params(a, grid)?;
        let mut notes = Notes::default();
        let out = finish(a, &params, parts, grid, &mut notes);
        self.note(notes);
        self.check_budget(out)
    }

    fn check_budget(&self, mut frame: Frame) -> Result<Frame, Error> {
        frame.held.push(self.budget.hold(frame.rows.len() * frame.steps, 9)?);
        Ok(frame)
    }

    /// The parameter at each step, checked.
    fn params(&self, a: &Aggregate, grid: Grid) -> Result<Vec<f64>, Error> {
        let Some(param) = &a.param else { return Ok(Vec::new()) };
        let values = self.scalars(param, grid)?;
        let fail = |text: String| Err(Error::Evaluation(text));
        let nan = values.iter().any(|v| v.is_nan());
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        match a.op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk if greatest >= 1.0 || nan => {
                if nan {
                    return fail("Parameter value is NaN".into());
                }
                if least <= i64::MIN as f64 {
                    return fail(format!("Scalar value {} underflows int64", format_general(least)));
                }
                if greatest >= i64::MAX as f64 {
                    return fail(format!("Scalar value {} overflows int64", format_general(greatest)));
                }
            }
            AggregateOp::LimitRatio if nan => return fail("Ratio value is NaN".into()),
            AggregateOp::LimitRatio => self.note_with(|notes| {
                for (bad, to) in [(greatest > 1.0, 1.0), (least < -1.0, -1.0)] {
                    let value = if to > 0.0 { greatest } else { least };
                    if bad {
                        let text = "ratio value should be between -1 and 1, got";
                        let (value, to) = (format_general(value), format_general(to));
                        notes.warn(a.param_span, format!("{text} {value}, capping to {to}"));
                    }
                }
            }),
            AggregateOp::Quantile => self.note_with(|notes| {
                if nan {
                    notes.invalid_quantile(a.param_span, f64::NAN);
                }
                if greatest > 1.0 {
                    notes.invalid_quantile(a.param_span, greatest);
                }
                if least < 0.0 {
                    notes.invalid_quantile(a.param_span, least);
                }
            }),
            _ => {}
        }
        Ok(values)
    }
}

/// Whether the aggregation has states rather than rows.
fn is_state(op: AggregateOp) -> bool {
    !op.keeps_series() && !matches!(op, AggregateOp::CountValues | AggregateOp::Quantile)
}

fn empty(op: AggregateOp, grid: Grid) -> Reduced {
    if is_state(op) {
        Reduced::Groups(Groups::new(op, grid.steps, Vec::new()))
    } else {
        Reduced::Rows(Frame::new(grid.steps))
    }
}

/// The group number of each row, and the labels of the groups.
fn group_rows(grouping: &Grouping, rows: &[Row]) -> (Vec<usize>, Vec<Labels>) {
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
fn reduce(a: &Aggregate, params: &[f64], frame: Frame, grid: Grid, notes: &mut Notes) -> Reduced {
    if a.op == AggregateOp::CountValues {
        return Reduced::Rows(count_values(a, &frame, grid));
    }
    let (of_row, labels) = group_rows(&a.grouping, &frame.rows);
    if is_state(a.op) {
        let mut groups = Groups::new(a.op, grid.steps, labels);
        for (row, group) in frame.rows.iter().zip(of_row) {
            let name = row.labels.get(METRIC_NAME).unwrap_or("");
            groups.add(group, row, name, a.input_span, notes);
        }
        return Reduced::Groups(groups);
    }
    Reduced::Rows(pick(a.op, a.span, params, frame, &of_row, labels.len(), notes))
}

fn join(a: &Aggregate, params: &[f64], parts: Vec<Reduced>, grid: Grid, notes: &mut Notes) -> Reduced {
    let mut frame = Frame::new(grid.steps);
    let mut groups: Option<Groups> = None;
    for part in parts {
        match (part, &mut groups) {
            (Reduced::Groups(more), Some(groups)) => groups.join(more, a.input_span, notes),
            (Reduced::Groups(first), none) => *none = Some(first),
            (Reduced::Rows(mut more), _) => {
                frame.rows.append(&mut more.rows);
                frame.held.append(&mut more.held);
            }
        }
    }
    if let Some(groups) = groups {
        return Reduced::Groups(groups);
    }
    if a.op == AggregateOp::CountValues {
        return Reduced::Rows(add_counts(frame));
    }
    let (of_row, labels) = group_rows(&a.grouping, &frame.rows);
    Reduced::Rows(pick(a.op, a.span, params, frame, &of_row, labels.len(), notes))
}

fn finish(a: &Aggregate, params: &[f64], parts: Vec<Reduced>, grid: Grid, notes: &mut Notes) -> Frame {
    match join(a, params, parts, grid, notes) {
        Reduced::Groups(groups) => groups.finish(a.input_span, notes),
        Reduced::Rows(frame) => frame,
    }
}

/// The samples that `topk`, `bottomk`, `limitk` and `limit_ratio` keep. Picking from what was picked before
/// gives the same, so shards pick first.
fn pick(
    op: AggregateOp,
    span: Span,
    params: &[f64],
    mut frame: Frame,
    of_row: &[usize],
    groups: usize,
    notes: &mut Notes,
) -> Frame {
    if op == AggregateOp::LimitRatio {
        for row in &mut frame.rows {
            let offset = sample_offset(&row.labels);
            retain(row, |step| is_sampled(params[step].clamp(-1.0, 1.0), offset));
        }
        frame.rows.retain(|r| !r.is_empty());
        return frame;
    }
    if op != AggregateOp::Limitk {
        for row in &mut frame.rows {
            if row.histograms.take().is_some_and(|h| h.iter().any(Option::is_some)) {
                notes.ignored_in_aggregation(span, op.name());
            }
        }
    }
    let mut order: Vec<usize> = (0..frame.rows.len()).collect();
    order.sort_by(|a, b| frame.rows[*a].labels.cmp(&frame.rows[*b].labels));
    let mut kept: Vec<super::bits::Bits> =
        frame.rows.iter().map(|_| super::bits::Bits::none(frame.steps)).collect();
    let mut ranks: Vec<Vec<usize>> = Vec::with_capacity(groups);
    for group in 0..groups {
        let members = order.iter().copied().filter(|i| of_row[*i] == group);
        let mut best = Best::new(op, params);
        for i in members {
            best.offer(i, &frame.rows[i]);
        }
        for (step, rows) in best.kept.iter().enumerate() {
            rows.iter().for_each(|(_, i)| kept[*i].set(step));
        }
        ranks.push(best.kept.first().map_or(Vec::new(), |rows| rows.iter().map(|(_, i)| *i).collect()));
    }
    for (row, kept) in frame.rows.iter_mut().zip(&kept) {
        row.present.intersect(kept);
        for (step, h) in row.histograms.iter_mut().flat_map(|h| h.iter_mut().enumerate()) {
            if !kept.get(step) {
                *h = None;
            }
        }
    }
    if frame.steps == 1 && !ranks.is_empty() {
        let rank: HashMap<usize, usize> =
            ranks.iter().flatten().enumerate().map(|(at, row)| (*row, at)).collect();
        let mut rows: Vec<(usize, Row)> = frame
            .rows
            .into_iter()
            .enumerate()
            .filter_map(|(i, row)| rank.get(&i).map(|at| (*at, row)))
            .collect();
        rows.sort_by_key(|(at, _)| *at);
        frame.rows = rows.into_iter().map(|(_, row)| row).collect();
    }
    frame.rows.retain(|r| !r.is_empty());
    frame
}

/// The best rows of a group at each step, the best one first. NaN is worse than all; of equal values the one that
/// was offered first stays.
struct Best {
    op: AggregateOp,
    k: Vec<usize>,
    kept: Vec<Vec<(f64, usize)>>,
    /// The value that a row must beat at each step; NaN while there is room.
    least: Vec<f64>,
}

/// Steps that are skipped together when nothing in them beats what is kept.
const TILE: usize = 8;

impl Best {
    fn new(op: AggregateOp, params: &[f64]) -> Self {
        let k: Vec<usize> = params.iter().map(|k| k.max(0.0) as usize).collect();
        Self { op, kept: vec![Vec::new(); k.len()], least: vec![f64::NAN; k.len()], k }
    }

    fn offer(&mut self, i: usize, row: &Row) {
        if self.op == AggregateOp::Limitk {
            for step in 0..self.k.len() {
                if self.kept[step].len() < self.k[step] && row.has(step) {
                    self.kept[step].push((0.0, i));
                }
            }
            return;
        }
        // Of `bottomk` the values are turned round, so that the greatest is always the best.
        let sign = if self.op == AggregateOp::Bottomk { -1.0 } else { 1.0 };
        let steps = self.k.len();
        for from in (0..steps).step_by(TILE) {
            let tile = from..(from + TILE).min(steps);
            let pairs = row.values[tile.clone()].iter().zip(&self.least[tile.clone()]);
            // A comparison with NaN is false: so whatever is not known to be worse is looked at.
            let worse = pairs.fold(true, |all, (v, least)| all & (v * sign <= *least));
            if !worse {
                for step in tile.filter(|step| row.present.get(*step)) {
                    self.insert(step, row.values[step] * sign, i);
                }
            }
        }
    }

    fn insert(&mut self, step: usize, v: f64, i: usize) {
        let (kept, k) = (&mut self.kept[step], self.k[step]);
        let beats = |other: f64| v > other || other.is_nan() && !v.is_nan();
        if k == 0 || kept.len() == k && !beats(kept[k - 1].0) {
            return;
        }
        if kept.len() == k {
            kept.pop();
        }
        let at = kept.partition_point(|(other, _)| !beats(*other));
        kept.insert(at, (v, i));
        if kept.len() == k {
            self.least[step] = kept[k - 1].0;
        }
    }
}

fn retain(row: &mut Row, keep: impl Fn(usize) -> bool) {
    for step in 0..row.values.len() {
        if !keep(step) {
            row.present.clear(step);
            if let Some(h) = &mut row.histograms {
                h[step] = None;
            }
        }
    }
}

/// Where a series lies between 0 and 1: a hash of its labels.
fn sample_offset(labels: &Labels) -> f64 {
    xxhash_rust::xxh3::xxh3_64(labels.as_bytes()) as f64 / u64::MAX as f64
}

fn is_sampled(ratio: f64, offset: f64) -> bool {
    ratio >= 0.0 && offset < ratio || ratio < 0.0 && offset >= 1.0 + ratio
}

/// How often each value occurs.
fn count_values(a: &Aggregate, frame: &Frame, grid: Grid) -> Frame {
    let mut grouping = a.grouping.clone();
    if !grouping.without {
        grouping.labels.push(a.label.clone());
        grouping.labels.sort_unstable();
        grouping.labels.dedup();
    }
    let mut index: HashMap<Labels, usize> = HashMap::new();
    let mut out = Frame::new(grid.steps);
    for row in &frame.rows {
        let mut last: Option<(u64, usize)> = None;
        for step in 0..grid.steps {
            let (text, bits) = match (row.float(step), row.histogram(step)) {
                (Some(v), _) => (None, Some(v.to_bits())),
                (None, Some(h)) => (Some(hist::text(h)), None),
                (None, None) => continue,
            };
            let at = match (last, bits) {
                (Some((before, at)), Some(bits)) if before == bits => at,
                _ => {
                    let text = text.unwrap_or_else(|| format_plain(row.values[step]));
                    let key = grouping.key(&row.labels.with(&a.label, &text));
                    *index.entry(key).or_insert_with_key(|key| {
                        out.rows.push(Row::empty(key.clone(), grid.steps));
                        out.rows.len() - 1
                    })
                }
            };
            last = bits.map(|bits| (bits, at));
            let counted = &mut out.rows[at];
            counted.set(step, counted.float(step).unwrap_or(0.0) + 1.0);
        }
    }
    out
}

fn add_counts(frame: Frame) -> Frame {
    let mut index: HashMap<Labels, usize> = HashMap::new();
    let mut out = Frame { steps: frame.steps, rows: Vec::new(), held: frame.held };
    for row in frame.rows {
        match index.get(&row.labels) {
            Some(&at) => {
                let total = &mut out.rows[at];
                for step in row.present.ones() {
                    total.set(step, total.float(step).unwrap_or(0.0) + row.values[step]);
                }
            }
            None => {
                index.insert(row.labels.clone(), out.rows.len());
                out.rows.push(row);
            }
        }
    }
    out
}

/// `quantile` over rows: a group's values of a step are gathered and sorted.
fn quantiles(a: &Aggregate, params: &[f64], frame: &Frame, notes: &mut Notes) -> Frame {
    let (of_row, labels) = group_rows(&a.grouping, &frame.rows);
    let mut members: Vec<Vec<&Row>> = vec![Vec::new(); labels.len()];
    for (row, group) in frame.rows.iter().zip(of_row) {
        if row.histograms.as_ref().is_some_and(|h| h.iter().any(Option::is_some)) {
            notes.ignored_in_aggregation(a.input_span, a.op.name());
        }
        members[group].push(row);
    }
    let rows = labels.into_par_iter().zip(members).map(|(labels, members)| {
        let mut out = Row::empty(labels, frame.steps);
        out.drop_name = members.iter().any(|m| m.drop_name);
        let mut values = Vec::with_capacity(members.len());
        for step in 0..frame.steps {
            values.clear();
            values.extend(members.iter().filter_map(|m| m.float(step)));
            if !values.is_empty() {
                out.set(step, super::kernels::quantile(params[step], &values));
            }
        }
        out
    });
    let mut out = Frame { steps: frame.steps, rows: rows.collect(), held: Vec::new() };
    out.rows.retain(|r| !r.is_empty());
    out
}
