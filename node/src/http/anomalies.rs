//! Anomalies, what is watched for them, and forecasts.

use super::json::LabelSet;
use super::{ApiError, AppState, Params, json};
use crate::access::Who;
use crate::analytics::Anomaly;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{delete, get};
use axum::{Extension, Router};
use plimsoll_analytics::anomaly::Season;
use plimsoll_analytics::watch::Watch;
use serde_json::{Value, json};

/// Bytes of a watch.
const WATCH_BYTES: usize = 16 << 10;

/// The routes of anomalies and forecasts.
pub fn routes() -> Router<AppState> {
    let watches = get(list).post(put).layer(DefaultBodyLimit::max(WATCH_BYTES));
    Router::new()
        .route("/api/v1/anomalies", get(found))
        .route("/api/v1/anomalies/watches", watches)
        .route("/api/v1/anomalies/watches/{name}", delete(remove))
        .route("/api/v1/forecast", get(forecast).post(forecast))
}

/// `GET /api/v1/anomalies`: what is anomalous at `time`; with `all=true` every watched series.
async fn found(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let at = params.time("time")?.unwrap_or_else(crate::now_ms);
    let found = app.analytics.anomalies(at, params.flag("all")?).await?;
    let watches: Vec<Value> = app.analytics.watches().iter().map(watch_json).collect();
    let found: Vec<Value> = found.iter().map(anomaly_json).collect();
    Ok(json::success(json!({"anomalies": found, "watches": watches}), &[]))
}

fn anomaly_json(a: &Anomaly) -> Value {
    json!({
        "watch": a.watch, "labels": serde_json::to_value(LabelSet(&a.labels)).unwrap_or_default(),
        "value": a.value, "score": a.score, "threshold": a.threshold,
        "expected": a.expected, "lower": a.lower, "upper": a.upper,
    })
}

fn watch_json(watch: &Watch) -> Value {
    let mut shown = serde_json::to_value(watch).unwrap_or_default();
    shown["threshold"] = json!(watch.sensitivity.threshold());
    shown
}

/// `GET /api/v1/anomalies/watches`
async fn list(State(app): State<AppState>) -> Response {
    json::success(app.analytics.watches().iter().map(watch_json).collect::<Vec<_>>(), &[])
}

/// `POST /api/v1/anomalies/watches`: makes a watch or replaces the one of its name.
async fn put(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let watch: Watch = serde_json::from_slice(&body).map_err(|e| {
        ApiError::bad_data(format!(
            "the body should be {{\"name\", \"expr\", \"interval_s\"?, \"season\"?, \"sensitivity\"?, \"floor\"?}}: {e}"
        ))
    })?;
    app.analytics.put_watch(&who.author(), &watch).await?;
    Ok(json::success(watch_json(&watch), &[]))
}

/// `DELETE /api/v1/anomalies/watches/{name}`
async fn remove(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    app.analytics.remove_watch(&who.author(), &name).await?;
    Ok(json::success(json!({"name": name}), &[]))
}

/// `GET|POST /api/v1/forecast`
async fn forecast(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let horizon = params.duration("horizon")?.map_or(86_400_000, |d| d.as_millis() as i64);
    let season = season(params.get("season"))?;
    let at = params.time("time")?.unwrap_or_else(crate::now_ms);
    let (told, notes) = app.analytics.forecast(params.need("query")?, at, horizon, season).await?;
    let series: Vec<Value> = told
        .iter()
        .map(|(labels, forecast)| {
            let mut shown = serde_json::to_value(forecast).unwrap_or_default();
            shown["labels"] = serde_json::to_value(LabelSet(labels)).unwrap_or_default();
            shown
        })
        .collect();
    Ok(json::success(json!({"series": series}), &notes))
}

fn season(text: Option<&str>) -> Result<Season, ApiError> {
    let Some(text) = text else { return Ok(Season::Auto) };
    Season::parse(text)
        .ok_or_else(|| ApiError::bad_data(format!("season is auto, none, daily or weekly, not {text:?}")))
}
