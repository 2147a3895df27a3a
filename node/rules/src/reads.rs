//! Which series an expression reads.

use plimsoll_model::{METRIC_NAME, MatchOp, Matcher};
use plimsoll_promql::ast::{Expr, Kind, Selector};
use plimsoll_promql::{ParseOptions, parse};
use std::collections::BTreeSet;

/// What an expression reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Names of series.
    pub names: BTreeSet<String>,
    /// Whether a selector gives no name, or a pattern: it may read anything.
    pub anything: bool,
}

impl Reads {
    /// What the expression reads; nothing where it is none.
    pub fn of(expr: &str) -> Self {
        let mut out = Self::default();
        for matchers in selectors(expr) {
            match matchers.iter().find(|m| m.name == METRIC_NAME) {
                Some(m) if m.op == MatchOp::Equal => drop(out.names.insert(m.value.clone())),
                _ => out.anything = true,
            }
        }
        out
    }

    /// Whether it may read series of one of these names.
    pub fn any_of<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        names.any(|name| self.anything || self.names.contains(name))
    }
}

/// The matchers of every selector of an expression.
pub fn selectors(expr: &str) -> Vec<Vec<Matcher>> {
    let mut out = Vec::new();
    if let Ok(parsed) = parse(expr, ParseOptions::default()) {
        walk(&parsed, &mut |selector| out.push(selector.matchers.clone()));
    }
    out
}

fn walk(expr: &Expr, see: &mut impl FnMut(&Selector)) {
    match &expr.kind {
        Kind::Number { .. } | Kind::Text { .. } => {}
        Kind::Selector(selector) | Kind::Matrix { selector, .. } => see(selector),
        Kind::Subquery(s) => walk(&s.expr, see),
        Kind::Paren(inner) => walk(inner, see),
        Kind::Unary { operand, .. } => walk(operand, see),
        Kind::Binary(b) => {
            walk(&b.left, see);
            walk(&b.right, see);
        }
        Kind::Call { args, .. } => args.iter().for_each(|arg| walk(arg, see)),
        Kind::Aggregate(a) => {
            if let Some(param) = &a.param {
                walk(param, see);
            }
            walk(&a.expr, see);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_selector_of_an_expression_is_seen() {
        let r = Reads::of(
            "sum(rate(a_total[5m])) / on(x) max_over_time((b + 1)[1h:5m]) > topk(scalar(c), -d{x=\"y\"})",
        );
        let names: Vec<&str> = r.names.iter().map(String::as_str).collect();
        assert_eq!((names, r.anything), (vec!["a_total", "b", "c", "d"], false));
        assert!(Reads::of("{__name__=~\"a.*\"}").anything && Reads::of("{job=\"x\"}").anything);
        assert!(!Reads::of("vector(1)").anything);
        assert!(r.any_of(["z", "c"].into_iter()) && !r.any_of(["z"].into_iter()));
    }
}
