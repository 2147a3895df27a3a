//! What the writers write, and how a node is asked for it.

use crate::{Ledger, Verdict};
use plimsoll_tests::http::Http;
use plimsoll_tests::remote_write::SeriesBytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of all series of a scenario.
pub const METRIC: &str = "chaos_cluster_value";

/// Samples of one question. Answers stay small enough to be held and read at once.
const SPAN_MS: i64 = 60_000;

/// Unix time in ms.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_millis() as i64
}

/// The labels of a series of a writer.
pub fn series(writer: usize, number: usize) -> SeriesBytes {
    let (writer, number) = (writer.to_string(), number.to_string());
    SeriesBytes::new(&[("__name__", METRIC), ("job", "chaos"), ("writer", &writer), ("series", &number)])
}

/// Compares all that a node answers about a writer's series, read strongly, with the writer's ledger.
///
/// An error tells that the node could not answer.
pub fn audit(http: &Http, writer: usize, ledger: &Ledger) -> Result<Verdict, String> {
    let spans = ledger.series().filter_map(|series| ledger.span(series));
    let Some((first, last)) = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
        return Ok(Verdict::default());
    };
    let mut verdict = Verdict::default();
    let mut from = first;
    while from <= last {
        let to = last.min(from + SPAN_MS - 1);
        let part = ledger.window(from, to);
        let mut found = raw(http, writer, from, to)?;
        for series in ledger.series() {
            verdict.add(part.check(series, &found.remove(&series).unwrap_or_default()));
        }
        verdict.foreign += found.values().map(BTreeMap::len).sum::<usize>();
        from = to + 1;
    }
    Ok(verdict)
}

/// The stored samples of a writer between two times, both included, by a plain range selector.
fn raw(
    http: &Http,
    writer: usize,
    from_ms: i64,
    to_ms: i64,
) -> Result<BTreeMap<usize, BTreeMap<i64, f64>>, String> {
    let query = format!("{METRIC}{{writer=\"{writer}\"}}[{}ms]", to_ms - from_ms + 1);
    let time = format!("{}.{:03}", to_ms.div_euclid(1000), to_ms.rem_euclid(1000));
    let parameters = [("query", query.as_str()), ("time", &time), ("consistency", "strong")];
    let answer = http.get("/api/v1/query", &parameters).map_err(|e| e.to_string())?;
    if answer.status != 200 {
        return Err(format!("{} {}", answer.status, answer.text()));
    }
    let json: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
    let mut found = BTreeMap::new();
    for one in json["data"]["result"].as_array().into_iter().flatten() {
        let number = one["metric"]["series"].as_str().and_then(|text| text.parse().ok());
        let number: usize = number.ok_or_else(|| format!("a series of nobody: {}", one["metric"]))?;
        let points = one["values"].as_array().into_iter().flatten();
        found.insert(number, points.map(point).collect::<Option<_>>().ok_or("a point that is none")?);
    }
    Ok(found)
}

fn point(point: &Value) -> Option<(i64, f64)> {
    Some(((point[0].as_f64()? * 1e3).round() as i64, point[1].as_str()?.parse().ok()?))
}
