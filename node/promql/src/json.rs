//! A syntax tree as JSON, in the shape of Prometheus' `/api/v1/parse_query`.

use crate::ast::{At, Expr, Kind, Length, Matching, Selector, Type};
use crate::format::format_plain;
use crate::functions::Function;
use std::fmt::Write;

/// The JSON of an expression.
pub fn expr_json(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(expr, &mut out);
    out
}

fn text(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|s| text(s)).collect::<Vec<_>>().join(","))
}

fn json(expr: &Expr) -> String {
    expr_json(expr)
}

fn all(exprs: &[Expr]) -> String {
    format!("[{}]", exprs.iter().map(json).collect::<Vec<_>>().join(","))
}

fn length(l: Option<&Length>) -> String {
    match l {
        Some(Length::Fixed(ms)) => ms.to_string(),
        _ => "0".into(),
    }
}

fn at(at: At) -> String {
    let (time, word) = match at {
        At::None => ("null".to_owned(), "null"),
        At::Time(t) => (t.to_string(), "null"),
        At::Start => ("null".to_owned(), "\"start\""),
        At::End => ("null".to_owned(), "\"end\""),
    };
    format!("\"timestamp\":{time},\"startOrEnd\":{word}")
}

fn selector(s: &Selector) -> String {
    let matchers: Vec<String> = s
        .matchers
        .iter()
        .map(|m| {
            let (name, value) = (text(&m.name), text(&m.value));
            format!("{{\"name\":{name},\"value\":{value},\"type\":\"{}\"}}", m.op.symbol())
        })
        .collect();
    format!(
        "\"name\":{},\"offset\":{},\"matchers\":[{}],{},\"anchored\":{},\"smoothed\":{}",
        text(&s.name),
        length(s.offset.as_ref()),
        matchers.join(","),
        at(s.at),
        s.anchored,
        s.smoothed
    )
}

fn function(f: &Function) -> String {
    let args: Vec<String> = f.args.iter().map(|t| text(t.name())).collect();
    format!(
        "{{\"name\":{},\"argTypes\":[{}],\"variadic\":{},\"returnType\":{}}}",
        text(f.name),
        args.join(","),
        f.variadic,
        text(f.returns.name())
    )
}

fn matching(m: Option<&Matching>) -> String {
    let Some(m) = m else { return "null".into() };
    let fill = |v: Option<f64>| v.map_or("null".into(), |v| text(&format_plain(v)));
    format!(
        "{{\"card\":\"{}\",\"labels\":{},\"on\":{},\"include\":{},\"fillValues\":{{\"lhs\":{},\"rhs\":{}}}}}",
        m.card.name(),
        list(&m.labels),
        m.on,
        list(&m.include),
        fill(m.fill_left),
        fill(m.fill_right)
    )
}

fn write_expr(expr: &Expr, out: &mut String) {
    let node = match &expr.kind {
        Kind::Number { value, .. } => {
            format!("\"type\":\"numberLiteral\",\"val\":{}", text(&format_plain(*value)))
        }
        Kind::Text { value, .. } => format!("\"type\":\"stringLiteral\",\"val\":{}", text(value)),
        Kind::Selector(s) => format!("\"type\":\"vectorSelector\",{}", selector(s)),
        Kind::Matrix { selector: s, range } => {
            format!("\"type\":\"matrixSelector\",\"range\":{},{}", length(Some(range)), selector(s))
        }
        Kind::Subquery(s) => format!(
            "\"type\":\"subquery\",\"expr\":{},\"range\":{},\"offset\":{},\"step\":{},{}",
            json(&s.expr),
            length(Some(&s.range)),
            length(s.offset.as_ref()),
            length(s.step.as_ref()),
            at(s.at)
        ),
        Kind::Paren(e) => format!("\"type\":\"parenExpr\",\"expr\":{}", json(e)),
        Kind::Unary { minus, operand } => {
            let op = if *minus { "-" } else { "+" };
            format!("\"type\":\"unaryExpr\",\"op\":\"{op}\",\"expr\":{}", json(operand))
        }
        Kind::Binary(b) => {
            let vectors = b.left.value_type() == Type::Vector && b.right.value_type() == Type::Vector;
            format!(
                "\"type\":\"binaryExpr\",\"op\":\"{}\",\"lhs\":{},\"rhs\":{},\"matching\":{},\"bool\":{}",
                b.op.symbol(),
                json(&b.left),
                json(&b.right),
                matching(b.matching.as_ref().filter(|_| vectors)),
                b.return_bool
            )
        }
        Kind::Call { function: f, args } => {
            format!("\"type\":\"call\",\"func\":{},\"args\":{}", function(f), all(args))
        }
        Kind::Aggregate(a) => format!(
            "\"type\":\"aggregation\",\"op\":\"{}\",\"expr\":{},\"param\":{},\"grouping\":{},\"without\":{}",
            a.op.name(),
            json(&a.expr),
            a.param.as_ref().map_or("null".into(), json),
            list(&a.grouping),
            a.without
        ),
    };
    // Writing to a String does not fail.
    let _ = write!(out, "{{{node}}}");
}
