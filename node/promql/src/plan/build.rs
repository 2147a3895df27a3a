//! From the syntax tree to operators: constants folded, `@` and offsets resolved, parts that do not depend on
//! the step marked to be evaluated once.

use super::time::Times;
use super::*;
use crate::ast::{self, At, Cardinality, Expr, Kind, Length, Selector};
use crate::error::Error;
use crate::parse::{ParseOptions, parse};
use plimsoll_model::{METRIC_NAME, MatchOp};
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

struct Builder {
    times: Times,
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
struct Built {
    node: Node,
    invariant: bool,
    /// Whether it should be evaluated once when its parent depends on the step.
    wrap: bool,
}

impl Built {
    fn once(self) -> Node {
        if self.wrap { Node::Once(Box::new(self.node)) } else { self.node }
    }
}

fn constant(node: Node) -> Built {
    Built { node, invariant: true, wrap: false }
}

/// Functions whose value depends on the time of the evaluation even when their arguments do not.
fn depends_on_time(name: &str) -> bool {
    DateFn::from_name(name).is_some() || matches!(name, "predict_linear" | "time" | "timestamp")
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

    fn build(&self, expr: &Expr) -> Result<Built, Error> {
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

    fn select(&self, s: &Selector, span: Span) -> Result<Select, Error> {
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

    fn at(&self, at: At) -> Option<Timestamp> {
        match at {
            At::None => None,
            At::Time(t) => Some(t),
            At::Start => Some(self.times.start),
            At::End => Some(self.times.end),
        }
    }

    fn offset(&self, offset: Option<&Length>) -> Result<i64, Error> {
        offset.map_or(Ok(0), |length| self.times.length(length, true))
    }

    /// The subquery, and whether it has a fixed time.
    fn subquery(&self, s: &ast::Subquery) -> Result<(Subquery, bool), Error> {
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

    fn call(&self, name: &str, args: &[Expr], expr: &Expr) -> Result<Built, Error> {
        let seconds = |ms: i64| Ok(constant(Node::Number(ms as f64 / 1000.0)));
        match name {
            "start" => return seconds(self.times.start),
            "end" => return seconds(self.times.end),
            "range" => return seconds(self.times.end.saturating_sub(self.times.start)),
            "step" => return seconds(self.times.step),
            "pi" => return Ok(constant(Node::Number(std::f64::consts::PI))),
            "info" => return self.info(args),
            _ => {}
        }
        if let Some(function) = RangeFn::from_name(name) {
            return self.range_call(function, args);
        }
        let mut built = Vec::with_capacity(args.len());
        for arg in args {
            built.push(self.build(arg)?);
        }
        let all_invariant = built.iter().all(|b| b.invariant);
        let of_selector = args.first().is_some_and(|a| matches!(a.unwrapped().kind, Kind::Selector(_)));
        let timestamp_of_selector = name == "timestamp" && of_selector && all_invariant;
        let invariant = all_invariant && !depends_on_time(name) || timestamp_of_selector;
        let nodes: Vec<Node> = built.into_iter().map(|b| if invariant { b.node } else { b.once() }).collect();
        let node = self.function(name, nodes, args, expr)?;
        Ok(Built { node, invariant, wrap: invariant })
    }

    fn range_call(&self, function: RangeFn, args: &[Expr]) -> Result<Built, Error> {
        let mut scalars = Vec::new();
        let mut source = None;
        let mut invariant = function != RangeFn::PredictLinear;
        for arg in args {
            match &arg.unwrapped().kind {
                Kind::Matrix { selector, range } => {
                    let select = self.select(selector, arg.unwrapped().span)?;
                    invariant &= select.at.is_some();
                    let range = self.times.length(range, false)?;
                    source = Some((RangeSource::Select(select), range));
                }
                Kind::Subquery(s) => {
                    let (subquery, fixed) = self.subquery(s)?;
                    invariant &= fixed;
                    let range = subquery.range;
                    source = Some((RangeSource::Subquery(subquery), range));
                }
                _ => {
                    let scalar = self.build(arg)?;
                    invariant &= scalar.invariant;
                    scalars.push(scalar.node);
                }
            }
        }
        let Some((source, range)) = source else {
            return Err(Error::Evaluation(format!("{} needs a range vector", function.name())));
        };
        let labels = absent_labels(&args[0]);
        let span = args[0].unwrapped().span;
        check_extension(function, &source)?;
        let reader = if function == RangeFn::Absent { RangeFn::Present } else { function };
        let call = RangeCall { function: reader, source, range, args: scalars, span };
        let mut node = Node::Range(Box::new(call));
        if function == RangeFn::Absent {
            node = Node::Absent(Box::new(node), labels);
        }
        Ok(Built { node, invariant, wrap: invariant })
    }

    fn info(&self, args: &[Expr]) -> Result<Built, Error> {
        let input = self.build(&args[0])?;
        let (mut matchers, mut name_matchers) = (Vec::new(), Vec::new());
        if let Some(Expr { kind: Kind::Selector(s), .. }) = args.get(1).map(Expr::unwrapped) {
            for m in &s.matchers {
                let list = if m.name == METRIC_NAME { &mut name_matchers } else { &mut matchers };
                list.push(m.clone());
            }
        }
        let positive = |m: &Matcher| matches!(m.op, MatchOp::Equal | MatchOp::Regex);
        if name_matchers.is_empty() {
            name_matchers.push(Matcher::equal(METRIC_NAME, "target_info"));
        } else if !name_matchers.iter().any(positive) {
            name_matchers.insert(0, Matcher::new(METRIC_NAME, MatchOp::Regex, ".+_info"));
        }
        let (at, offset) = self.info_time(&args[0])?.unwrap_or((None, 0));
        let select = Select {
            matchers: matchers.iter().chain(&name_matchers).cloned().collect(),
            at,
            offset,
            anchored: false,
            smoothed: false,
            figures: false,
            span: args[0].span,
        };
        let metrics = Node::Timestamp(select, TimeOf::Info);
        let info = Info { input: input.node, metrics, matchers, name_matchers };
        Ok(Built { node: Node::Info(Box::new(info)), invariant: false, wrap: false })
    }

    /// The time at which info metrics are looked at: that of the first selector of the argument.
    fn info_time(&self, expr: &Expr) -> Result<Option<(Option<Timestamp>, i64)>, Error> {
        let first = |exprs: &mut dyn Iterator<Item = &Expr>| -> Result<_, Error> {
            for e in exprs {
                let found = self.info_time(e)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        };
        match &expr.kind {
            Kind::Selector(s) | Kind::Matrix { selector: s, .. } => {
                Ok(Some((self.at(s.at), self.offset(s.offset.as_ref())?)))
            }
            Kind::Subquery(s) => Ok(match self.info_time(&s.expr)? {
                Some((None, offset)) => Some((self.at(s.at), offset + self.offset(s.offset.as_ref())?)),
                other => other,
            }),
            Kind::Paren(e) => self.info_time(e),
            Kind::Unary { operand, .. } => self.info_time(operand),
            Kind::Binary(b) => first(&mut [&b.left, &b.right].into_iter()),
            Kind::Call { args, .. } => first(&mut args.iter()),
            Kind::Aggregate(a) => first(&mut a.param.iter().chain([&a.expr])),
            Kind::Number { .. } | Kind::Text { .. } => Ok(None),
        }
    }

    /// A function that is not of a range vector.
    fn function(&self, name: &str, nodes: Vec<Node>, args: &[Expr], expr: &Expr) -> Result<Node, Error> {
        let span_of = |i: usize| args.get(i).map_or(expr.span, |a| a.unwrapped().span);
        let text = |i: usize| match args.get(i).map(|a| &a.unwrapped().kind) {
            Some(Kind::Text { value, invalid }) => (value.clone(), invalid.is_none()),
            _ => (String::new(), true),
        };
        let texts = |from: usize| (from..args.len()).map(|i| text(i).0).collect::<Vec<_>>();
        let mut nodes = nodes.into_iter();
        let mut take = || nodes.next().unwrap_or(Node::Number(f64::NAN));
        let mut take_box = || Box::new(take());
        let by_label = |descending| SortBy::Labels { names: texts(1), descending };
        if let Some(function) = MathFn::from_name(name) {
            return Ok(Node::Math(function, take_box(), nodes.collect()));
        }
        if let Some(function) = DateFn::from_name(name) {
            return Ok(Node::Date(function, (!args.is_empty()).then(take_box)));
        }
        if let Some(stat) = HistogramStat::from_name(name) {
            return Ok(Node::HistogramStat(stat, take_box()));
        }
        Ok(match name {
            "time" => Node::Time,
            "timestamp" | "start_timestamp" => match (&args[0].unwrapped().kind, *take_box()) {
                (Kind::Selector(_), Node::Select(s)) => Node::Timestamp(s, time_of(name)),
                (Kind::Selector(s), _) => {
                    let select = self.select(s, span_of(0))?;
                    Node::Timestamp(select, time_of(name))
                }
                (_, inner) if name == "timestamp" => Node::EvalTime(Box::new(inner)),
                (_, inner) => Node::Nothing(Box::new(inner)),
            },
            "scalar" => Node::Scalar(take_box()),
            "vector" => Node::Vector(take_box()),
            "max_of" | "min_of" => Node::Extreme(name == "max_of", take_box(), take_box()),
            "absent" => Node::Absent(take_box(), absent_labels(&args[0])),
            "sort" => Node::Sort(take_box(), SortBy::Value { descending: false }, expr.span),
            "sort_desc" => Node::Sort(take_box(), SortBy::Value { descending: true }, expr.span),
            "sort_by_label" => Node::Sort(take_box(), by_label(false), expr.span),
            "sort_by_label_desc" => Node::Sort(take_box(), by_label(true), expr.span),
            "label_replace" => {
                let (target, replacement, source, regex) = (text(1), text(2).0, text(3).0, text(4).0);
                if crate::regex::Captures::new(&regex).is_err() {
                    let message = format!("invalid regular expression in label_replace(): {regex}");
                    return Err(Error::Evaluation(message));
                }
                let target = label_name(target, "destination label name in label_replace()")?;
                let input = *take_box();
                Node::LabelReplace(Box::new(LabelReplace { input, target, replacement, source, regex }))
            }
            "label_join" => {
                for i in 3..args.len() {
                    label_name(text(i), "source label name in label_join()")?;
                }
                let target = label_name(text(1), "destination label name in label_join()")?;
                let (separator, sources) = (text(2).0, texts(3));
                let input = *take_box();
                Node::LabelJoin(Box::new(LabelJoin { input, target, separator, sources }))
            }
            "histogram_quantile" => {
                let quantiles = vec![(*take_box(), span_of(0))];
                let (input, input_span) = (*take_box(), span_of(1));
                Node::Quantiles(Box::new(Quantiles { quantiles, label: None, input, input_span }))
            }
            "histogram_quantiles" => {
                let (input, input_span) = (*take_box(), span_of(0));
                let label = Some(text(1).0);
                let quantiles = nodes.skip(1).enumerate().map(|(i, n)| (n, span_of(i + 2))).collect();
                Node::Quantiles(Box::new(Quantiles { quantiles, label, input, input_span }))
            }
            "histogram_fraction" => {
                let (lower, upper, input) = (*take_box(), *take_box(), *take_box());
                Node::Fraction(Box::new(Fraction { lower, upper, input, input_span: span_of(2) }))
            }
            _ => return Err(Error::Evaluation(format!("function {name:?} cannot be evaluated"))),
        })
    }
}

fn label_name((name, utf8): (String, bool), what: &str) -> Result<String, Error> {
    if utf8 && !name.is_empty() {
        return Ok(name);
    }
    Err(Error::Evaluation(format!("invalid {what}: {name}")))
}

fn time_of(function: &str) -> TimeOf {
    if function == "timestamp" { TimeOf::Sample } else { TimeOf::Start }
}

fn check_extension(function: RangeFn, source: &RangeSource) -> Result<(), Error> {
    let RangeSource::Select(select) = source else { return Ok(()) };
    let rate = matches!(function, RangeFn::Rate | RangeFn::Increase | RangeFn::Delta);
    let counted = matches!(function, RangeFn::Resets | RangeFn::Changes);
    let (modifier, allowed) = if select.anchored && !rate && !counted {
        ("anchored", "changes, delta, increase, rate, resets")
    } else if select.smoothed && !rate {
        ("smoothed", "delta, increase, rate")
    } else {
        return Ok(());
    };
    let name = function.name();
    let message = format!("{modifier} modifier can only be used with: {allowed} - not with {name}");
    Err(Error::Evaluation(message))
}

/// The labels of the answer of `absent`: those that an `=` matcher alone sets.
fn absent_labels(arg: &Expr) -> Vec<(String, String)> {
    let matchers = match &arg.unwrapped().kind {
        Kind::Selector(s) | Kind::Matrix { selector: s, .. } => &s.matchers,
        _ => return Vec::new(),
    };
    let mut out: Vec<(String, String)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for m in matchers.iter().filter(|m| m.name != METRIC_NAME) {
        if m.op == MatchOp::Equal && !seen.contains(&m.name.as_str()) {
            out.push((m.name.clone(), m.value.clone()));
            seen.push(&m.name);
        } else {
            out.retain(|(name, _)| *name != m.name);
        }
    }
    out
}
