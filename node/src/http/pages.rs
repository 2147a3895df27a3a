//! Small answers: health, the start page, and lists that are empty as long as there are no rules.

use super::{AppState, json};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;
use std::sync::atomic::Ordering::Acquire;

/// `GET /-/healthy`: the process answers.
pub async fn healthy() -> &'static str {
    "plimsoll is healthy\n"
}

/// `GET /-/ready`: every shard takes writes and answers.
pub async fn ready(State(app): State<AppState>) -> Response {
    if app.ready.load(Acquire) && app.shards.all_live() {
        // it answers, and as a gateway it takes what other nodes have room for
        return match app.disk.check_writable() {
            Ok(()) => "plimsoll is ready\n".into_response(),
            Err(e) => format!("plimsoll is ready, and read-only: {e}\n").into_response(),
        };
    }
    let waiting: Vec<String> = app.shards.iter().filter(|s| !s.is_live()).map(|s| s.id.to_string()).collect();
    let text = format!("plimsoll is not ready; waiting for: {}\n", waiting.join(" "));
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], text).into_response()
}

/// `GET /api/v1/rules`: no rules are evaluated yet.
pub async fn rules() -> Response {
    json::success(json!({"groups": []}), &[])
}

/// `GET /api/v1/alerts`
pub async fn alerts() -> Response {
    json::success(json!({"alerts": []}), &[])
}

/// `GET /api/v1/alertmanagers`
pub async fn alertmanagers() -> Response {
    json::success(json!({"activeAlertmanagers": [], "droppedAlertmanagers": []}), &[])
}

/// `GET /`: where to go from here.
pub async fn start() -> Html<&'static str> {
    Html(include_str!("start.html"))
}
