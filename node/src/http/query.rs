//! Questions in PromQL.

use super::{ApiError, AppState, Params, answer, json};
use crate::query::{Request, Times};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use plimsoll_promql::{ParseOptions, Rollups, ast::Expr, expr_json};
use serde_json::json;

/// `GET|POST /api/v1/query`
pub async fn instant(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let at = params.time("time")?.unwrap_or_else(crate::now_ms);
    let request = request(&params, &headers, Times::Instant(at))?;
    Ok(answer::respond(app.queries.run_with(request, rollups(&params)?).await?, params.number("limit")?))
}

/// `GET|POST /api/v1/query_range`
pub async fn range(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    params.need("start")?;
    params.need("end")?;
    params.need("step")?;
    let (start, end) = (params.time("start")?.unwrap_or(0), params.time("end")?.unwrap_or(0));
    if end < start {
        return Err(ApiError::bad_data(
            "invalid parameter \"end\": end timestamp must not be before start time",
        ));
    }
    let step = params.duration("step")?.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    if step <= 0 {
        return Err(ApiError::bad_data(
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    let request = request(&params, &headers, Times::Range { start, end, step })?;
    Ok(answer::respond(app.queries.run_with(request, rollups(&params)?).await?, params.number("limit")?))
}

fn request(params: &Params, headers: &HeaderMap, times: Times) -> Result<Request, ApiError> {
    let reading = params.reading()?;
    Ok(Request {
        text: params.need("query")?.to_owned(),
        times,
        timeout: params.duration("timeout")?,
        lookback: params.duration("lookback_delta")?,
        origin: origin(headers),
        consistency: reading.consistency,
        partial: reading.partial,
    })
}

/// What may be read from rolled-up hours: `rollup=1h` also sums, which may differ in the last digit, `rollup=off` nothing.
fn rollups(params: &Params) -> Result<Rollups, ApiError> {
    match params.get("rollup") {
        None => Ok(Rollups::Exact),
        Some("1h") => Ok(Rollups::Sums),
        Some("off") => Ok(Rollups::Off),
        Some(other) => Err(ApiError::bad_data(format!("rollup is 1h or off, not {other:?}"))),
    }
}

/// Grafana's dashboard and panel, or the program that asks.
fn origin(headers: &HeaderMap) -> String {
    let get = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match (get("x-dashboard-uid"), get("x-panel-id")) {
        (Some(dashboard), panel) => format!("dashboard {dashboard} panel {}", panel.unwrap_or("?")),
        (None, _) => get("user-agent").unwrap_or("").chars().take(100).collect(),
    }
}

/// `GET|POST /api/v1/query_exemplars`: exemplars are not kept yet, and Grafana wants a list.
pub async fn exemplars(params: Params) -> Result<Response, ApiError> {
    let text = params.need("query")?;
    parsed(text)?;
    Ok(json::success(json!([]), &[]))
}

fn parsed(text: &str) -> Result<Expr, ApiError> {
    plimsoll_promql::parse(text, ParseOptions::default()).map_err(|e| ApiError::bad_data(e.to_string()))
}

/// `GET|POST /api/v1/format_query`
pub async fn format(params: Params) -> Result<Response, ApiError> {
    let text = params.need("query")?;
    Ok(json::success(parsed(text)?.to_string(), &[]))
}

/// `GET|POST /api/v1/parse_query`
pub async fn parse(params: Params) -> Result<Response, ApiError> {
    let text = params.need("query")?;
    let tree = expr_json(&parsed(text)?);
    Ok(json::stream("application/json", move |out| write!(out, "{{\"status\":\"success\",\"data\":{tree}}}")))
}

/// `GET /api/v1/queries`: what runs, and the slowest of the past.
pub async fn list(State(app): State<AppState>) -> Response {
    let (active, slow) = app.queries.list();
    json::success(json!({"active": active, "slow": slow}), &[])
}

/// `POST /api/v1/queries/<id>/cancel`
pub async fn cancel(State(app): State<AppState>, Path(id): Path<u64>) -> Result<Response, ApiError> {
    if app.queries.cancel(id) {
        return Ok(json::success(json!({"cancelled": id}), &[]));
    }
    Err(ApiError::not_found(format!("no query {id} runs; GET /api/v1/queries lists those that do")))
}
