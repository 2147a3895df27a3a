//! `eq`, `ne`, `lt` and their like: kinds do not mix, as in Go.

use super::Error;
use super::value::Value;
use std::cmp::Ordering;

/// How two values of one kind compare; nothing for NaN.
fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, Error> {
    Ok(match (a, b) {
        (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Nil, Value::Nil) => Some(Ordering::Equal),
        (Value::Labels(_) | Value::Map(_) | Value::List(_) | Value::Object(_), _) => {
            return Err(Error::new("non-comparable type"));
        }
        _ => return Err(Error::new("incompatible types for comparison")),
    })
}

/// The outcome of a comparison with the name `op`.
pub(super) fn compare(op: &str, args: &[Value]) -> Result<Value, Error> {
    let [first, rest @ ..] = args else { return Err(Error::new("missing argument for comparison")) };
    if rest.is_empty() {
        return Err(Error::new("missing argument for comparison"));
    }
    if op == "eq" {
        for other in rest {
            if order(first, other)? == Some(Ordering::Equal) {
                return Ok(Value::Bool(true));
            }
        }
        return Ok(Value::Bool(false));
    }
    let [other] = rest else {
        return Err(Error::new(format!("wrong number of args for {op}: want 2 got {}", args.len())));
    };
    if matches!((op, first), ("lt" | "le" | "gt" | "ge", Value::Bool(_))) {
        return Err(Error::new("invalid type for comparison"));
    }
    let found = order(first, other)?;
    Ok(Value::Bool(match op {
        "ne" => found != Some(Ordering::Equal),
        "lt" => found == Some(Ordering::Less),
        "le" => matches!(found, Some(Ordering::Less | Ordering::Equal)),
        "gt" => found == Some(Ordering::Greater),
        _ => matches!(found, Some(Ordering::Greater | Ordering::Equal)),
    }))
}
