//! The store as the duty sees it: samples of a window, last values before one, and the way in.

use super::Error;
use crate::collector::{Collector, Row, RowValue};
use crate::query::{Answers, Consistency, FanOut, Part, Queries, Question, Request, Times};
use crate::shard::Shards;
use futures::{StreamExt, TryStreamExt, stream};
use plimsoll_model::{Labels, METRIC_NAME, Matcher, TimeRange, Timestamp};
use plimsoll_promql::{Budget, Point, RangeSeries, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Selectors in one question.
const SELECTORS: usize = 200;
/// Questions for single series at a time.
const AT_ONCE: usize = 4;
/// From so many series of one metric on, all of the metric are read at once.
const MANY: usize = 16;
/// Rows in one write.
const ROWS: usize = 5_000;

/// Reads and writes series.
#[derive(Clone)]
pub struct Store {
    /// The shards.
    pub shards: Shards,
    /// The way out.
    pub queries: Queries,
    /// The way in.
    pub collector: Collector,
    /// What is older is not there.
    pub retention_ms: i64,
}

impl Store {
    /// Samples of `selector` after `from`, up to `to`.
    pub async fn samples(
        &self,
        selector: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<RangeSeries>, Error> {
        let text = format!("{selector}[{}ms]", (to - from).max(1));
        match self.ask(text, Times::Instant(to)).await? {
            Value::Matrix(series) => Ok(series),
            _ => Err(Error::Asked("a range of samples was expected".to_owned())),
        }
    }

    /// What `expr` is at `at`.
    pub async fn vector(&self, expr: String, at: Timestamp) -> Result<Vec<(Labels, f64)>, Error> {
        let Value::Vector(_, series) = self.ask(expr, Times::Instant(at)).await? else {
            return Err(Error::Asked("a vector was expected".to_owned()));
        };
        let float = |s: plimsoll_promql::Series| match s.point {
            Point::Float(value) => Some((s.labels, value)),
            Point::Histogram(_) => None,
        };
        Ok(series.into_iter().filter_map(float).collect())
    }

    /// What `text` is.
    pub async fn ask(&self, text: String, times: Times) -> Result<Value, Error> {
        let request = Request {
            text,
            times,
            timeout: None,
            lookback: None,
            origin: "agents".to_owned(),
            consistency: Consistency::Lease,
            partial: false,
        };
        Ok(self.queries.run(request).await?.value)
    }

    /// The last sample of each of `wanted` at or before `at`, as far as there is one. The time is only told of samples
    /// that are not older than `near_ms`.
    pub async fn last(
        &self,
        wanted: &[Labels],
        at: Timestamp,
        near_ms: i64,
    ) -> Result<HashMap<Labels, (Option<Timestamp>, f64)>, Error> {
        let present = self.existing(wanted, at).await?;
        let mut found = HashMap::new();
        let mut by_metric: BTreeMap<&str, Vec<&Labels>> = BTreeMap::new();
        for labels in &present {
            by_metric.entry(labels.metric_name().unwrap_or("")).or_default().push(labels);
        }
        for (metric, labels) in &by_metric {
            if labels.len() >= MANY {
                let selector = format!("{{{METRIC_NAME}={}}}", quoted(metric));
                let near = self.samples(&selector, at - near_ms - 1, at).await?;
                found
                    .extend(near.into_iter().filter_map(|s| newest(&s).filter(|(l, _)| present.contains(l))));
            }
        }
        let rest: Vec<Labels> = present.iter().filter(|l| !found.contains_key(*l)).cloned().collect();
        let single = |labels: Labels| async move {
            let selector = exactly(&labels);
            let near = self.samples(&selector, at - near_ms - 1, at).await?;
            if let Some(found) = near.iter().filter(|s| s.labels == labels).find_map(newest) {
                return Ok::<_, Error>(Some(found));
            }
            let far = format!("last_over_time({selector}[{}ms])", self.retention_ms);
            let far = self.ask(far, Times::Instant(at)).await?;
            Ok(far_value(far, &labels).map(|value| (labels, (None, value))))
        };
        let rest: Vec<Option<_>> =
            stream::iter(rest).map(single).buffer_unordered(AT_ONCE).try_collect().await?;
        found.extend(rest.into_iter().flatten());
        Ok(found)
    }

    /// Those of `wanted` that may have samples at or before `at`.
    async fn existing(&self, wanted: &[Labels], at: Timestamp) -> Result<HashSet<Labels>, Error> {
        let wanted: BTreeSet<&Labels> = wanted.iter().collect();
        let all: Vec<&Labels> = wanted.iter().copied().collect();
        let mut found = HashSet::new();
        for some in all.chunks(SELECTORS) {
            let matchers = |l: &&Labels| l.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
            let question = Question::Series {
                selectors: some.iter().map(matchers).collect(),
                range: TimeRange { start: at.saturating_sub(self.retention_ms), end: at },
                limit: u64::MAX,
            };
            let labels = self.series(question).await?.into_iter();
            found.extend(labels.filter(|labels| wanted.contains(labels)));
        }
        Ok(found)
    }

    /// Whether there is any series like this.
    pub async fn any(&self, matchers: Vec<Matcher>) -> Result<bool, Error> {
        let question = Question::Series { selectors: vec![matchers], range: TimeRange::ALL, limit: 1 };
        Ok(!self.series(question).await?.is_empty())
    }

    async fn series(&self, question: Question) -> Result<Vec<Labels>, Error> {
        let mut budget = Budget::default();
        budget.max_series = u64::MAX;
        let asked = FanOut::new(&self.shards, question, budget, Consistency::Lease);
        let Answers { parts, missing } = asked.run().await?;
        if let Some((_, reason)) = missing.first() {
            let shards = missing.iter().map(|(id, _)| *id).collect();
            return Err(crate::query::Error::Missing { shards, reason: reason.clone() }.into());
        }
        let series = parts.into_iter().flat_map(|part| match part {
            Part::Series(series) => series,
            _ => Vec::new(),
        });
        Ok(series.filter_map(|bytes| Labels::from_bytes(&bytes).ok()).collect())
    }

    /// Writes rows; all of them are durable when this returns.
    pub async fn write(&self, rows: Vec<Row>) -> Result<(), Error> {
        for some in rows.chunks(ROWS) {
            let receipt = self.collector.rows(some.to_vec()).await?;
            let refused = &receipt.decoded.refused;
            if let Some((refusal, count, _)) = refused.iter().next() {
                return Err(Error::Refused { count, reason: refusal.to_string() });
            }
        }
        Ok(())
    }
}

/// A row.
pub fn row(labels: Labels, timestamp: Timestamp, value: f64) -> Row {
    Row { labels, timestamp, value: RowValue::Float(value) }
}

fn newest(series: &RangeSeries) -> Option<(Labels, (Option<Timestamp>, f64))> {
    let float = series.floats.last().copied();
    let histogram = series.histograms.last().map(|(at, h)| (*at, h.sum));
    let last = float.into_iter().chain(histogram).max_by_key(|(at, _)| *at);
    last.map(|(at, value)| (series.labels.clone(), (Some(at), value)))
}

/// The value of `labels` in an answer, from which the metric's name may be gone.
fn far_value(answer: Value, labels: &Labels) -> Option<f64> {
    let Value::Vector(_, series) = answer else { return None };
    let nameless = |l: &Labels| l.filter(|n| n != METRIC_NAME);
    let found = series.into_iter().find(|s| nameless(&s.labels) == nameless(labels))?;
    Some(match found.point {
        Point::Float(value) => value,
        Point::Histogram(histogram) => histogram.sum,
    })
}

/// A selector that names all labels of a series.
fn exactly(labels: &Labels) -> String {
    // a quoted name may be any text, also a word of the language
    let matcher = |(name, value): (&str, &str)| format!("{}={}", quoted(name), quoted(value));
    format!("{{{}}}", labels.iter().map(matcher).collect::<Vec<_>>().join(","))
}

/// A text as PromQL writes it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_of_odd_labels_is_read_back() {
        let pairs = [("__name__", "gen_ai.usage"), ("a.b", "say \"x\"\\"), ("c", "line\nend ü")];
        let labels = Labels::from_pairs(pairs).expect("each once");
        let matchers = plimsoll_promql::parse_selector(&exactly(&labels)).expect("it is PromQL");
        let mut read: Vec<(&str, &str)> =
            matchers.iter().map(|m| (m.name.as_str(), m.value.as_str())).collect();
        read.sort_unstable();
        assert_eq!(read, labels.iter().collect::<Vec<_>>());
    }
}
