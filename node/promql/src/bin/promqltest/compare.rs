//! Whether an answer is the expected one.

use crate::script::{Eval, is_sample};
use plimsoll_model::{Histogram, Labels, is_stale};
use plimsoll_promql::{Described, Point, RangeSeries, Series, Value};
use std::collections::HashSet;

/// Relative error that is allowed.
const TOLERANCE: f64 = 1e-6;

fn equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || a.is_nan() && b.is_nan() {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// Populated buckets of a side.
fn cells(spans: &[plimsoll_model::Span], counts: &[f64]) -> Vec<(i64, f64)> {
    let mut out = Vec::new();
    let mut index = 0i64;
    let mut counts = counts.iter();
    for span in spans {
        index += i64::from(span.offset);
        for _ in 0..span.length {
            if let Some(count) = counts.next().filter(|c| **c != 0.0) {
                out.push((index, *count));
            }
            index += 1;
        }
    }
    out
}

fn equal_histograms(expected: &Histogram, actual: &Histogram, hinted: bool) -> bool {
    let side = |a: Vec<(i64, f64)>, b: Vec<(i64, f64)>| {
        a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.0 == y.0 && equal(x.1, y.1))
    };
    let custom = expected.schema == Histogram::CUSTOM_SCHEMA;
    expected.schema == actual.schema
        && equal(expected.count, actual.count)
        && equal(expected.sum, actual.sum)
        && (!custom || expected.custom_values == actual.custom_values)
        && expected.zero_threshold == actual.zero_threshold
        && equal(expected.zero_count, actual.zero_count)
        && side(
            cells(&expected.positive_spans, &expected.positive_buckets),
            cells(&actual.positive_spans, &actual.positive_buckets),
        )
        && side(
            cells(&expected.negative_spans, &expected.negative_buckets),
            cells(&actual.negative_spans, &actual.negative_buckets),
        )
        && (!hinted || expected.reset_hint == actual.reset_hint)
}

fn expected_of<'a>(eval: &'a Eval, labels: &Labels) -> Option<(usize, &'a [Described])> {
    // A metric that is described twice: the last description counts.
    let at = eval.series.iter().rposition(|s| s.labels == *labels)?;
    Some((at, &eval.series[at].values))
}

/// Compares an answer with what `eval` expects.
pub fn compare(eval: &Eval, value: &Value) -> Result<(), String> {
    match value {
        Value::Scalar(_, v) => match eval.scalar {
            Some(expected) if equal(expected, *v) => Ok(()),
            Some(expected) => Err(format!("expected scalar {expected} but got {v}")),
            None => Err(format!("expected a vector or matrix, got scalar {v}")),
        },
        Value::String(_, text) => match &eval.text {
            Some(expected) if expected == text => Ok(()),
            expected => Err(format!("expected string {expected:?} but got {text:?}")),
        },
        Value::Vector(_, series) => compare_vector(eval, series),
        Value::Matrix(series) => compare_matrix(eval, series),
    }
}

pub fn compare_vector(eval: &Eval, series: &[Series]) -> Result<(), String> {
    if eval.scalar.is_some() {
        return Err("expected a scalar, got a vector".into());
    }
    let mut seen = HashSet::new();
    for (position, s) in series.iter().enumerate() {
        let Some((at, values)) = expected_of(eval, &s.labels) else {
            return Err(format!("unexpected metric {} in result, has value {:?}", s.labels, s.point));
        };
        if eval.ordered && at != position {
            return Err(format!("expected metric {} at position {at}, it is at {position}", s.labels));
        }
        let fits = match (values.first(), &s.point) {
            (Some(Described::Float(expected)), Point::Float(actual)) => equal(*expected, *actual),
            (Some(Described::Histogram(expected, hinted)), Point::Histogram(actual)) => {
                equal_histograms(expected, actual, *hinted)
            }
            _ => false,
        };
        if !fits {
            return Err(format!("expected {:?} for {} but got {:?}", values.first(), s.labels, s.point));
        }
        seen.insert(at);
    }
    missing(eval, &seen)
}

fn missing(eval: &Eval, seen: &HashSet<usize>) -> Result<(), String> {
    for s in &eval.series {
        if expected_of(eval, &s.labels).is_some_and(|(at, _)| !seen.contains(&at)) {
            return Err(format!("expected metric {} not found", s.labels));
        }
    }
    Ok(())
}

fn compare_matrix(eval: &Eval, series: &[RangeSeries]) -> Result<(), String> {
    if eval.ordered {
        return Err("expected ordered result, but query returned a matrix".into());
    }
    if let Some(expected) = eval.scalar {
        return Err(format!("expected scalar {expected}, got a matrix"));
    }
    if let Some(w) = series.windows(2).find(|w| w[0].labels > w[1].labels) {
        return Err(format!("matrix is not sorted: {} before {}", w[0].labels, w[1].labels));
    }
    let (start, end, step) = eval.range.unwrap_or((eval.start, eval.end, eval.step));
    let mut seen = HashSet::new();
    for s in series {
        let Some((at, values)) = expected_of(eval, &s.labels) else {
            return Err(format!("unexpected metric {} in result: {:?}", s.labels, s.floats));
        };
        seen.insert(at);
        let mut floats = s.floats.iter();
        let mut histograms = s.histograms.iter();
        for (i, expected) in values.iter().enumerate().filter(|(_, v)| is_sample(v)) {
            let time = start + i as i64 * step;
            if time > end {
                return Err(format!("more points expected for {} than the range has", s.labels));
            }
            let fits = match expected {
                Described::Float(v) => floats.next().is_some_and(|(t, f)| *t == time && equal(*v, *f)),
                Described::Histogram(h, hinted) => histograms
                    .next()
                    .is_some_and(|(t, actual)| *t == time && equal_histograms(h, actual, *hinted)),
                Described::Omitted => true,
            };
            if !fits {
                return Err(format!(
                    "expected {expected:?} at {time} for {}, result has {:?} and {:?}",
                    s.labels, s.floats, s.histograms
                ));
            }
        }
        if floats.next().is_some() || histograms.next().is_some() {
            return Err(format!("more points than expected for {}: {:?}", s.labels, s.floats));
        }
    }
    missing(eval, &seen)
}
