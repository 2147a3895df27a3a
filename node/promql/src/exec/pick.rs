//! Aggregations that keep series: `topk`, `bottomk`, `limitk`, `limit_ratio`.
//!
//! Picking from what was picked before gives the same, so blocks and shards pick first and the coordinator picks
//! again. Of equal values the one that comes first stays: by labels within a block, then by block and shard.

use super::aggregate::group_rows;
use super::bits::Bits;
use super::frame::{Frame, Row};
use crate::ast::AggregateOp;
use crate::notes::Notes;
use crate::plan::Aggregate;
use plimsoll_model::Labels;
use std::collections::HashMap;

/// The samples of `frame` that are kept; of one step in order of their rank.
pub(super) fn pick(a: &Aggregate, params: &[f64], mut frame: Frame, notes: &mut Notes) -> Frame {
    if a.op == AggregateOp::LimitRatio {
        for row in &mut frame.rows {
            let offset = sample_offset(&row.labels);
            retain(row, |step| is_sampled(params[step].clamp(-1.0, 1.0), offset));
        }
        frame.rows.retain(|r| !r.is_empty());
        return frame;
    }
    let steps = frame.steps;
    let mut picker = Picker::new(a.op, params);
    picker.offer_all(a, frame, notes);
    picker.finish(steps)
}

/// Collects the best samples of rows that come in blocks.
pub(super) struct Picker {
    op: AggregateOp,
    k: Vec<usize>,
    groups: HashMap<Labels, usize>,
    best: Vec<Best>,
    /// Rows of which a sample was kept at least for a while.
    rows: Vec<Row>,
}

impl Picker {
    pub(super) fn new(op: AggregateOp, params: &[f64]) -> Self {
        let k = params.iter().map(|k| k.max(0.0) as usize).collect();
        Self { op, k, groups: HashMap::new(), best: Vec::new(), rows: Vec::new() }
    }

    /// Rows held so far.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn offer_all(&mut self, a: &Aggregate, mut frame: Frame, notes: &mut Notes) {
        frame.rows.sort_by(|a, b| a.labels.cmp(&b.labels));
        let (of_row, labels) = group_rows(&a.grouping, &frame.rows);
        let groups: Vec<usize> = labels
            .into_iter()
            .map(|labels| {
                let next = self.groups.len();
                let at = *self.groups.entry(labels).or_insert(next);
                if at == self.best.len() {
                    self.best.push(Best::new(self.k.len()));
                }
                at
            })
            .collect();
        for (mut row, group) in frame.rows.into_iter().zip(of_row) {
            if self.op != AggregateOp::Limitk
                && row.histograms.take().is_some_and(|h| h.iter().any(Option::is_some))
            {
                notes.ignored_in_aggregation(a.span, a.op.name());
            }
            if self.best[groups[group]].offer(self.op, &self.k, self.rows.len(), &row) {
                self.rows.push(row);
            }
        }
    }

    /// What was kept.
    pub(super) fn finish(self, steps: usize) -> Frame {
        let mut kept: Vec<Bits> = self.rows.iter().map(|_| Bits::none(steps)).collect();
        for (step, row) in self.best.iter().flat_map(Best::entries) {
            kept[row].set(step);
        }
        let mut rows: Vec<Option<Row>> = self.rows.into_iter().map(Some).collect();
        for (row, kept) in rows.iter_mut().zip(&kept) {
            let Some(r) = row else { continue };
            r.present.intersect(kept);
            for (step, h) in r.histograms.iter_mut().flat_map(|h| h.iter_mut().enumerate()) {
                if !kept.get(step) {
                    *h = None;
                }
            }
            if r.is_empty() {
                *row = None;
            }
        }
        let mut frame = Frame::new(steps);
        if steps == 1 {
            let ranked = self.best.iter().flat_map(Best::entries);
            frame.rows = ranked.filter_map(|(_, row)| rows[row].take()).collect();
        } else {
            frame.rows = rows.into_iter().flatten().collect();
        }
        frame
    }
}

/// The best rows of a group at each step, the best one first. NaN is worse than all.
struct Best {
    kept: Vec<Vec<(f64, usize)>>,
    /// The value that a row must beat at each step; NaN while there is room.
    least: Vec<f64>,
}

/// Steps that are skipped together when nothing in them beats what is kept.
const TILE: usize = 8;

impl Best {
    fn new(steps: usize) -> Self {
        Self { kept: vec![Vec::new(); steps], least: vec![f64::NAN; steps] }
    }

    /// Step and row of all that is kept.
    fn entries(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.kept.iter().enumerate().flat_map(|(step, rows)| rows.iter().map(move |(_, i)| (step, *i)))
    }

    /// Offers the row number `i`; answers whether a sample of it was kept.
    fn offer(&mut self, op: AggregateOp, k: &[usize], i: usize, row: &Row) -> bool {
        let mut any = false;
        if op == AggregateOp::Limitk {
            for (step, (kept, k)) in self.kept.iter_mut().zip(k).enumerate() {
                if kept.len() < *k && row.has(step) {
                    kept.push((0.0, i));
                    any = true;
                }
            }
            return any;
        }
        // Of `bottomk` the values are turned round, so that the greatest is always the best.
        let sign = if op == AggregateOp::Bottomk { -1.0 } else { 1.0 };
        let steps = k.len();
        for from in (0..steps).step_by(TILE) {
            let tile = from..(from + TILE).min(steps);
            let pairs = row.values[tile.clone()].iter().zip(&self.least[tile.clone()]);
            // A comparison with NaN is false: so whatever is not known to be worse is looked at.
            let worse = pairs.fold(true, |all, (v, least)| all & (v * sign <= *least));
            if !worse {
                for step in tile.filter(|step| row.present.get(*step)) {
                    any |= self.insert(step, row.values[step] * sign, i, k[step]);
                }
            }
        }
        any
    }

    fn insert(&mut self, step: usize, v: f64, i: usize, k: usize) -> bool {
        let kept = &mut self.kept[step];
        let beats = |other: f64| v > other || other.is_nan() && !v.is_nan();
        if k == 0 || kept.len() == k && !beats(kept[k - 1].0) {
            return false;
        }
        if kept.len() == k {
            kept.pop();
        }
        let at = kept.partition_point(|(other, _)| !beats(*other));
        kept.insert(at, (v, i));
        if kept.len() == k {
            self.least[step] = kept[k - 1].0;
        }
        true
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
