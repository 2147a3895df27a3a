//! Function calls as operators.

use super::build::{Builder, Built, constant};
use super::*;
use crate::ast::{Expr, Kind};
use crate::error::Error;
use plimsoll_model::{METRIC_NAME, MatchOp};

/// Functions whose value depends on the time of the evaluation even when their arguments do not.
fn depends_on_time(name: &str) -> bool {
    DateFn::from_name(name).is_some() || matches!(name, "predict_linear" | "time" | "timestamp")
}

impl Builder {
    pub(super) fn call(&self, name: &str, args: &[Expr], expr: &Expr) -> Result<Built, Error> {
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
