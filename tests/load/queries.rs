//! Times PromQL queries through the Prometheus HTTP API and compares answers.

use anyhow::{Context, Result, bail};
use plimsoll_tests::http::Http;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Instant;

/// One line of a query file: `name | instant | promql` or `name | range SECONDS STEP | promql`.
pub struct Query {
    pub name: String,
    pub promql: String,
    /// Seconds back from the end and step; nothing for an instant.
    range: Option<(f64, String)>,
}

/// A server's answer to one query.
pub struct Timed {
    pub median_ms: f64,
    pub answer: Result<Answer, String>,
}

/// Series, by their labels in JSON with sorted keys, to their points: timestamp in ms to value.
#[derive(Debug, Default, PartialEq)]
pub struct Answer(BTreeMap<String, BTreeMap<i64, f64>>);

/// Reads a query file.
pub fn read(path: &Path) -> Result<Vec<Query>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let mut parts = line.splitn(3, '|').map(str::trim);
        let (Some(name), Some(kind), Some(promql)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("not `name | kind | promql`: {line}");
        };
        let range = match kind.split_whitespace().collect::<Vec<_>>()[..] {
            ["instant"] => None,
            ["range", seconds, step] => {
                Some((seconds.parse().context("seconds of a range")?, step.to_owned()))
            }
            _ => bail!("not `instant` or `range SECONDS STEP`: {kind}"),
        };
        queries.push(Query { name: name.to_owned(), promql: promql.to_owned(), range });
    }
    Ok(queries)
}

impl Query {
    /// Asks `runs` times with the last instant at `end` (Unix seconds).
    pub fn time(&self, http: &Http, end: f64, runs: usize) -> Timed {
        let (mut times, mut answer) = (Vec::new(), Err("never asked".to_owned()));
        for _ in 0..runs {
            let began = Instant::now();
            let got = self.ask(http, end);
            times.push(began.elapsed().as_secs_f64() * 1e3);
            answer = got.and_then(|body| read_answer(&body));
        }
        times.sort_by(f64::total_cmp);
        Timed { median_ms: times[times.len() / 2], answer }
    }

    fn ask(&self, http: &Http, end: f64) -> Result<Vec<u8>, String> {
        let stamp = |seconds: f64| format!("{seconds:.3}");
        let answer = match &self.range {
            None => {
                http.get("/api/v1/query", &[("query", &self.promql), ("time", &stamp(end)), ("nocache", "1")])
            }
            Some((back, step)) => http.get(
                "/api/v1/query_range",
                &[
                    ("query", &self.promql),
                    ("start", &stamp(end - back)),
                    ("end", &stamp(end)),
                    ("step", step),
                    ("nocache", "1"),
                ],
            ),
        };
        answer.map(|answer| answer.body).map_err(|e| e.to_string())
    }
}

fn read_answer(body: &[u8]) -> Result<Answer, String> {
    let json: Value = serde_json::from_slice(body)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&body[..body.len().min(200)])))?;
    if json["status"] != "success" {
        return Err(json["error"].to_string());
    }
    let result = &json["data"]["result"];
    let mut answer = Answer::default();
    if json["data"]["resultType"] == "scalar" {
        answer.0.insert("scalar".to_owned(), [point(result)].into());
        return Ok(answer);
    }
    for series in result.as_array().into_iter().flatten() {
        let points = match series["values"].as_array() {
            Some(points) => points.iter().map(point).collect(),
            None => [point(&series["value"])].into(),
        };
        answer.0.insert(series["metric"].to_string(), points);
    }
    Ok(answer)
}

fn point(pair: &Value) -> (i64, f64) {
    let at = (pair[0].as_f64().unwrap_or(0.0) * 1e3).round() as i64;
    let value = match pair[1].as_str().unwrap_or_default() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap_or(f64::NAN),
    };
    (at, value)
}

impl Answer {
    /// How many series and points it has.
    pub fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(BTreeMap::len).sum())
    }

    /// The first difference to `other`, values being equal within a relative `tolerance`.
    pub fn difference(&self, other: &Self, tolerance: f64) -> Option<String> {
        let only = |a: &Self, b: &Self| a.0.keys().find(|series| !b.0.contains_key(*series)).cloned();
        if let Some(series) = only(self, other) {
            return Some(format!(
                "{series} is only here ({} series against {})",
                self.0.len(),
                other.0.len()
            ));
        }
        if let Some(series) = only(other, self) {
            return Some(format!(
                "{series} is only there ({} series against {})",
                self.0.len(),
                other.0.len()
            ));
        }
        for (series, points) in &self.0 {
            let others = &other.0[series];
            if points.len() != others.len() || !points.keys().eq(others.keys()) {
                return Some(format!(
                    "{series} has {} points against {}, or others",
                    points.len(),
                    others.len()
                ));
            }
            for ((at, value), wanted) in points.iter().zip(others.values()) {
                if !same(*value, *wanted, tolerance) {
                    return Some(format!("{series} at {at}: {value} against {wanted}"));
                }
            }
        }
        None
    }
}

fn same(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &str) -> Answer {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"a":"b"}},"value":[1.5,"{value}"]}}]}}}}"#
        );
        read_answer(body.as_bytes()).expect("a good answer")
    }

    #[test]
    fn values_within_the_tolerance_are_the_same_answer() {
        assert_eq!(answer("1").difference(&answer("1.0000000001"), 1e-9), None);
        assert_eq!(answer("NaN").difference(&answer("NaN"), 0.0), None);
        assert_eq!(answer("+Inf").difference(&answer("+Inf"), 0.0), None);
        assert!(
            answer("1")
                .difference(&answer("1.1"), 1e-9)
                .is_some_and(|d| d.contains("at 1500: 1 against 1.1"))
        );
        assert!(answer("1").difference(&Answer::default(), 1e-9).is_some());
        assert!(Answer::default().difference(&answer("1"), 1e-9).is_some());
    }

    #[test]
    fn a_query_file_is_read_and_a_broken_line_is_named() {
        let queries =
            parse("# a comment\n\na | instant | up\nb | range 60 15 | a | b\n").expect("good lines");
        assert_eq!(queries.len(), 2);
        assert_eq!(queries[1].promql, "a | b");
        assert!(parse("a | sometimes | up").is_err());
    }
}
