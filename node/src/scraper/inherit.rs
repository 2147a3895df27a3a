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

/// The series that `target` had at its last scrape within the look-back before `now`, if there was one.
pub(super) async fn series(parts: &Parts, target: &Target, now: Timestamp) -> Vec<Labels> {
    let Ok(_turn) = parts.questions.acquire().await else { return Vec::new() };
    match last_scrape(parts, target, now).await {
        Ok(series) => series,
        Err(e) => {
            tracing::debug!(target = target.url, error = e, "what was scraped before is not known");
            Vec::new()
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
        partial: true,
    };
    match parts.queries.run(request).await.map_err(|e| e.to_string())?.value {
        Value::Vector(_, series) => Ok(series.into_iter().map(|s| (s.labels, s.point)).collect()),
        _ => Ok(Vec::new()),
    }
}
