//! What the node is, holds and does.

use super::{ApiError, AppState, Params, json};
use crate::disk;
use axum::extract::State;
use axum::response::Response;
use plimsoll_ownership::NodeState;
use serde_json::{Value, json};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// Prometheus' API level that this one follows; Grafana chooses its calls by it.
const API_VERSION: &str = "2.55.0";

/// `GET /api/v1/status`: all of it, for `plimsoll status` and `plimsoll top`.
pub async fn node(State(app): State<AppState>) -> Response {
    // with a million series the shards' numbers take a while
    match tokio::task::spawn_blocking(move || json::success(node_data(&app), &[])).await {
        Ok(response) => response,
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    }
}

fn node_data(app: &AppState) -> Value {
    let shards: Vec<Value> = app.shards.locals().iter().map(shard).collect();
    let sum = |key: &str| shards.iter().filter_map(|s| s[key].as_u64()).sum::<u64>();
    let (nodes, replication) = app.cluster.read(|s| {
        let active = s.nodes().filter(|n| n.state == NodeState::Active).count();
        (active, active.min(usize::from(s.replication())))
    });
    let (active, total) = app.queries.counts();
    let settings = &app.settings;
    let disk_bytes = app.database.disk_bytes().unwrap_or_default();
    json!({
        "node": {
            "id": app.cluster.node_id().to_string(),
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": app.started.elapsed().as_secs_f64(),
            "ready": app.ready.load(Acquire) && app.shards.leaderless().is_empty(),
            "listen": settings.node.listen.to_string(),
            "data_dir": settings.node.data_dir.display().to_string(),
        },
        "cluster": {
            "id": app.cluster.id(),
            "nodes": nodes,
            "shards": app.shards.count(),
            "replication_factor": replication,
        },
        "storage": {
            "series": sum("series"),
            "head_samples": sum("head_samples"),
            "disk_bytes": disk_bytes,
            "log_bytes": app.log.stats().disk_bytes,
            "retention_seconds": settings.storage.retention.duration().as_secs(),
        },
        "disk": disk(app),
        "ingest": {
            "samples_total": app.collector.totals().samples.load(Relaxed),
            "refused_total": app.collector.totals().refused.load(Relaxed),
            "requests_total": app.collector.totals().requests.load(Relaxed),
            "in_flight_bytes": app.collector.in_flight_bytes(),
        },
        "queries": {"active": active, "total": total},
        "shards": shards,
    })
}

fn disk(app: &AppState) -> Value {
    let (state, reason) = match app.disk.state() {
        disk::State::Writable => ("writable", String::new()),
        disk::State::ReadOnly { reason } => ("read-only", reason),
        disk::State::Slow { since_s } => ("slow", format!("the disk has been slow for {since_s} s")),
    };
    json!({"state": state, "reason": reason, "free_bytes": app.disk.free_bytes()})
}

fn shard(shard: &crate::shard::Shard) -> Value {
    let Ok(live) = shard.live() else {
        return json!({"id": shard.id.0, "role": "starting"});
    };
    let (raft, held) = (live.group.status(), live.storage().statistics());
    json!({
        "id": shard.id.0,
        "leader": raft.leader.map(|n| n.to_string()),
        // with its term from one look at the group: who leads in which term must not be mixed up
        "role": if raft.is_leader { "leader" } else { "follower" },
        "term": raft.term,
        "applied": raft.applied,
        "series": held.series,
        "head_samples": held.head_samples,
        "bytes": held.disk_bytes,
    })
}

/// `GET /api/v1/status/buildinfo`
///
/// The version is that of the API, by which Grafana chooses its calls; ours is beside it. There is no list
/// `features`: with one Grafana would take this for Mimir.
pub async fn build_info() -> Response {
    let data = json!({
        "version": API_VERSION,
        "revision": "",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "plimsoll",
        "plimsollVersion": env!("CARGO_PKG_VERSION"),
    });
    json::success(data, &[])
}

/// `GET /api/v1/status/runtimeinfo`
pub async fn runtime_info(State(app): State<AppState>) -> Response {
    let retention = app.settings.storage.retention.to_string();
    let series: u64 =
        app.shards.locals().iter().filter_map(|s| s.live().ok()).map(|l| l.storage().series_count()).sum();
    let data = json!({
        "startTime": rfc3339(app.started_ms),
        "CWD": std::env::current_dir().unwrap_or_default().display().to_string(),
        "reloadConfigSuccess": true,
        "timeSeriesCount": series,
        "corruptionCount": 0,
        "storageRetention": retention,
    });
    json::success(data, &[])
}

/// `GET /api/v1/status/flags`: the settings that hold, as strings.
pub async fn flags(State(app): State<AppState>) -> Response {
    let settings = &app.settings;
    let data = json!({
        "storage.tsdb.path": settings.node.data_dir.display().to_string(),
        "storage.tsdb.retention.time": settings.storage.retention.to_string(),
        "query.lookback-delta": settings.query.lookback.to_string(),
        "query.max-concurrency": settings.query.concurrency.to_string(),
        "query.max-samples": settings.query.max_samples.to_string(),
        "query.timeout": settings.query.timeout.to_string(),
        "web.listen-address": settings.node.listen.to_string(),
    });
    json::success(data, &[])
}

/// `GET /api/v1/status/config`: the settings that hold, as TOML.
pub async fn config(State(app): State<AppState>) -> Response {
    json::success(json!({"yaml": app.settings.effective().to_string()}), &[])
}

/// `GET /api/v1/status/tsdb`: what has the most series.
pub async fn tsdb(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let limit = params.number("limit")?.unwrap_or(10);
    let found = app.cardinality(Vec::new(), limit).await?;
    let list = |entries: Vec<(String, u64)>| -> Vec<Value> {
        entries.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    let metrics = found.metrics.iter().map(|m| (m.name.clone(), m.series)).collect();
    let labels = found.labels.iter().map(|l| (l.name.clone(), l.values)).collect();
    let pairs = found.pairs.iter().map(|p| (format!("{}={}", p.name, p.value), p.series)).collect();
    let mut totals = (0u64, i64::MAX, i64::MIN);
    for held in app.shards.locals().iter().filter_map(|s| s.live().ok()).map(|l| l.storage().statistics()) {
        totals.0 += held.label_pairs;
        if let Some(range) = held.range {
            (totals.1, totals.2) = (totals.1.min(range.start), totals.2.max(range.end));
        }
    }
    let data = json!({
        "headStats": {
            "numSeries": found.series,
            "numLabelPairs": totals.0,
            "minTime": totals.1,
            "maxTime": totals.2,
        },
        "seriesCountByMetricName": list(metrics),
        "labelValueCountByLabelName": list(labels),
        "memoryInBytesByLabelName": [],
        "seriesCountByLabelValuePair": list(pairs),
    });
    Ok(json::success(data, &[]))
}

fn rfc3339(ms: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    let text = at.ok().and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok());
    text.unwrap_or_default()
}
