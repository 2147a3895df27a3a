//! The answer of a query as JSON, written piece by piece.

use super::json::{self, LabelSet};
use axum::response::Response;
use plimsoll_model::{Histogram, Timestamp};
use plimsoll_promql::{Answer, Bucket, Point, RangeSeries, Series, Value, all_buckets, format_float};
use std::io::{self, Write};

/// Answers with `answer`; at most `limit` series (0 or none: all), with a warning when some are left out.
pub fn respond(mut answer: Answer, limit: Option<usize>) -> Response {
    if let Some(limit) = limit.filter(|n| *n > 0) {
        let before = match &mut answer.value {
            Value::Vector(_, all) => cut(all, limit),
            Value::Matrix(all) => cut(all, limit),
            Value::Scalar(..) | Value::String(..) => false,
        };
        if before {
            answer.warnings.push("results truncated due to limit".to_owned());
        }
    }
    json::stream("application/json", move |out| write(out, &answer))
}

fn cut<T>(all: &mut Vec<T>, limit: usize) -> bool {
    let more = all.len() > limit;
    all.truncate(limit);
    more
}

fn write(out: &mut dyn Write, answer: &Answer) -> io::Result<()> {
    out.write_all(b"{\"status\":\"success\",\"data\":{\"resultType\":\"")?;
    match &answer.value {
        Value::Scalar(at, v) => {
            write!(out, "scalar\",\"result\":")?;
            pair(out, *at, *v)?;
        }
        Value::String(at, text) => {
            write!(out, "string\",\"result\":[{},", Time(*at))?;
            serde_json::to_writer(&mut *out, text)?;
            out.write_all(b"]")?;
        }
        Value::Vector(at, all) => {
            out.write_all(b"vector\",\"result\":[")?;
            each(out, all, |out, s| vector_series(out, *at, s))?;
            out.write_all(b"]")?;
        }
        Value::Matrix(all) => {
            out.write_all(b"matrix\",\"result\":[")?;
            each(out, all, matrix_series)?;
            out.write_all(b"]")?;
        }
    }
    out.write_all(b"}")?;
    for (name, notes) in [("warnings", &answer.warnings), ("infos", &answer.infos)] {
        if !notes.is_empty() {
            write!(out, ",\"{name}\":")?;
            serde_json::to_writer(&mut *out, notes)?;
        }
    }
    out.write_all(b"}")
}

fn each<T>(
    out: &mut dyn Write,
    all: &[T],
    mut one: impl FnMut(&mut dyn Write, &T) -> io::Result<()>,
) -> io::Result<()> {
    for (i, item) in all.iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        one(out, item)?;
    }
    Ok(())
}

/// A series of an instant answer.
pub fn vector_series(out: &mut dyn Write, at: Timestamp, series: &Series) -> io::Result<()> {
    out.write_all(b"{\"metric\":")?;
    serde_json::to_writer(&mut *out, &LabelSet(&series.labels))?;
    match &series.point {
        Point::Float(v) => {
            out.write_all(b",\"value\":")?;
            pair(out, at, *v)?;
        }
        Point::Histogram(h) => {
            out.write_all(b",\"histogram\":")?;
            histogram_pair(out, at, h)?;
        }
    }
    out.write_all(b"}")
}

/// A series of a range answer.
pub fn matrix_series(out: &mut dyn Write, series: &RangeSeries) -> io::Result<()> {
    out.write_all(b"{\"metric\":")?;
    serde_json::to_writer(&mut *out, &LabelSet(&series.labels))?;
    if !series.floats.is_empty() {
        out.write_all(b",\"values\":[")?;
        each(out, &series.floats, |out, (t, v)| pair(out, *t, *v))?;
        out.write_all(b"]")?;
    }
    if !series.histograms.is_empty() {
        out.write_all(b",\"histograms\":[")?;
        each(out, &series.histograms, |out, (t, h)| histogram_pair(out, *t, h))?;
        out.write_all(b"]")?;
    }
    out.write_all(b"}")
}

/// `[seconds,"value"]`
fn pair(out: &mut dyn Write, at: Timestamp, value: f64) -> io::Result<()> {
    // most values of counters are whole: no search for the shortest digits
    if value.fract() == 0.0 && value.abs() < 1e15 && (value != 0.0 || value.is_sign_positive()) {
        return write!(out, "[{},\"{}\"]", Time(at), value as i64);
    }
    write!(out, "[{},\"{}\"]", Time(at), format_float(value))
}

fn histogram_pair(out: &mut dyn Write, at: Timestamp, h: &Histogram) -> io::Result<()> {
    write!(
        out,
        "[{},{{\"count\":\"{}\",\"sum\":\"{}\"",
        Time(at),
        format_float(h.count),
        format_float(h.sum)
    )?;
    let mut buckets = all_buckets(h);
    buckets.retain(|b| b.count != 0.0);
    if !buckets.is_empty() {
        out.write_all(b",\"buckets\":[")?;
        each(out, &buckets, |out, b| {
            let (low, high, count) = (format_float(b.lower), format_float(b.upper), format_float(b.count));
            write!(out, "[{},\"{low}\",\"{high}\",\"{count}\"]", boundaries(b))
        })?;
        out.write_all(b"]")?;
    }
    out.write_all(b"}]")
}

/// Which bounds belong to a bucket, by Prometheus' numbers: 0 the upper, 1 the lower, 3 both.
fn boundaries(b: &Bucket) -> u8 {
    match b {
        b if b.lower == f64::NEG_INFINITY || (b.lower < 0.0 && b.upper > 0.0) || b.lower == b.upper => 3,
        b if b.lower < 0.0 => 1,
        _ => 0,
    }
}

/// A time in seconds, with milliseconds only where there are any.
pub struct Time(pub Timestamp);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, ms) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        match ms % 1000 {
            0 => write!(f, "{sign}{}", ms / 1000),
            rest => {
                let text = format!("{rest:03}");
                write!(f, "{sign}{}.{}", ms / 1000, text.trim_end_matches('0'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Labels;

    fn text(value: Value) -> String {
        let mut out = Vec::new();
        let answer =
            Answer { value, warnings: vec!["w".into()], infos: Vec::new(), stats: Default::default() };
        write(&mut out, &answer).expect("a vector takes all");
        String::from_utf8(out).expect("JSON is text")
    }

    #[test]
    fn the_shapes_are_those_of_prometheus() {
        assert_eq!(
            text(Value::Scalar(4000, 2.0)),
            r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]},"warnings":["w"]}"#
        );
        let labels = Labels::from_pairs([("a", "\"<\u{1}")]).expect("labels");
        let series = Series { labels, point: Point::Float(f64::NAN) };
        assert_eq!(
            text(Value::Vector(-1500, vec![series])),
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"\"<\u0001"},"value":[-1.5,"NaN"]}]},"warnings":["w"]}"#
        );
        for (v, shown) in [(-0.0, "-0"), (1e15, "1000000000000000"), (0.1, "0.1"), (f64::INFINITY, "+Inf")] {
            assert!(text(Value::Scalar(1, v)).contains(&format!("[0.001,\"{shown}\"]")), "{v}");
        }
    }
}
