//! The leaf part of a plan, which runs on a shard, and the merge part, which joins what the shards answered.

use super::absent::presence_of;
use super::aggregate::Reduced;
use super::answer::{Answer, RangeSeries, Stats, Value, matrix_of, vector_of};
use super::bits::Bits;
use super::frame::{Frame, Value as Computed, without_metadata};
use super::{Context, Node};
use crate::ast::Type;
use crate::budget::Budget;
use crate::error::Error;
use crate::notes::Notes;
use crate::plan::{Plan, Work};
use crate::source::Source;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a shard answers to a plan: one part for each leaf. It can be serialised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    parts: Vec<Part>,
    notes: Notes,
    samples_read: u64,
    series: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Part {
    Rows(Frame),
    Groups(Reduced),
    Presence(Bits),
    Raw(Vec<RangeSeries>),
}

/// The joined answers of all shards to a leaf.
pub(super) enum Joined {
    Rows(Frame),
    Presence(Bits),
    Raw(Vec<RangeSeries>),
}

/// A joined answer and how many operators read it.
pub(super) struct Slot {
    uses: u32,
    joined: Mutex<Joined>,
}

impl Plan {
    /// Carries out the leaf part on one shard.
    pub fn leaf(&self, source: &dyn Source, budget: &Budget) -> Result<Partial, Error> {
        let context = Context {
            source: Some(source),
            leaves: Vec::new(),
            options: self.options,
            budget,
            notes: Mutex::default(),
            read: AtomicU64::new(0),
            selected: AtomicU64::new(0),
        };
        let mut parts = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            parts.push(match &leaf.work {
                Work::Rows(node) => Part::Rows(context.frame(node, leaf.grid)?),
                Work::Groups(a) => Part::Groups(context.reduce_leaf(a, leaf.grid)?),
                Work::Presence(node) => Part::Presence(presence_of(&context.frame(node, leaf.grid)?)),
                Work::Raw(select, range) => Part::Raw(context.raw(select, *range, leaf.grid)?),
            });
        }
        let samples_read = context.read.load(Ordering::Relaxed);
        let series = context.selected.load(Ordering::Relaxed);
        Ok(Partial { parts, notes: context.into_notes(), samples_read, series })
    }

    /// Joins what the shards answered, in any number but in a fixed order for the same sums to the last bit.
    pub fn merge(&self, partials: Vec<Partial>, budget: &Budget) -> Result<Answer, Error> {
        let mut notes = Notes::default();
        let mut by_leaf: Vec<Vec<Part>> = self.leaves.iter().map(|_| Vec::new()).collect();
        let mut stats = Stats::default();
        for partial in partials {
            if partial.parts.len() != self.leaves.len() {
                return Err(Error::Evaluation("a shard answered to another plan".into()));
            }
            notes.merge(partial.notes);
            stats.samples_read += partial.samples_read;
            stats.series += partial.series;
            by_leaf.iter_mut().zip(partial.parts).for_each(|(all, part)| all.push(part));
        }
        let mut context = Context {
            source: None,
            leaves: Vec::new(),
            options: self.options,
            budget,
            notes: Mutex::new(notes),
            read: AtomicU64::new(0),
            selected: AtomicU64::new(0),
        };
        for (leaf, parts) in self.leaves.iter().zip(by_leaf) {
            let joined = context.join_leaf(&leaf.work, parts, leaf.grid)?;
            context.leaves.push(Slot { uses: leaf.uses, joined: Mutex::new(joined) });
        }
        let value = context.value(self)?;
        let notes = context.into_notes();
        Ok(Answer::new(value, &notes, &self.text, stats))
    }
}

impl Context<'_> {
    fn join_leaf(&self, work: &Work, parts: Vec<Part>, grid: crate::plan::Grid) -> Result<Joined, Error> {
        let mut frame = Frame::new(grid.steps);
        let mut reduced = Vec::new();
        let mut presence = Bits::none(grid.steps);
        let mut raw = Vec::new();
        for part in parts {
            match part {
                Part::Rows(mut rows) => {
                    frame.rows.append(&mut rows.rows);
                    frame.held.append(&mut rows.held);
                }
                Part::Groups(r) => reduced.push(r),
                Part::Presence(bits) => presence.union(&bits),
                Part::Raw(mut series) => raw.append(&mut series),
            }
        }
        Ok(match work {
            Work::Rows(_) => {
                if frame.held.is_empty() {
                    // The rows came from elsewhere and were not counted here.
                    frame.held.push(self.budget.hold(frame.rows.len() * frame.steps, 9)?);
                }
                frame.unite_equal_rows()?;
                Joined::Rows(frame)
            }
            Work::Groups(a) => Joined::Rows(self.finish_leaf(a, reduced, grid)?),
            Work::Presence(_) => Joined::Presence(presence),
            Work::Raw(..) => {
                raw.sort_by(|a, b| a.labels.cmp(&b.labels));
                Joined::Raw(raw)
            }
        })
    }

    /// The answer of a leaf: itself for its only reader, else a copy.
    fn leaf_answer(&self, at: usize) -> Option<Joined> {
        let slot = self.leaves.get(at)?;
        let mut joined = slot.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.uses == 1 {
            return Some(std::mem::replace(&mut *joined, Joined::Raw(Vec::new())));
        }
        Some(match &*joined {
            Joined::Rows(frame) => Joined::Rows(frame.clone()),
            Joined::Presence(bits) => Joined::Presence(bits.clone()),
            Joined::Raw(series) => Joined::Raw(series.clone()),
        })
    }

    pub(super) fn leaf_rows(&self, at: usize) -> Result<Frame, Error> {
        match self.leaf_answer(at) {
            Some(Joined::Rows(mut frame)) => {
                if frame.held.is_empty() {
                    frame.held.push(self.budget.hold(frame.rows.len() * frame.steps, 9)?);
                }
                Ok(frame)
            }
            _ => Err(Error::Evaluation("a leaf did not answer with rows".into())),
        }
    }

    /// Where there is any sample, when the leaf answered just that.
    pub(super) fn leaf_presence(&self, at: usize) -> Option<Bits> {
        let joined = self.leaves.get(at)?.joined.lock().unwrap_or_else(PoisonError::into_inner);
        match &*joined {
            Joined::Presence(bits) => Some(bits.clone()),
            _ => None,
        }
    }

    pub(super) fn leaf_raw(&self, at: usize) -> Result<Vec<RangeSeries>, Error> {
        match self.leaf_answer(at) {
            Some(Joined::Raw(series)) => Ok(series),
            _ => Err(Error::Evaluation("a leaf did not answer with samples".into())),
        }
    }

    fn value(&self, plan: &Plan) -> Result<Value, Error> {
        let grid = plan.grid;
        match (&plan.root, plan.returns) {
            (Node::Text(text), _) => return Ok(Value::String(grid.start, text.clone())),
            (Node::RawSubquery(s), _) => return Ok(Value::Matrix(sorted(self.raw_subquery(s, grid)?))),
            (Node::Leaf(at), Type::Matrix) => return Ok(Value::Matrix(self.leaf_raw(*at)?)),
            _ => {}
        }
        let computed = self.eval(&plan.root, grid)?;
        Ok(match computed {
            Computed::Scalar(values) if plan.instant => {
                Value::Scalar(grid.start, values.first().copied().unwrap_or(f64::NAN))
            }
            Computed::Scalar(values) => {
                let floats = grid.times().zip(values).collect();
                Value::Matrix(vec![RangeSeries { floats, ..RangeSeries::default() }])
            }
            Computed::Vector(mut frame) => {
                frame.rows.retain(|r| !r.is_empty());
                for row in frame.rows.iter_mut().filter(|r| r.drop_name) {
                    row.labels = without_metadata(&row.labels);
                }
                frame.unite_equal_rows()?;
                if plan.instant {
                    Value::Vector(grid.start, vector_of(frame))
                } else {
                    Value::Matrix(matrix_of(frame, grid))
                }
            }
        })
    }
}

fn sorted(mut series: Vec<RangeSeries>) -> Vec<RangeSeries> {
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}
