//! Native histograms as JSON objects, an addition of ours to the JSON lines of others.

use super::json_text::{Elements, integer_of, members, number_of, text_of};
use super::{Limits, json_lines};
use plimsoll_model::{Histogram, ResetHint, Span, Timestamp};

type Result<T> = std::result::Result<T, &'static str>;

const HINTS: [(&[u8], ResetHint); 4] = [
    (b"unknown", ResetHint::Unknown),
    (b"yes", ResetHint::Yes),
    (b"no", ResetHint::No),
    (b"gauge", ResetHint::Gauge),
];

/// Reads one object. Members that are not there have the value of a default histogram.
pub(super) fn read(object: &[u8], limits: &Limits) -> Result<(Timestamp, Histogram)> {
    let mut timestamp = None;
    let mut h = Histogram::default();
    let most = limits.buckets_per_histogram;
    members(object, |key, value| {
        match key {
            b"timestamp" => timestamp = Some(integer_of(value)?),
            b"reset_hint" => h.reset_hint = read_hint(value)?,
            b"schema" => h.schema = i32::try_from(integer_of(value)?).map_err(|_| OUT_OF_RANGE)?,
            b"zero_threshold" => h.zero_threshold = json_lines::read_value(value)?,
            b"zero_count" => h.zero_count = json_lines::read_value(value)?,
            b"count" => h.count = json_lines::read_value(value)?,
            b"sum" => h.sum = json_lines::read_value(value)?,
            b"positive_spans" => h.positive_spans = read_column(value, most, read_span)?,
            b"negative_spans" => h.negative_spans = read_column(value, most, read_span)?,
            b"positive_buckets" => h.positive_buckets = read_column(value, most, number_of)?,
            b"negative_buckets" => h.negative_buckets = read_column(value, most, number_of)?,
            b"custom_values" => h.custom_values = read_column(value, most, json_lines::read_value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((timestamp.ok_or("a histogram has no timestamp")?, h))
}

const OUT_OF_RANGE: &str = "a number is out of range";

fn read_hint(value: &[u8]) -> Result<ResetHint> {
    let text = text_of(value)?;
    let hint = HINTS.iter().find(|(name, _)| *name == &*text);
    hint.map(|(_, hint)| *hint).ok_or("a reset hint must be unknown, yes, no or gauge")
}

fn read_column<T>(array: &[u8], most: usize, read: impl Fn(&[u8]) -> Result<T>) -> Result<Vec<T>> {
    let mut out = Vec::new();
    for value in Elements::of(array)? {
        if out.len() >= most {
            return Err("a histogram has more buckets or spans than allowed");
        }
        out.push(read(value?)?);
    }
    Ok(out)
}

fn read_span(array: &[u8]) -> Result<Span> {
    let mut parts = Elements::of(array)?;
    let (Some(offset), Some(length), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a span must be [offset, length]");
    };
    Ok(Span {
        offset: i32::try_from(integer_of(offset?)?).map_err(|_| OUT_OF_RANGE)?,
        length: u32::try_from(integer_of(length?)?).map_err(|_| OUT_OF_RANGE)?,
    })
}

/// Writes one object.
pub(super) fn write(out: &mut Vec<u8>, timestamp: Timestamp, h: &Histogram) {
    out.extend_from_slice(format!("{{\"timestamp\":{timestamp},\"reset_hint\":\"").as_bytes());
    out.extend_from_slice(HINTS[h.reset_hint as usize].0);
    out.extend_from_slice(format!("\",\"schema\":{}", h.schema).as_bytes());
    for (name, value) in [
        ("zero_threshold", h.zero_threshold),
        ("zero_count", h.zero_count),
        ("count", h.count),
        ("sum", h.sum),
    ] {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        json_lines::write_value(out, value);
    }
    for (name, spans) in [("positive_spans", &h.positive_spans), ("negative_spans", &h.negative_spans)] {
        let pair = |s: &Span| format!("[{},{}]", s.offset, s.length);
        let pairs: Vec<_> = spans.iter().map(pair).collect();
        out.extend_from_slice(format!(",\"{name}\":[{}]", pairs.join(",")).as_bytes());
    }
    for (name, column) in [
        ("positive_buckets", &h.positive_buckets),
        ("negative_buckets", &h.negative_buckets),
        ("custom_values", &h.custom_values),
    ] {
        out.extend_from_slice(format!(",\"{name}\":[").as_bytes());
        for (i, value) in column.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            json_lines::write_value(out, *value);
        }
        out.push(b']');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_stand_at_their_numbers() {
        for (i, (_, hint)) in HINTS.into_iter().enumerate() {
            assert_eq!(hint as usize, i);
        }
    }
}
