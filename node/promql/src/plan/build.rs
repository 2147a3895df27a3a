//! From the syntax tree to operators: constants folded, `@` and offsets resolved, parts that do not depend on
//! the step marked to be evaluated once.

use super::time::Times;
use super::*;
use crate::ast::{self, At, Cardinality, Expr, Kind, Length, Selector};
use crate::error::Error;
use crate::parse::{ParseOptions, parse};
use std::cell::Cell;

impl Plan {
    /// Plans `text` for one time.
    pub fn instant(text: &str, time: Timestamp, options: Options) -> Result<Self, Error> {
        let times = Times { start: time, end: time, step: 0 };
        Self::new(text, times, Grid::at(time), true, options)
    }

    /// Plans `text` for the times from `start` to `end`, both included, `step_ms` apart.
    pub fn range(
        text: &str,
        start: Timestamp,
        end: Timestamp,
        step_ms: i64,
        options: Options,
    ) -> Result<Self, Error> {
        if step_ms <= 0 {
            return Err(Error::Times(
                "zero or negative query resolution step widths are not accepted. Try a positive integer"
                    .into(),
            ));
        }
        if end < start {
            return Err(Error::Times("end timestamp must not be before start time".into()));
        }
        let points = (end.abs_diff(start) / step_ms.unsigned_abs()).saturating_add(1);
        if points > options.max_points {
            return Err(Error::Points { points, limit: options.max_points });
        }
        let grid = Grid { start, step: step_ms, steps: points as usize };
        let step = if start == end { 0 } else { step_ms };
        Self::new(text, Times { start, end, step }, grid, false, options)
    }

    fn new(text: &str, times: Times, grid: Grid, instant: bool, options: Options) -> Result<Self, Error> {
        let expr = parse(text, ParseOptions { experimental: options.enable_experimental })?;
        let returns = expr.value_type();
        if !instant && !matches!(returns, Type::Scalar | Type::Vector) {
            let message = format!(
                "invalid expression type {:?} for range query, must be Scalar or instant Vector",
                returns.documented()
            );
            return Err(Error::Times(message));
        }
        let builder = Builder { times, options, figures: Cell::default() };
        let root = match builder.top_level(&expr)? {
            Some(raw) => raw,
            None => {
                let built = builder.build(&expr)?;
                if built.wrap { Node::Once(Box::new(built.node)) } else { built.node }
            }
        };
        let mut plan = Self { text: text.to_owned(), instant, grid, returns, options, leaves: vec![], root };
        plan.split();
        Ok(plan)
    }
}

pub(super) struct Builder {
    pub(super) times: Times,
    options: Options,
    figures: Cell<Figures>,
}

/// Whether what is above a selector looks at count and sum of histograms alone.
#[derive(Clone, Copy, Default)]
struct Figures {
    /// Below `histogram_count` and its kin.
    wanted: bool,
    /// Below something that needs the buckets.
    blocked: bool,
}

/// An operator, and whether it is the same at every step.
pub(super) struct Built {
    pub(super) node: Node,
    pub(super) invariant: bool,
    /// Whether it should be evaluated once when its parent depends on the step.
    pub(super) wrap: bool,
}

impl Built {
    pub(super) fn once(self) -> Node {
        if self.wrap { Node::Once(Box::new(self.node)) } else { self.node }
    }
}

pub(super) fn constant(node: Node) -> Built {
    Built { node, invariant: true, wrap: false }
}

impl Builder {
    /// A range vector or a text at the top is answered as it is.
    fn top_level(&self, expr: &Expr) -> Result<Option<Node>, Error> {
        Ok(match &expr.unwrapped().kind {
            Kind::Matrix { selector, range } => {
                let range = self.times.length(range, false)?;
                Some(Node::Raw(self.select(selector, expr.unwrapped().span)?, range))
            }
            Kind::Subquery(s) => Some(Node::RawSubquery(Box::new(self.subquery(s)?.0))),
            _ => None,
        })
    }

    pub(super) fn build(&self, expr: &Expr) -> Result<Built, Error> {
        let above = self.figures.get();
        let mut below = above;
        match &expr.kind {
            Kind::Binary(b) => below.blocked |= matches!(b.op, BinaryOp::TrimUpper | BinaryOp::TrimLower),
            Kind::Call { function, .. } => match function.name {
                "histogram_count" | "histogram_sum" | "histogram_avg" => below.wanted = true,
                "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => below.blocked = true,
                _ => {}
            },
            _ => {}
        }
        self.figures.set(below);
        let built = self.build_kind(expr);
        self.figures.set(above);
        built
    }

    fn build_kind(&self, expr: &Expr) -> Result<Built, Error> {
        match &expr.kind {
            Kind::Number { value, .. } => Ok(constant(Node::Number(*value))),
            Kind::Text { value, .. } => Ok(constant(Node::Text(value.clone()))),
            Kind::Selector(s) => {
                let select = self.select(s, expr.span)?;
                let fixed = select.at.is_some();
                Ok(Built { node: Node::Select(select), invariant: fixed, wrap: fixed })
            }
            Kind::Matrix { .. } | Kind::Subquery(_) => {
                Err(Error::Evaluation("a range vector is only allowed in a function".into()))
            }
            Kind::Paren(inner) => self.build(inner),
            Kind::Unary { minus, operand } => {
                let inner = self.build(operand)?;
                if !minus {
                    return Ok(inner);
                }
                Ok(Built { node: Node::Negate(Box::new(inner.node)), ..inner })
            }
            Kind::Binary(b) => self.binary(b, expr),
            Kind::Aggregate(a) => self.aggregate(a, expr),
            Kind::Call { function, args } => self.call(function.name, args, expr),
        }
    }

    pub(super) fn select(&self, s: &Selector, span: Span) -> Result<Select, Error> {
        Ok(Select {
            matchers: s.matchers.clone(),
            at: self.at(s.at),
            offset: self.offset(s.offset.as_ref())?,
            anchored: s.anchored,
            smoothed: s.smoothed,
            figures: self.figures.get().wanted && !self.figures.get().blocked,
            span,
        })
    }

    pub(super) fn at(&self, at: At) -> Option<Timestamp> {
        match at {
            At::None => None,
            At::Time(t) => Some(t),
            At::Start => Some(self.times.start),
            At::End => Some(self.times.end),
        }
    }

    pub(super) fn offset(&self, offset: Option<&Length>) -> Result<i64, Error> {
        offset.map_or(Ok(0), |length| self.times.length(length, true))
    }

    /// The subquery, and whether it has a fixed time.
    pub(super) fn subquery(&self, s: &ast::Subquery) -> Result<(Subquery, bool), Error> {
        let above = self.figures.get();
        self.figures.set(Figures { blocked: true, ..above });
        let inner = self.build(&s.expr);
        self.figures.set(above);
        let inner = inner?;
        let input = if inner.invariant { Node::Once(Box::new(inner.node)) } else { inner.node };
        let step = match &s.step {
            Some(step) => self.times.length(step, false)?,
            None => self.options.subquery_step_ms,
        };
        let subquery = Subquery {
            input,
            range: self.times.length(&s.range, false)?,
            step: step.max(1),
            offset: self.offset(s.offset.as_ref())?,
            at: self.at(s.at),
        };
        let fixed = subquery.at.is_some();
        Ok((subquery, fixed))
    }

    fn binary(&self, b: &ast::Binary, expr: &Expr) -> Result<Built, Error> {
        let (left, right) = (self.build(&b.left)?, self.build(&b.right)?);
        let invariant = left.invariant && right.invariant;
        let (l, r) = if invariant { (left.node, right.node) } else { (left.once(), right.once()) };
        let (op, span, return_bool) = (b.op, expr.span, b.return_bool);
        let node = match (b.left.value_type(), b.right.value_type()) {
            (Type::Scalar, Type::Scalar) => Node::Scalars(op, Box::new(l), Box::new(r)),
            (Type::Vector, Type::Scalar) => {
                let v = VectorScalar { op, vector: l, scalar: r, swapped: false, return_bool, span };
                Node::VectorScalar(Box::new(v))
            }
            (Type::Scalar, _) => {
                let v = VectorScalar { op, vector: r, scalar: l, swapped: true, return_bool, span };
                Node::VectorScalar(Box::new(v))
            }
            _ => {
                let mut matching = b.matching.clone().unwrap_or_default();
                if op.is_set() {
                    matching.card = Cardinality::ManyToMany;
                }
                Node::Join(Box::new(Join { op, left: l, right: r, matching, return_bool, span }))
            }
        };
        Ok(Built { node, invariant, wrap: invariant })
    }

    fn aggregate(&self, a: &ast::Aggregate, expr: &Expr) -> Result<Built, Error> {
        let input = self.build(&a.expr)?;
        let (mut label, mut param) = (String::new(), None);
        let mut param_span = expr.span;
        if let Some(p) = &a.param {
            param_span = p.unwrapped().span;
            match &p.unwrapped().kind {
                Kind::Text { value, invalid } => {
                    if invalid.is_some() || value.is_empty() {
                        let message = format!("invalid label name {}", p.unwrapped());
                        return Err(Error::Evaluation(message));
                    }
                    label = value.clone();
                }
                _ => param = Some(self.build(p)?.node),
            }
        }
        let mut labels = a.grouping.clone();
        labels.sort_unstable();
        labels.dedup();
        let node = Node::Aggregate(Box::new(Aggregate {
            op: a.op,
            grouping: Grouping { without: a.without, labels },
            param,
            label,
            input: input.node,
            span: expr.span,
            input_span: a.expr.unwrapped().span,
            param_span,
        }));
        Ok(Built { node, invariant: input.invariant, wrap: input.wrap })
    }
}
