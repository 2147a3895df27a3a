//! What a predecessor has scraped last: another node, or this one before a restart.
//!
//! All samples of a scrape have the timestamp of its `up`, so the series of the last scrape are those with a sample at
//! that very moment. Others with the same labels (of rules, say, or with timestamps of their own) are left alone.

use super::Parts;
use crate::query::{Consistency, Request, Times};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use plimsoll_promql::{Point, Value};
use plimsoll_proto::exposition::write_series;
use plimsoll_scrape::{Target, is_report};
use std::time::Duration;

/// A question that takes longer is not worth it: the series end by themselves after the look-back.
const LIMIT: Duration = Duration::from_secs(5);
/// Scrapes that begin with the question while it has no answer.
const TRIES: u32 = 10;

/// Asks until there is an answer: after a fail-over shards may have no leader yet.
#[derive(Default)]
pub(super) struct Legacy {
    /// Before the first scrape of this node.
    until: Option<Timestamp>,
    tries: u32,
}

impl Legacy {
    /// The series that `target` had at its last scrape within the look-back before the first time that this was
    /// asked, once they are known.
    pub async fn series(&mut self, parts: &Parts, target: &Target, now: Timestamp) -> Option<Vec<Labels>> {
        if self.tries >= TRIES {
            return None;
        }
        self.tries += 1;
        let until = *self.until.get_or_insert(now - 1);
        let _turn = parts.questions.acquire().await.ok()?;
        match last_scrape(parts, target, until).await {
            Ok(series) => {
                self.tries = TRIES;
                Some(series)
            }
            Err(e) => {
                tracing::debug!(url = target.url, error = e, "what was scraped before is not known yet");
                None
            }
        }
    }
}

async fn last_scrape(parts: &Parts, target: &Target, now: Timestamp) -> Result<Vec<Labels>, String> {
    let mut up = String::from("timestamp(");
    write_series(&mut up, &target.labels.with(METRIC_NAME, "up"));
    up.push(')');
    let newest = ask(parts, up, now, None).await?.into_iter().filter_map(|(_, point)| match point {
        Point::Float(seconds) => Some((seconds * 1000.0).round() as Timestamp),
        Point::Histogram(_) => None,
    });
    let Some(at) = newest.max() else { return Ok(Vec::new()) };
    let mut all = String::new();
    write_series(&mut all, &target.labels);
    let found = ask(parts, all, at, Some(Duration::from_millis(1))).await?;
    let reports = |labels: &Labels| labels.metric_name().is_some_and(is_report);
    Ok(found.into_iter().map(|(labels, _)| labels).filter(|labels| !reports(labels)).collect())
}

async fn ask(
    parts: &Parts,
    text: String,
    at: Timestamp,
    lookback: Option<Duration>,
) -> Result<Vec<(Labels, Point)>, String> {
    let request = Request {
        text,
        times: Times::Instant(at),
        timeout: Some(LIMIT),
        lookback,
        origin: "scraper".to_owned(),
        consistency: Consistency::Lease,
        partial: false,
    };
    match parts.queries.run(request).await.map_err(|e| e.to_string())?.value {
        Value::Vector(_, series) => Ok(series.into_iter().map(|s| (s.labels, s.point)).collect()),
        _ => Ok(Vec::new()),
    }
}
