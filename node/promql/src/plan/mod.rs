//! A query as something to carry out: times in milliseconds, constants folded, and cut in two: the leaf part,
//! which every shard carries out on its own series, and the merge part, which joins what the leaves answered.

mod build;
mod calls;
mod locality;
mod names;
mod split;
mod time;

pub use names::{DateFn, HistogramStat, MathFn, RangeFn};

use crate::ast::{AggregateOp, BinaryOp, Matching, Span, Type};
use plimsoll_model::{Matcher, Timestamp};
use serde::{Deserialize, Serialize};

/// Equally spaced times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// The first time.
    pub start: Timestamp,
    /// Milliseconds between two times, at least 1.
    pub step: i64,
    /// How many times.
    pub steps: usize,
}

impl Grid {
    /// One time.
    pub fn at(start: Timestamp) -> Self {
        Self { start, step: 1, steps: 1 }
    }

    /// The time number `i`.
    #[inline]
    pub fn time(&self, i: usize) -> Timestamp {
        self.start.saturating_add(self.step.saturating_mul(i as i64))
    }

    /// The last time; the first one when there is none.
    pub fn end(&self) -> Timestamp {
        self.time(self.steps.saturating_sub(1))
    }

    /// All times.
    pub fn times(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let grid = *self;
        (0..grid.steps).map(move |i| grid.time(i))
    }
}

/// Settings that change what a query means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// How far an instant selector looks back, in ms. Prometheus' default is 5 minutes.
    pub lookback_ms: i64,
    /// Steps that a range query may have. Prometheus' default is 11,000.
    pub max_points: u64,
    /// The step of subqueries that give none, in ms.
    pub subquery_step_ms: i64,
    /// Whether the experimental parts of the language are allowed.
    pub enable_experimental: bool,
    /// Whether names are dropped at the end of a query rather than by each function.
    pub delayed_name_removal: bool,
    /// Whether start timestamps of samples tell counter resets.
    pub start_timestamps: bool,
    /// Which functions are asked of rolled-up hours.
    pub rollups: Rollups,
}

/// Which functions are asked of rolled-up hours, where the windows are whole hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rollups {
    /// None.
    Off,
    /// Those whose answers are the same to the bit.
    #[default]
    Exact,
    /// Sums too, which may differ in the last digit.
    Sums,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lookback_ms: 5 * 60_000,
            max_points: 11_000,
            subquery_step_ms: 60_000,
            enable_experimental: true,
            delayed_name_removal: false,
            start_timestamps: false,
            rollups: Rollups::default(),
        }
    }
}

/// A query ready to be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The text, for the positions in warnings.
    pub text: String,
    /// Whether the query asked for one time rather than a range.
    pub instant: bool,
    /// The times of the answer.
    pub grid: Grid,
    /// The type of the answer.
    #[serde(with = "value_type")]
    pub returns: Type,
    /// Settings.
    pub options: Options,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) root: Node,
}

mod value_type {
    use crate::ast::Type;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(t: &Type, s: S) -> Result<S::Ok, S::Error> {
        (*t as u8).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Type, D::Error> {
        Ok(match u8::deserialize(d)? {
            0 => Type::Scalar,
            1 => Type::Vector,
            2 => Type::Matrix,
            _ => Type::String,
        })
    }
}

/// Work for every shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leaf {
    pub(crate) grid: Grid,
    pub(crate) work: Work,
    /// How many operators of the merge part read the answer.
    pub(crate) uses: u32,
}

/// What a shard answers with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Its series, one column each.
    Rows(Node),
    /// Partial states of groups.
    Groups(Box<Aggregate>),
    /// At which steps there is any sample.
    Presence(Node),
    /// Samples as they are stored.
    Raw(Select, i64),
}

/// An operator of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Node {
    Number(f64),
    Text(String),
    Time,
    /// The answer of a leaf.
    Leaf(usize),
    Select(Select),
    /// The times of the selected samples rather than their values.
    Timestamp(Select, TimeOf),
    Range(Box<RangeCall>),
    /// A top-level range vector.
    Raw(Select, i64),
    /// A top-level subquery.
    RawSubquery(Box<Subquery>),
    /// Evaluated at the first step alone.
    Once(Box<Node>),
    Negate(Box<Node>),
    Math(MathFn, Box<Node>, Vec<Node>),
    Date(DateFn, Option<Box<Node>>),
    /// `timestamp(expression)`: the time of the evaluation.
    EvalTime(Box<Node>),
    /// `start_timestamp(expression)`: nothing.
    Nothing(Box<Node>),
    Scalar(Box<Node>),
    Vector(Box<Node>),
    /// `max_of` when the flag is set, else `min_of`.
    Extreme(bool, Box<Node>, Box<Node>),
    Sort(Box<Node>, SortBy, Span),
    LabelReplace(Box<LabelReplace>),
    LabelJoin(Box<LabelJoin>),
    Absent(Box<Node>, Vec<(String, String)>),
    HistogramStat(HistogramStat, Box<Node>),
    Quantiles(Box<Quantiles>),
    Fraction(Box<Fraction>),
    Info(Box<Info>),
    Scalars(BinaryOp, Box<Node>, Box<Node>),
    VectorScalar(Box<VectorScalar>),
    Join(Box<Join>),
    Aggregate(Box<Aggregate>),
}

/// An instant vector selector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Select {
    pub(crate) matchers: Vec<Matcher>,
    /// The fixed time, if any.
    pub(crate) at: Option<Timestamp>,
    pub(crate) offset: i64,
    pub(crate) anchored: bool,
    pub(crate) smoothed: bool,
    /// Whether only count and sum of histograms are looked at: then counter resets are found while reading.
    pub(crate) figures: bool,
    pub(crate) span: Span,
}

/// `expr[range:step]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subquery {
    pub(crate) input: Node,
    pub(crate) range: i64,
    pub(crate) step: i64,
    pub(crate) offset: i64,
    pub(crate) at: Option<Timestamp>,
}

/// Which time of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TimeOf {
    /// `timestamp()`.
    Sample,
    /// `start_timestamp()`.
    Start,
    /// That of an info metric, which keeps its name; histograms stay, so that they can be refused.
    Info,
}

/// Where a range function reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum RangeSource {
    Select(Select),
    Subquery(Subquery),
    /// Samples that a leaf answered with, for the windows that the selector describes.
    Leaf(usize, Select),
}

/// A function of a range vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RangeCall {
    pub(crate) function: RangeFn,
    pub(crate) source: RangeSource,
    pub(crate) range: i64,
    /// The scalar arguments, in order.
    pub(crate) args: Vec<Node>,
    /// Where the first argument stands: warnings point there.
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum SortBy {
    Value { descending: bool },
    Labels { names: Vec<String>, descending: bool },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LabelReplace {
    pub(crate) input: Node,
    pub(crate) target: String,
    pub(crate) replacement: String,
    pub(crate) source: String,
    pub(crate) regex: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LabelJoin {
    pub(crate) input: Node,
    pub(crate) target: String,
    pub(crate) separator: String,
    pub(crate) sources: Vec<String>,
}

/// `histogram_quantile`, and `histogram_quantiles` when there is a label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) quantiles: Vec<(Node, Span)>,
    pub(crate) label: Option<String>,
    pub(crate) input: Node,
    pub(crate) input_span: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fraction {
    pub(crate) lower: Node,
    pub(crate) upper: Node,
    pub(crate) input: Node,
    pub(crate) input_span: Span,
}

/// `info(v, selector)`: labels of info metrics are joined to `input`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Info {
    pub(crate) input: Node,
    /// The info series themselves, as a vector of their timestamps.
    pub(crate) metrics: Node,
    /// Conditions on data labels.
    pub(crate) matchers: Vec<Matcher>,
    /// Conditions on the name of the info metric.
    pub(crate) name_matchers: Vec<Matcher>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VectorScalar {
    pub(crate) op: BinaryOp,
    pub(crate) vector: Node,
    pub(crate) scalar: Node,
    /// Whether the scalar stood on the left.
    pub(crate) swapped: bool,
    pub(crate) return_bool: bool,
    pub(crate) span: Span,
}

/// A binary operator between two vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Join {
    pub(crate) op: BinaryOp,
    pub(crate) left: Node,
    pub(crate) right: Node,
    pub(crate) matching: Matching,
    pub(crate) return_bool: bool,
    pub(crate) span: Span,
}

/// Which labels make a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grouping {
    /// All but `labels` (and the name) rather than just `labels`.
    pub without: bool,
    /// Sorted.
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) grouping: Grouping,
    /// The number before the vector.
    pub(crate) param: Option<Node>,
    /// The label of `count_values`.
    pub(crate) label: String,
    pub(crate) input: Node,
    pub(crate) span: Span,
    pub(crate) input_span: Span,
    pub(crate) param_span: Span,
}
