//! Attributes of OpenTelemetry as text.

use crate::escape::push_json;
use crate::ingest::Refusal;
use crate::ingest::wire::{Fields, Wire};
use std::borrow::Cow;
use std::fmt::Write;

/// Lists and maps inside one another that are read; nobody sends more than two.
const DEPTH: usize = 8;

/// Attributes of one thing that are read, by far more than anyone sends: a resource is read for each new series.
const MOST: usize = 256;

/// Bytes of one value that are read. Texts are judged by their own limit later; this bounds what is copied before.
const VALUE_BYTES: usize = 64 << 10;

/// Calls `visit` with the key and the value message of each attribute among the fields called `field` of `message`.
pub(super) fn each<'a>(
    message: &'a [u8],
    field: u32,
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let (mut fields, mut seen) = (Fields::new(message), 0);
    while let Some((number, value)) = next(&mut fields)? {
        if number == field {
            seen += 1;
            if seen > MOST {
                return Err(Refusal::TooManyLabels);
            }
            let (key, value) = pair(bytes(value)?)?;
            visit(key, value)?;
        }
    }
    Ok(())
}

/// Key and value message of a `KeyValue`.
pub(super) fn pair(message: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let (mut key, mut content) = (&b""[..], &b""[..]);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = next(&mut fields)? {
        match number {
            1 => key = bytes(value)?,
            2 => content = bytes(value)?,
            _ => {}
        }
    }
    Ok((key, content))
}

/// The text of an `AnyValue`: strings as they are, numbers and switches as JSON writes them, lists and maps as JSON,
/// bytes in base64.
pub(super) fn text(value: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    if value.len() > VALUE_BYTES {
        return Err(Refusal::LabelValueTooLong);
    }
    Ok(match any(value)? {
        Any::None => Cow::Borrowed(b""),
        Any::Text(text) => Cow::Borrowed(text),
        Any::Bytes(bytes) => Cow::Owned(base64(bytes).into_bytes()),
        other => {
            let mut out = String::new();
            push(&mut out, &other, DEPTH)?;
            Cow::Owned(out.into_bytes())
        }
    })
}

enum Any<'a> {
    None,
    Text(&'a [u8]),
    Switch(bool),
    Whole(i64),
    Number(f64),
    List(&'a [u8]),
    Map(&'a [u8]),
    Bytes(&'a [u8]),
}

fn any(message: &[u8]) -> Result<Any<'_>, Refusal> {
    let mut found = Any::None;
    let mut fields = Fields::new(message);
    while let Some((number, value)) = next(&mut fields)? {
        found = match number {
            1 => Any::Text(bytes(value)?),
            2 => Any::Switch(value.varint().map_err(malformed)? != 0),
            3 => Any::Whole(value.varint().map_err(malformed)? as i64),
            4 => Any::Number(value.double().map_err(malformed)?),
            5 => Any::List(bytes(value)?),
            6 => Any::Map(bytes(value)?),
            7 => Any::Bytes(bytes(value)?),
            _ => continue,
        };
    }
    Ok(found)
}

fn push(out: &mut String, value: &Any<'_>, depth: usize) -> Result<(), Refusal> {
    if depth == 0 {
        return Err(Refusal::MalformedLabels);
    }
    match value {
        Any::None => out.push_str("null"),
        Any::Text(text) => quoted(out, text)?,
        Any::Switch(on) => out.push_str(if *on { "true" } else { "false" }),
        Any::Whole(n) => put(out, format_args!("{n}")),
        Any::Number(v) => number(out, *v),
        Any::Bytes(bytes) => put(out, format_args!("\"{}\"", base64(bytes))),
        Any::List(items) => {
            out.push('[');
            let mut fields = Fields::new(items);
            let mut first = true;
            while let Some((_, item)) = next(&mut fields)? {
                comma(out, &mut first);
                push(out, &any(bytes(item)?)?, depth - 1)?;
            }
            out.push(']');
        }
        Any::Map(items) => {
            out.push('{');
            let mut first = true;
            each(items, 1, |key, value| {
                comma(out, &mut first);
                quoted(out, key)?;
                out.push(':');
                push(out, &any(value)?, depth - 1)
            })?;
            out.push('}');
        }
    }
    Ok(())
}

fn comma(out: &mut String, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(',');
    }
}

fn quoted(out: &mut String, text: &[u8]) -> Result<(), Refusal> {
    let text = std::str::from_utf8(text).map_err(|_| Refusal::NotUtf8)?;
    let mut bytes = Vec::with_capacity(text.len() + 2);
    push_json(&mut bytes, text);
    out.push_str(&String::from_utf8_lossy(&bytes));
    Ok(())
}

fn number(out: &mut String, v: f64) {
    let size = v.abs();
    if v == 0.0 || (1e-6..1e21).contains(&size) || !v.is_finite() {
        put(out, format_args!("{v}"));
    } else {
        put(out, format_args!("{v:e}"));
    }
}

/// Writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let n = three.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

fn next<'a>(fields: &mut Fields<'a>) -> Result<Option<(u32, Wire<'a>)>, Refusal> {
    fields.next().map_err(malformed)
}

fn bytes(value: Wire<'_>) -> Result<&[u8], Refusal> {
    value.bytes().map_err(malformed)
}

fn malformed(_: crate::ingest::DecodeError) -> Refusal {
    Refusal::MalformedLabels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opentelemetry::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value};
    use prost::Message;

    fn written(value: Value) -> Result<String, Refusal> {
        let message = AnyValue { value: Some(value) }.encode_to_vec();
        text(&message).map(|t| String::from_utf8_lossy(&t).into_owned())
    }

    #[test]
    fn values_of_every_kind_become_text() {
        let of = |value| AnyValue { value: Some(value) };
        let list = Value::ArrayValue(ArrayValue {
            values: vec![
                of(Value::StringValue("a\"b".into())),
                of(Value::IntValue(-2)),
                AnyValue { value: None },
            ],
        });
        let pair = KeyValue { key: "k".into(), value: Some(of(list.clone())) };
        for (value, want) in [
            (Value::StringValue("plain".into()), "plain"),
            (Value::BoolValue(true), "true"),
            (Value::IntValue(i64::MIN), "-9223372036854775808"),
            (Value::DoubleValue(0.5), "0.5"),
            (Value::DoubleValue(1e300), "1e300"),
            (Value::BytesValue(b"any carnal pleas".to_vec()), "YW55IGNhcm5hbCBwbGVhcw=="),
            (Value::BytesValue(b"ab".to_vec()), "YWI="),
            (list, r#"["a\"b",-2,null]"#),
            (Value::KvlistValue(KeyValueList { values: vec![pair] }), r#"{"k":["a\"b",-2,null]}"#),
        ] {
            assert_eq!(written(value), Ok(want.to_owned()));
        }
        assert_eq!(text(b""), Ok(Cow::Borrowed(&b""[..])));
    }

    #[test]
    fn a_thousand_lists_in_one_another_are_refused() {
        let mut value = Value::IntValue(1);
        for _ in 0..50 {
            value = Value::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] });
        }
        assert_eq!(written(value), Err(Refusal::MalformedLabels));
    }
}
