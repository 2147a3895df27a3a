//! Types and the rules that the grammar cannot say.

use crate::ast::{Aggregate, AggregateOp, Binary, Cardinality, Expr, Kind, Selector, Span, Type};
use crate::error::ParseError;
use crate::functions::Function;
use crate::regex::CompiledMatcher;
use plimsoll_model::METRIC_NAME;

pub(super) fn check(expr: &Expr, input: &str) -> Result<(), ParseError> {
    let error = |span: Span, message: String| Err(ParseError::new(input, span, message));
    match &expr.kind {
        Kind::Number { .. } | Kind::Text { .. } => Ok(()),
        Kind::Selector(selector) | Kind::Matrix { selector, .. } => {
            check_selector(selector, expr.span, false, input)
        }
        Kind::Subquery(s) => {
            check(&s.expr, input)?;
            match s.expr.value_type() {
                Type::Vector => Ok(()),
                t => {
                    let message =
                        format!("subquery is only allowed on instant vector, got {} instead", t.name());
                    error(expr.span, message)
                }
            }
        }
        Kind::Paren(inner) => check(inner, input),
        Kind::Unary { operand, .. } => {
            check(operand, input)?;
            match operand.value_type() {
                Type::Scalar | Type::Vector => Ok(()),
                t => {
                    let message = format!(
                        "unary expression only allowed on expressions of type scalar or instant vector, \
                         got {:?}",
                        t.documented()
                    );
                    error(expr.span, message)
                }
            }
        }
        Kind::Binary(b) => check_binary(b, expr.span, input),
        Kind::Aggregate(a) => check_aggregate(a, input),
        Kind::Call { function, args } => check_call(function, args, expr.span, input),
    }
}

fn expect_type(expr: &Expr, wanted: Type, context: &str, input: &str) -> Result<(), ParseError> {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    let message = format!("expected type {} in {context}, got {}", wanted.documented(), found.documented());
    Err(ParseError::new(input, expr.span, message))
}

fn check_aggregate(a: &Aggregate, input: &str) -> Result<(), ParseError> {
    check(&a.expr, input)?;
    expect_type(&a.expr, Type::Vector, "aggregation expression", input)?;
    let Some(param) = &a.param else { return Ok(()) };
    check(param, input)?;
    let wanted = if a.op == AggregateOp::CountValues { Type::String } else { Type::Scalar };
    expect_type(param, wanted, "aggregation parameter", input)
}

fn check_call(f: &Function, args: &[Expr], span: Span, input: &str) -> Result<(), ParseError> {
    let (count, declared) = (args.len(), f.args.len());
    let least = if f.variadic == 0 { declared } else { declared - 1 };
    let most = match f.variadic {
        0 => declared,
        n if n > 0 => least + n as usize,
        _ => usize::MAX,
    };
    if count < least || count > most {
        let bound = match f.variadic {
            0 => String::new(),
            _ if count < least => "at least ".to_owned(),
            _ => "at most ".to_owned(),
        };
        let wanted = if count < least { least } else { most };
        let message = format!("expected {bound}{wanted} argument(s) in call to {:?}, got {count}", f.name);
        return Err(ParseError::new(input, span, message));
    }
    for (i, arg) in args.iter().enumerate() {
        let wanted = f.args[i.min(declared - 1)];
        if f.name == "info" && i == 1 {
            match &arg.kind {
                Kind::Selector(s) if s.name.is_empty() => check_selector(s, arg.span, true, input)?,
                Kind::Selector(_) => {
                    let message = "expected label selectors only, got vector selector instead";
                    return Err(ParseError::new(input, arg.span, message));
                }
                _ => return Err(ParseError::new(input, arg.span, "expected label selectors only")),
            }
        } else {
            check(arg, input)?;
        }
        expect_type(arg, wanted, &format!("call to function {:?}", f.name), input)?;
    }
    Ok(())
}

fn check_binary(b: &Binary, span: Span, input: &str) -> Result<(), ParseError> {
    check(&b.left, input)?;
    check(&b.right, input)?;
    let error = |span: Span, message: String| Err(ParseError::new(input, span, message));
    let (lt, rt) = (b.left.value_type(), b.right.value_type());
    let operator = {
        let between = &input[b.left.span.end..b.right.span.start];
        let blank = between.len() - between.trim_start().len();
        Span { start: b.left.span.end + blank, end: b.right.span.start }
    };
    let matching = b.matching.clone().unwrap_or_default();
    if b.return_bool && !b.op.is_comparison() {
        return error(operator, "bool modifier can only be used on comparison operators".into());
    }
    if b.op.is_comparison() && !b.return_bool && lt == Type::Scalar && rt == Type::Scalar {
        return error(operator, "comparisons between scalars must use BOOL modifier".into());
    }
    if let Some(l) = matching.labels.iter().find(|l| matching.on && matching.include.contains(l)) {
        return error(operator, format!("label {l:?} must not occur in ON and GROUP clause at once"));
    }
    for (side, t) in [(&b.left, lt), (&b.right, rt)] {
        if t != Type::Scalar && t != Type::Vector {
            let message = "binary expression must contain only scalar and instant vector types";
            return error(side.span, message.into());
        }
    }
    let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
    if lt != Type::Vector || rt != Type::Vector {
        if !matching.labels.is_empty() {
            return error(span, "vector matching only allowed between instant vectors".into());
        }
        if filled {
            let message = "filling in missing series only allowed between instant vectors";
            return error(span, message.into());
        }
        if b.op.is_set() {
            let message = format!("set operator {:?} not allowed in binary scalar expression", b.op.symbol());
            return error(span, message);
        }
    } else if b.op.is_set() {
        if matches!(matching.card, Cardinality::OneToMany | Cardinality::ManyToOne) {
            return error(span, format!("no grouping allowed for {:?} operation", b.op.symbol()));
        }
        if filled {
            return error(span, "filling in missing series not allowed for set operators".into());
        }
    }
    Ok(())
}

fn check_selector(s: &Selector, span: Span, may_be_empty: bool, input: &str) -> Result<(), ParseError> {
    let error = |message: String| Err(ParseError::new(input, span, message));
    if !s.name.is_empty() {
        let others = &s.matchers[..s.matchers.len() - 1];
        if let Some(m) = others.iter().find(|m| m.name == METRIC_NAME) {
            return error(format!("metric name must not be set twice: {:?} or {:?}", s.name, m.value));
        }
        return Ok(());
    }
    let selective =
        s.matchers.iter().any(|m| CompiledMatcher::new(m).is_ok_and(|compiled| !compiled.matches("")));
    if !selective && !may_be_empty {
        return error("vector selector must contain at least one non-empty matcher".into());
    }
    Ok(())
}
