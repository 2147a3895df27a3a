//! Calls about series: `series`, `labels`, `label/<name>/values`, `metadata`, cardinality.

use super::{ApiError, AppState, Params, json};
use crate::peer::Kind;
use crate::query::Question;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use plimsoll_model::{Labels, Matcher, TimeRange};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Entries of one answer unless `limit` says otherwise, as Grafana asks for.
const DEFAULT_LIMIT: usize = 40_000;

/// A node that takes longer to tell its metadata is left out: it is help, not data.
const METADATA_LIMIT: Duration = Duration::from_secs(1);

/// The selectors of a call: each `match[]` is one list of matchers, a series has to fulfil one of them.
pub(super) fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>, ApiError> {
    params
        .all("match[]")
        .map(|text| {
            plimsoll_promql::parse_selector(text)
                .map_err(|e| ApiError::bad_data(format!("invalid parameter \"match[]\": {e}")))
        })
        .collect()
}

pub(super) fn range(params: &Params) -> Result<TimeRange, ApiError> {
    let start = params.time("start")?.unwrap_or(TimeRange::ALL.start);
    let end = params.time("end")?.unwrap_or(TimeRange::ALL.end);
    if start > end {
        return Err(ApiError::bad_data("end timestamp must not be before start time"));
    }
    Ok(TimeRange { start, end })
}

/// The answer's entries cut to `limit` (0: no limit), and `warnings` with one more when something was cut.
fn cut<T>(
    mut all: Vec<T>,
    params: &Params,
    mut warnings: Vec<String>,
) -> Result<(Vec<T>, Vec<String>), ApiError> {
    let limit = params.number("limit")?.unwrap_or(DEFAULT_LIMIT);
    if limit > 0 && all.len() > limit {
        all.truncate(limit);
        warnings.push("results truncated due to limit".to_owned());
    }
    Ok((all, warnings))
}

/// `GET|POST /api/v1/series`
pub async fn series(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let (selectors, range) = (selectors(&params)?, range(&params)?);
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided; add match[]=<selector>"));
    }
    let limit = params.number("limit")?.filter(|n| *n > 0).map_or(u64::MAX, |n| n as u64 + 1);
    let (found, missing) = app
        .labels::<BTreeSet<Labels>>(Question::Series { selectors, range, limit }, params.reading()?)
        .await?;
    let (found, warnings) = cut(found.into_iter().collect(), &params, missing)?;
    Ok(json::success(json::LabelSets(&found), &warnings))
}

/// `GET|POST /api/v1/labels`
pub async fn labels(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let (selectors, range) = (at_least_one(selectors(&params)?), range(&params)?);
    let question = Question::LabelNames { selectors, range };
    let (found, missing) = app.texts::<BTreeSet<String>>(question, params.reading()?).await?;
    let (found, warnings) = cut(found.into_iter().collect(), &params, missing)?;
    Ok(json::success(found, &warnings))
}

/// `GET /api/v1/label/<name>/values`; names may be escaped as `U__...`
pub async fn label_values(
    State(app): State<AppState>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let (selectors, range) = (at_least_one(selectors(&params)?), range(&params)?);
    let name = plimsoll_proto::escape::unescape_name(&name).into_owned();
    if name.is_empty() {
        return Err(ApiError::bad_data("the label name is empty"));
    }
    let question = Question::LabelValues { name, selectors, range };
    let (found, missing) = app.texts::<BTreeSet<String>>(question, params.reading()?).await?;
    let (found, warnings) = cut(found.into_iter().collect(), &params, missing)?;
    Ok(json::success(found, &warnings))
}

/// No selector selects every series.
fn at_least_one(mut selectors: Vec<Vec<Matcher>>) -> Vec<Vec<Matcher>> {
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    selectors
}

/// `GET /api/v1/metadata`
pub async fn metadata(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let limit = params.number("limit")?.filter(|n| *n > 0).unwrap_or(usize::MAX);
    // senders tell their metadata to the node that they write to
    let ask = |node| {
        let call = app.shards.peers().call(node, Kind::Metadata, 0, Bytes::new());
        tokio::time::timeout(METADATA_LIMIT, call)
    };
    let peers = app.shards.peers().known();
    let alive = peers.into_iter().filter(|node| app.cluster.view().is_alive(*node));
    for answer in futures::future::join_all(alive.map(ask)).await {
        if let Ok(Ok(saved)) = answer {
            app.metadata.merge(&saved);
        }
    }
    let all: BTreeMap<String, serde_json::Value> = app.metadata.list(params.get("metric"), limit);
    Ok(json::success(all, &[]))
}
