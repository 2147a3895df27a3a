//! Times PromQL queries through the Prometheus HTTP API.

use anyhow::{Context, Result, bail};
use plimsoll_tests::answer::Answer;
use plimsoll_tests::http::Http;
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
            answer = got.and_then(|body| Answer::read(&body));
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

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_file_is_read_and_a_broken_line_is_named() {
        let queries =
            parse("# a comment\n\na | instant | up\nb | range 60 15 | a | b\n").expect("good lines");
        assert_eq!(queries.len(), 2);
        assert_eq!(queries[1].promql, "a | b");
        assert!(parse("a | sometimes | up").is_err());
    }
}
