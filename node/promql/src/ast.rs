//! The syntax tree of PromQL, with the place in the text of every node.

mod operators;

pub use operators::{AggregateOp, BinaryOp};

use crate::functions::Function;
use plimsoll_model::{Matcher, Timestamp};

/// Bytes `start..end` of the query's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// Line and column of the start, both from 1; the column counts bytes.
    pub fn line_column(self, input: &str) -> (usize, usize) {
        let before = &input.as_bytes()[..self.start.min(input.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        (line, column)
    }
}

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// One number a step.
    Scalar,
    /// A set of series, one sample a step each.
    Vector,
    /// A set of series, a range of samples each.
    Matrix,
    /// A text.
    String,
}

impl Type {
    /// The name in documentation and errors.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }

    /// The name in Prometheus' HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }
}

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number or a duration used as one, in seconds.
    Number {
        /// The value.
        value: f64,
        /// Whether it was written as a duration.
        duration: bool,
    },
    /// A text.
    Text {
        /// The value, with U+FFFD for bytes that are not UTF-8.
        value: String,
        /// The bytes, when they are not UTF-8.
        invalid: Option<Vec<u8>>,
    },
    /// An instant vector selector.
    Selector(Selector),
    /// A range vector selector.
    Matrix {
        /// What is selected.
        selector: Selector,
        /// How far back.
        range: Length,
    },
    /// An instant expression evaluated over a range.
    Subquery(Box<Subquery>),
    /// Parentheses.
    Paren(Box<Expr>),
    /// `-x` or `+x`.
    Unary {
        /// Whether the sign is a minus.
        minus: bool,
        /// The operand.
        operand: Box<Expr>,
    },
    /// `a op b`.
    Binary(Box<Binary>),
    /// A function call.
    Call {
        /// The function.
        function: &'static Function,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// An aggregation.
    Aggregate(Box<Aggregate>),
}

/// A set of series and the time to look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// The name outside of the braces, or empty.
    pub name: String,
    /// All matchers; the one of `name` is the last.
    pub matchers: Vec<Matcher>,
    /// Shift into the past.
    pub offset: Option<Length>,
    /// The fixed time, if any.
    pub at: At,
    /// `anchored`.
    pub anchored: bool,
    /// `smoothed`.
    pub smoothed: bool,
}

/// `expr[range:step]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// The inner expression.
    pub expr: Expr,
    /// How far back.
    pub range: Length,
    /// The step; the engine's default when absent.
    pub step: Option<Length>,
    /// Shift into the past.
    pub offset: Option<Length>,
    /// The fixed time, if any.
    pub at: At,
}

/// The `@` modifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// Not given.
    #[default]
    None,
    /// A time.
    Time(Timestamp),
    /// `@ start()`.
    Start,
    /// `@ end()`.
    End,
}

/// A length of time: known, or an expression of the query's step and range.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// Milliseconds.
    Fixed(i64),
    /// To be computed when the query's times are known.
    Expr(LengthExpr),
}

/// An arithmetic expression of lengths, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct LengthExpr {
    /// What it is.
    pub kind: LengthKind,
    /// Whether it stood in parentheses.
    pub wrapped: bool,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of length expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum LengthKind {
    /// A number of seconds; `duration` when written as one.
    Number {
        /// Seconds.
        value: f64,
        /// Whether it was written as a duration.
        duration: bool,
    },
    /// `step()`.
    Step,
    /// `range()`.
    Range,
    /// `-x`, or `+x` that keeps parentheses.
    Sign {
        /// Whether the sign is a minus.
        minus: bool,
        /// The operand.
        operand: Box<LengthExpr>,
    },
    /// `a op b`, and `min_of`, `max_of`.
    Binary {
        /// The operation.
        op: LengthOp,
        /// Left operand.
        left: Box<LengthExpr>,
        /// Right operand.
        right: Box<LengthExpr>,
    },
}

/// Operations of length expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LengthOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Min,
    Max,
}

/// `left op right` with its modifiers.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Left operand.
    pub left: Expr,
    /// Right operand.
    pub right: Expr,
    /// `bool`.
    pub return_bool: bool,
    /// How series of the two sides meet; only between two vectors.
    pub matching: Option<Matching>,
}

/// How many series of each side may meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub enum Cardinality {
    #[default]
    OneToOne,
    ManyToOne,
    OneToMany,
    ManyToMany,
}

impl Cardinality {
    /// The name in Prometheus' HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// How series of the two sides of a binary operator meet.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Matching {
    /// How many of each side.
    pub card: Cardinality,
    /// `on` rather than `ignoring`.
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Labels taken over from the one side.
    pub include: Vec<String>,
    /// Value for what is missing on the left.
    pub fill_left: Option<f64>,
    /// Value for what is missing on the right.
    pub fill_right: Option<f64>,
}

/// `op by (labels) (param, expr)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// `without` rather than `by`.
    pub without: bool,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// The parameter, where the operator has one.
    pub param: Option<Expr>,
    /// The vector.
    pub expr: Expr,
}

impl Expr {
    /// The type of the value.
    pub fn value_type(&self) -> Type {
        match &self.kind {
            Kind::Number { .. } => Type::Scalar,
            Kind::Text { .. } => Type::String,
            Kind::Selector(_) | Kind::Aggregate(_) => Type::Vector,
            Kind::Matrix { .. } | Kind::Subquery(_) => Type::Matrix,
            Kind::Paren(e) => e.value_type(),
            Kind::Unary { operand, .. } => operand.value_type(),
            Kind::Binary(b) => match (b.left.value_type(), b.right.value_type()) {
                (Type::Scalar, Type::Scalar) => Type::Scalar,
                _ => Type::Vector,
            },
            Kind::Call { function, .. } => function.returns,
        }
    }

    /// The expression without parentheses around it.
    pub fn unwrapped(&self) -> &Self {
        let mut e = self;
        while let Kind::Paren(inner) = &e.kind {
            e = inner;
        }
        e
    }
}
