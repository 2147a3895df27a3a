//! Small answers: whether the node lives and is ready.

use super::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::atomic::Ordering::Acquire;

/// `GET /-/healthy`: the process answers.
pub async fn healthy() -> &'static str {
    "plimsoll is healthy\n"
}

/// `GET /-/ready`: every shard has a leader that answers.
pub async fn ready(State(app): State<AppState>) -> Response {
    let waiting: Vec<String> = app.shards.leaderless().iter().map(ToString::to_string).collect();
    if app.ready.load(Acquire) && waiting.is_empty() {
        // it answers, and as a gateway it takes what other nodes have room for
        return match app.disk.check_writable() {
            Ok(()) => "plimsoll is ready\n".into_response(),
            Err(e) => format!("plimsoll is ready, and read-only: {e}\n").into_response(),
        };
    }
    let text = match app.ready.load(Acquire) {
        true => format!("plimsoll is not ready; nobody leads: {}\n", waiting.join(" ")),
        false => "plimsoll is starting\n".to_owned(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], text).into_response()
}
