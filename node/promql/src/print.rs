//! An expression as text on one line, as Prometheus' `format_query` and logs show it.

use crate::ast::{
    At, Binary, Cardinality, Expr, Kind, Length, LengthExpr, LengthKind, LengthOp, Selector, Type,
};
use crate::format::{format_duration, format_general, format_plain};
use crate::parse::{quote, quote_bytes};
use plimsoll_model::{METRIC_NAME, MatchOp};
use std::fmt;

/// Whether `s` can be written without quotes as a label's name.
pub(crate) fn is_plain_label(s: &str) -> bool {
    let mut bytes = s.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn labels(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|n| if is_plain_label(n) { n.clone() } else { quote(n) }).collect();
    quoted.join(", ")
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Number { value, duration: true } => f.write_str(&format_duration((value * 1000.0) as i64)),
            Kind::Number { value, .. } => f.write_str(&format_plain(*value)),
            Kind::Text { invalid: Some(bytes), .. } => f.write_str(&quote_bytes(bytes)),
            Kind::Text { value, .. } => f.write_str(&quote(value)),
            Kind::Selector(s) => {
                bare(s, f)?;
                f.write_str(&at(s.at))?;
                f.write_str(extension(s))?;
                f.write_str(&offset(s.offset.as_ref()))
            }
            Kind::Matrix { selector, range } => {
                bare(selector, f)?;
                write!(f, "[{range}]{}", extension(selector))?;
                f.write_str(&at(selector.at))?;
                f.write_str(&offset(selector.offset.as_ref()))
            }
            Kind::Subquery(s) => {
                write!(f, "{}[{}:", s.expr, s.range)?;
                if let Some(step) = &s.step {
                    write!(f, "{step}")?;
                }
                write!(f, "]{}{}", at(s.at), offset(s.offset.as_ref()))
            }
            Kind::Paren(e) => write!(f, "({e})"),
            Kind::Unary { minus, operand } => write!(f, "{}{operand}", if *minus { "-" } else { "+" }),
            Kind::Binary(b) => write!(f, "{} {}{} {}", b.left, b.op.symbol(), modifiers(b), b.right),
            Kind::Call { function, args } => {
                write!(f, "{}(", function.name)?;
                for (i, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Kind::Aggregate(a) => {
                f.write_str(a.op.name())?;
                if a.without {
                    write!(f, " without ({}) ", labels(&a.grouping))?;
                } else if !a.grouping.is_empty() {
                    write!(f, " by ({}) ", labels(&a.grouping))?;
                }
                f.write_str("(")?;
                if let Some(param) = &a.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", a.expr)
            }
        }
    }
}

fn bare(s: &Selector, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let own_name = |m: &&plimsoll_model::Matcher| {
        m.name == METRIC_NAME && m.op == MatchOp::Equal && m.value == s.name && !m.value.is_empty()
    };
    let mut matchers: Vec<String> = s
        .matchers
        .iter()
        .filter(|m| !own_name(m))
        .map(|m| {
            let name = if is_plain_label(&m.name) { m.name.clone() } else { quote(&m.name) };
            format!("{name}{}{}", m.op.symbol(), quote(&m.value))
        })
        .collect();
    matchers.sort();
    f.write_str(&s.name)?;
    if !matchers.is_empty() {
        write!(f, "{{{}}}", matchers.join(","))?;
    }
    Ok(())
}

fn extension(s: &Selector) -> &'static str {
    match (s.anchored, s.smoothed) {
        (true, _) => " anchored",
        (_, true) => " smoothed",
        _ => "",
    }
}

fn at(at: At) -> String {
    match at {
        At::None => String::new(),
        At::Time(ms) => format!(" @ {:.3}", ms as f64 / 1000.0),
        At::Start => " @ start()".into(),
        At::End => " @ end()".into(),
    }
}

fn offset(length: Option<&Length>) -> String {
    length.map_or(String::new(), |l| format!(" offset {l}"))
}

fn modifiers(b: &Binary) -> String {
    let mut out = String::new();
    if b.return_bool {
        out.push_str(" bool");
    }
    let both_vectors = b.left.value_type() == Type::Vector && b.right.value_type() == Type::Vector;
    let Some(m) = b.matching.as_ref().filter(|_| both_vectors) else { return out };
    let grouped = matches!(m.card, Cardinality::ManyToOne | Cardinality::OneToMany);
    if !m.labels.is_empty() || m.on || grouped {
        out.push_str(&format!(" {} ({})", if m.on { "on" } else { "ignoring" }, labels(&m.labels)));
    }
    if grouped {
        let side = if m.card == Cardinality::ManyToOne { "left" } else { "right" };
        out.push_str(&format!(" group_{side} ({})", labels(&m.include)));
    }
    match (m.fill_left, m.fill_right) {
        (Some(l), Some(r)) if l == r => out.push_str(&format!(" fill ({})", format_general(l))),
        (left, right) => {
            for (name, value) in [("left", left), ("right", right)] {
                if let Some(value) = value {
                    out.push_str(&format!(" fill_{name} ({})", format_general(value)));
                }
            }
        }
    }
    out
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(ms) => f.write_str(&format_duration(*ms)),
            Self::Expr(e) => write!(f, "{e}"),
        }
    }
}

impl fmt::Display for LengthExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wrapped {
            f.write_str("(")?;
        }
        match &self.kind {
            LengthKind::Number { value, duration: true } => {
                f.write_str(&format_duration((value * 1000.0) as i64))?;
            }
            LengthKind::Number { value, .. } => f.write_str(&format_plain(*value))?,
            LengthKind::Step => f.write_str("step()")?,
            LengthKind::Range => f.write_str("range()")?,
            LengthKind::Sign { minus, operand } => write!(f, "{}{operand}", if *minus { "-" } else { "" })?,
            LengthKind::Binary { op: LengthOp::Min, left, right } => write!(f, "min_of({left}, {right})")?,
            LengthKind::Binary { op: LengthOp::Max, left, right } => write!(f, "max_of({left}, {right})")?,
            LengthKind::Binary { op, left, right } => write!(f, "{left} {} {right}", op.symbol())?,
        }
        if self.wrapped {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl LengthOp {
    /// The operation as PromQL writes it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Min => "min_of",
            Self::Max => "max_of",
        }
    }
}
