//! Carries out a plan: leaves on shards, then what joins them.

mod absent;
mod aggregate;
mod answer;
mod bits;
mod counters;
mod fold;
mod folded;
mod frame;
mod histograms;
mod info;
mod join;
mod join_plan;
mod kernels;
mod labels;
mod leaf;
mod math;
mod params;
mod pick;
mod quantile;
mod range;
mod ranks;
mod rates;
mod raw;
mod select;
mod smoothed;
mod sort;
mod state;
mod stream;
mod tally;
mod window;

pub use answer::{Answer, Point, RangeSeries, Series, Stats, Value};
pub use leaf::Partial;
pub use ranks::{quantile_of_buckets, quantile_of_histogram};

use crate::ast::{BinaryOp, Span};
use crate::budget::Budget;
use crate::error::Error;
use crate::notes::Notes;
use crate::plan::{Grid, Node, Options, Plan};
use crate::source::Source;
use frame::{Frame, Value as Computed};
use rayon::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// Carries out `plan` on `sources`, one for each shard.
pub fn execute(plan: &Plan, sources: &[&dyn Source], budget: &Budget) -> Result<Answer, Error> {
    let partials = match sources {
        [one] => vec![plan.leaf(*one, budget)?],
        many => many.par_iter().map(|s| plan.leaf(*s, budget)).collect::<Result<Vec<_>, _>>()?,
    };
    plan.merge(partials, budget)
}

/// What the operators of one plan share.
pub(crate) struct Context<'a> {
    /// The shard, in a leaf part.
    source: Option<&'a dyn Source>,
    /// The joined answers of the leaves, in a merge part.
    leaves: Vec<leaf::Slot>,
    options: Options,
    budget: &'a Budget,
    notes: Mutex<Notes>,
    read: AtomicU64,
    selected: AtomicU64,
}

impl<'a> Context<'a> {
    fn note(&self, notes: Notes) {
        if !notes.is_empty() {
            self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).merge(notes);
        }
    }

    fn note_with(&self, write: impl FnOnce(&mut Notes)) {
        let mut notes = Notes::default();
        write(&mut notes);
        self.note(notes);
    }

    fn into_notes(self) -> Notes {
        self.notes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn delayed(&self) -> bool {
        self.options.delayed_name_removal
    }

    fn eval(&self, node: &Node, grid: Grid) -> Result<Computed, Error> {
        self.budget.stop.check()?;
        if let Some(stream) = stream::Stream::of(node).filter(|_| self.source.is_some()) {
            return self.stream_rows(&stream, node, grid).map(Computed::Vector);
        }
        let vector = |frame| Ok(Computed::Vector(frame));
        let scalar = |values| Ok(Computed::Scalar(values));
        match node {
            Node::Number(v) => scalar(vec![*v; grid.steps]),
            Node::Time => scalar(grid.times().map(|t| t as f64 / 1000.0).collect()),
            Node::Leaf(at) => self.leaf_rows(*at).map(Computed::Vector),
            Node::Once(inner) => self.once(inner, grid),
            Node::Negate(inner) => match self.eval(inner, grid)? {
                Computed::Scalar(values) => scalar(values.into_iter().map(|v| -v).collect()),
                Computed::Vector(mut frame) => {
                    math::negate(&mut frame, self.delayed());
                    self.united(frame)
                }
            },
            Node::Scalar(inner) => scalar(math::scalar_of(&self.frame(inner, grid)?)),
            Node::Vector(inner) => {
                let values = self.scalars(inner, grid)?;
                vector(math::vector_of(values))
            }
            Node::Extreme(max, a, b) => {
                let (a, b) = (self.scalars(a, grid)?, self.scalars(b, grid)?);
                let pick = if *max { math::go_max } else { math::go_min };
                scalar(a.into_iter().zip(b).map(|(a, b)| pick(a, b)).collect())
            }
            Node::Scalars(op, a, b) => {
                let (a, b) = (self.scalars(a, grid)?, self.scalars(b, grid)?);
                scalar(a.into_iter().zip(b).map(|(a, b)| math::scalar_binary(*op, a, b)).collect())
            }
            Node::Absent(inner, labels) => vector(self.absent(inner, labels, grid)?),
            Node::Sort(inner, by, span) => {
                let mut frame = self.frame(inner, grid)?;
                if grid.steps == 1 {
                    sort::sort(&mut frame, by);
                } else {
                    self.sort_warning(*span);
                    sort::drop_histograms(&mut frame, by);
                }
                vector(frame)
            }
            Node::Date(function, None) => {
                let seconds: Vec<f64> = grid.times().map(|t| (t / 1000) as f64).collect();
                let mut frame = math::vector_of(seconds);
                math::date(*function, &mut frame);
                vector(frame)
            }
            Node::Quantiles(q) => vector(self.quantiles(q, grid)?),
            Node::Fraction(f) => vector(self.fraction(f, grid)?),
            Node::Info(i) => vector(self.info(i, grid)?),
            Node::Join(j) => {
                let (left, right) = (self.frame(&j.left, grid)?, self.frame(&j.right, grid)?);
                vector(self.join(j, left, right, grid)?)
            }
            Node::Aggregate(a) => vector(self.aggregate(a, grid)?),
            Node::Range(call) => vector(self.range_over_frame(call, grid)?),
            Node::LabelReplace(r) => {
                let mut frame = self.frame(&r.input, grid)?;
                labels::replace(r, &mut frame)?;
                frame.unite_equal_rows()?;
                vector(frame)
            }
            Node::LabelJoin(j) => {
                let mut frame = self.frame(&j.input, grid)?;
                labels::join(j, &mut frame)?;
                frame.unite_equal_rows()?;
                vector(frame)
            }
            Node::Select(_) | Node::Timestamp(..) | Node::Raw(..) | Node::RawSubquery(_) => {
                Err(Error::Evaluation("a selector stands outside of a leaf".into()))
            }
            Node::Text(_) => Err(Error::Evaluation("a text has no value at a step".into())),
            _ => self.map_rows(node, grid),
        }
    }

    /// Operators that treat each row by itself.
    fn map_rows(&self, node: &Node, grid: Grid) -> Result<Computed, Error> {
        let inner = match node {
            Node::Math(_, n, _)
            | Node::Date(_, Some(n))
            | Node::EvalTime(n)
            | Node::Nothing(n)
            | Node::HistogramStat(_, n) => n,
            Node::VectorScalar(v) => &v.vector,
            _ => return Err(Error::Evaluation("an operator has no input".into())),
        };
        let mut frame = self.frame(inner, grid)?;
        let args = self.row_args(node, grid)?;
        self.apply(node, &args, &mut frame, grid)?;
        self.united(frame)
    }

    /// The scalar arguments of an operator that treats each row by itself.
    fn row_args(&self, node: &Node, grid: Grid) -> Result<Vec<Vec<f64>>, Error> {
        match node {
            Node::Math(_, _, args) => args.iter().map(|a| self.scalars(a, grid)).collect(),
            Node::VectorScalar(v) => Ok(vec![self.scalars(&v.scalar, grid)?]),
            Node::Range(call) => call.args.iter().map(|a| self.scalars(a, grid)).collect(),
            _ => Ok(Vec::new()),
        }
    }

    /// Carries out an operator that treats each row by itself on rows at hand.
    fn apply(&self, node: &Node, args: &[Vec<f64>], frame: &mut Frame, grid: Grid) -> Result<(), Error> {
        let delayed = self.delayed();
        match node {
            Node::Negate(_) => math::negate(frame, delayed),
            Node::Math(function, ..) => math::map(*function, args, frame, delayed),
            Node::Date(function, _) => {
                math::date(*function, frame);
                frame.rows.iter_mut().for_each(|r| r.lose_name(delayed));
            }
            Node::EvalTime(_) => math::eval_time(frame, grid, delayed),
            Node::Nothing(_) => frame.rows.clear(),
            Node::HistogramStat(stat, _) => math::histogram_stat(*stat, frame, delayed),
            Node::VectorScalar(v) => {
                let mut notes = Notes::default();
                math::vector_scalar(v, &args[0], frame, delayed, &mut notes)?;
                self.note(notes);
            }
            Node::LabelReplace(r) => labels::replace(r, frame)?,
            Node::LabelJoin(j) => labels::join(j, frame)?,
            _ => return Err(Error::Evaluation("an operator is not one of rows".into())),
        }
        Ok(())
    }

    fn once(&self, inner: &Node, grid: Grid) -> Result<Computed, Error> {
        if grid.steps == 0 {
            return Ok(Computed::Vector(Frame::new(0)));
        }
        Ok(match self.eval(inner, Grid { steps: 1, ..grid })? {
            Computed::Scalar(values) => Computed::Scalar(vec![values[0]; grid.steps]),
            Computed::Vector(frame) => {
                let held = self.budget.hold(frame.rows.len() * grid.steps, 9)?;
                let mut frame = frame.repeat(grid.steps);
                frame.held.push(held);
                Computed::Vector(frame)
            }
        })
    }

    fn frame(&self, node: &Node, grid: Grid) -> Result<Frame, Error> {
        self.eval(node, grid)?.vector()
    }

    fn scalars(&self, node: &Node, grid: Grid) -> Result<Vec<f64>, Error> {
        self.eval(node, grid)?.scalar()
    }

    /// Names may have been dropped: rows that became equal are joined, or are an error.
    fn united(&self, mut frame: Frame) -> Result<Computed, Error> {
        if !self.delayed() {
            frame.unite_equal_rows()?;
        }
        Ok(Computed::Vector(frame))
    }

    fn sort_warning(&self, span: Span) {
        let text = "sort is ineffective for range queries since results are always ordered by labels";
        self.note_with(|notes| notes.warn(span, text));
    }
}

/// Warns of a binary operation between kinds of samples that it does not know.
fn incompatible(notes: &mut Notes, span: Span, left: &str, op: BinaryOp, right: &str) {
    notes.incompatible_types(span, left, op.symbol(), right);
}
