//! Targets in the shapes of Prometheus' API, and the documents that say what is scraped.

use super::{ApiError, AppState, Params, json};
use crate::access::Who;
use crate::peer::Kind;
use crate::scraper::{APPLIED, Document, Health, NAMESPACE, Shown, ShownMeta, Told};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use plimsoll_ownership::Action;
use plimsoll_promql::CompiledMatcher;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Time that a node gets to tell about its targets.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes of a document; the ownership state takes 4 MB.
const DOCUMENT_BYTES: usize = 3 << 20;

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/targets/metadata", get(metadata))
        .route("/api/v1/scrape_pools", get(pools))
        .route(
            "/api/v1/scrape/config",
            get(config).post(apply).delete(remove).layer(DefaultBodyLimit::max(DOCUMENT_BYTES)),
        )
}

/// Asks every other node that is alive; those that do not answer in time are left out.
async fn ask<T: DeserializeOwned>(app: &AppState, kind: Kind, body: &str) -> Vec<T> {
    let body = Bytes::from(body.to_owned());
    let call = |node| tokio::time::timeout(LIMIT, app.shards.peers().call(node, kind, 0, body.clone()));
    let peers = app.shards.peers().known();
    let alive = peers.into_iter().filter(|node| app.cluster.view().is_alive(*node));
    let answers = futures::future::join_all(alive.map(call)).await;
    let read = |answer: Result<Result<Bytes, _>, _>| serde_json::from_slice(&answer.ok()?.ok()?).ok();
    answers.into_iter().filter_map(read).collect()
}

/// What all nodes tell: of each target what the one says that scrapes it.
async fn told(app: &AppState) -> Told {
    let mut all = app.scraper.told();
    let mut targets: BTreeMap<String, Shown> = BTreeMap::new();
    let mut pools: BTreeSet<String> = std::mem::take(&mut all.pools).into_iter().collect();
    let mine = std::mem::take(&mut all.targets);
    let others: Vec<Told> = ask(app, Kind::Targets, "").await;
    let theirs = others.into_iter().flat_map(|other| {
        pools.extend(other.pools);
        other.targets
    });
    for target in mine.into_iter().chain(theirs.collect::<Vec<_>>()) {
        let newer =
            |known: &Shown| (target.node.is_some(), target.last_ms) > (known.node.is_some(), known.last_ms);
        if targets.get(&target.key).is_none_or(newer) {
            targets.insert(target.key.clone(), target);
        }
    }
    all.targets = targets.into_values().collect();
    all.targets.sort_by(|a, b| (&a.pool, &a.url, &a.key).cmp(&(&b.pool, &b.url, &b.key)));
    all.pools = pools.into_iter().collect();
    all
}

/// `GET /api/v1/targets`
async fn targets(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let state = params.get("state").unwrap_or("any");
    if !matches!(state, "any" | "active" | "dropped") {
        return Err(ApiError::bad_data(format!("state is active, dropped or any, not {state:?}")));
    }
    let pool = params.get("scrapePool");
    let wanted = |name: &str| pool.is_none_or(|pool| pool == name);
    let told = told(&app).await;
    let active: Vec<Value> =
        told.targets.iter().filter(|t| state != "dropped" && wanted(&t.pool)).map(active).collect();
    let dropped = told.dropped.iter().filter(|(job, _)| state != "active" && wanted(job));
    let dropped: Vec<Value> =
        dropped.map(|(job, labels)| json!({"discoveredLabels": labels, "scrapePool": job})).collect();
    let data = json!({
        "activeTargets": active,
        "droppedTargets": dropped,
        "droppedTargetCounts": told.dropped_counts,
    });
    Ok(json::success(data, &told.errors))
}

fn active(target: &Shown) -> Value {
    let health = match target.health {
        Health::Unknown => "unknown",
        Health::Up => "up",
        Health::Down => "down",
    };
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(target.last_ms) * 1_000_000);
    // what was never scraped has the first moment of Go's calendar
    let at = at.ok().filter(|_| target.last_ms > 0).and_then(|at| at.format(&Rfc3339).ok());
    json!({
        "discoveredLabels": target.discovered,
        "labels": target.labels,
        "scrapePool": target.pool,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": target.error,
        "lastScrape": at.unwrap_or_else(|| "0001-01-01T00:00:00Z".to_owned()),
        "lastScrapeDuration": target.seconds,
        "health": health,
        "scrapeInterval": target.interval,
        "scrapeTimeout": target.timeout,
        // beyond Prometheus
        "node": target.node,
        "samples": target.samples,
    })
}

/// `GET /api/v1/targets/metadata`
async fn metadata(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let metric = params.get("metric");
    let limit = params.number("limit")?.filter(|n| *n > 0).unwrap_or(usize::MAX);
    let matchers = match params.get("match_target") {
        None => Vec::new(),
        Some(text) => plimsoll_promql::parse_selector(text).map_err(|e| ApiError::bad_data(e.to_string()))?,
    };
    let matchers = matchers.iter().map(CompiledMatcher::new).collect::<Result<Vec<_>, _>>();
    let matchers = matchers.map_err(|e| ApiError::bad_data(e.to_string()))?;
    let mut all = app.scraper.metadata(metric);
    let others: Vec<Vec<ShownMeta>> = ask(&app, Kind::TargetMetadata, metric.unwrap_or("")).await;
    all.extend(others.into_iter().flatten());
    let fits = |m: &ShownMeta| {
        matchers.iter().all(|matcher| matcher.matches(m.target.get(&matcher.name).map_or("", String::as_str)))
    };
    let show = |m: ShownMeta| {
        let mut shown = json!({"target": m.target, "type": m.kind, "help": m.help, "unit": m.unit});
        if metric.is_none() {
            shown["metric"] = m.metric.into();
        }
        shown
    };
    let data: Vec<Value> = all.into_iter().filter(fits).take(limit).map(show).collect();
    Ok(json::success(data, &[]))
}

/// `GET /api/v1/scrape_pools`
async fn pools(State(app): State<AppState>) -> Response {
    json::success(json!({"scrapePools": told(&app).await.pools}), &[])
}

/// `GET /api/v1/scrape/config`: the documents that hold, secrets included; for admins alone.
async fn config(State(app): State<AppState>) -> Response {
    let documents: Vec<Value> = app.cluster.read(|state| {
        let shown = |(key, value): (&str, &plimsoll_ownership::Value)| {
            let document: Document = serde_json::from_slice(&value.bytes).unwrap_or_default();
            json!({"source": key, "epoch": value.epoch.0, "base": document.base, "yaml": document.text})
        };
        state.values(NAMESPACE).map(shown).collect()
    });
    json::success(json!({"documents": documents}), &[])
}

/// Parameters of a document.
#[derive(serde::Deserialize)]
struct Wish {
    /// Only say what is wrong with it.
    #[serde(default)]
    check: bool,
}

/// `POST /api/v1/scrape/config`: a document instead of the one applied before.
async fn apply(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Query(wish): Query<Wish>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let refused = |text: String| {
        metrics::counter!("plimsoll_scrape_config_refused_total").increment(1);
        ApiError::bad_data(text)
    };
    let text = std::str::from_utf8(&body).map_err(|_| refused("the document is not UTF-8".to_owned()))?;
    let config = plimsoll_scrape::parse(text).map_err(|problems| refused(listed(&problems)))?;
    let relative = config.relative_paths();
    if !relative.is_empty() {
        return Err(refused(listed(&relative)));
    }
    if !wish.check {
        let document = Document { text: text.to_owned(), base: String::new() };
        put(&app, &who, Some(document.encode())).await?;
        tracing::info!(jobs = config.jobs.len(), by = who.author(), "a scrape configuration was applied");
    }
    let jobs: Vec<&str> = config.jobs.iter().map(|job| job.name.as_str()).collect();
    let warnings: Vec<String> = config.warnings.iter().map(|w| w.0.clone()).collect();
    Ok(json::success(json!({"jobs": jobs, "applied": !wish.check}), &warnings))
}

/// `DELETE /api/v1/scrape/config`: takes the applied document back.
async fn remove(State(app): State<AppState>, Extension(who): Extension<Who>) -> Result<Response, ApiError> {
    if app.cluster.read(|state| state.value(NAMESPACE, APPLIED).is_none()) {
        return Err(ApiError::not_found(
            "no scrape configuration was applied; files of nodes are changed there",
        ));
    }
    put(&app, &who, None).await?;
    Ok(json::success(json!({"applied": false}), &[]))
}

fn listed(problems: &[plimsoll_scrape::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

async fn put(app: &AppState, who: &Who, value: Option<Vec<u8>>) -> Result<(), ApiError> {
    let action = Action::Put { namespace: NAMESPACE.to_owned(), key: APPLIED.to_owned(), value, seen: None };
    app.cluster.change(&who.author(), action).await.map(drop).map_err(|e| {
        if let crate::cluster::Error::Refused(_) = e {
            return e.into();
        }
        let text = format!("the change was not confirmed, it may or may not hold: {e}");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    })
}
