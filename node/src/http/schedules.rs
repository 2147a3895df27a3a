//! Reports that are sent by themselves.

use super::{ApiError, AppState, json};
use crate::access::Who;
use crate::analytics::Run;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{delete, get};
use axum::{Extension, Router};
use plimsoll_analytics::schedule::{Schedule, When};
use serde_json::{Value, json};

/// Bytes of a schedule.
const SCHEDULE_BYTES: usize = 16 << 10;

/// The routes of schedules.
pub fn routes() -> Router<AppState> {
    let schedules = get(list).post(put).layer(DefaultBodyLimit::max(SCHEDULE_BYTES));
    Router::new()
        .route("/api/v1/reports/schedules", schedules)
        .route("/api/v1/reports/schedules/{name}", delete(remove))
}

/// `GET /api/v1/reports/schedules`
async fn list(State(app): State<AppState>) -> Response {
    let all = app.analytics.schedules();
    json::success(all.iter().map(|(s, run)| shown(s, run.as_ref())).collect::<Vec<_>>(), &[])
}

/// `POST /api/v1/reports/schedules`: makes a schedule or replaces the one of its name.
async fn put(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let schedule: Schedule = serde_json::from_slice(&body).map_err(|e| {
        ApiError::bad_data(format!(
            "the body should be {{\"name\", \"report\", \"when\", \"to\": \"file\" or {{\"webhook\": url}}, \"format\"?, \
             \"period_ms\"?, \"compare\"?, \"by\"?, \"selector\"?}}: {e}"
        ))
    })?;
    let schedule = app.analytics.put_schedule(&who.author(), schedule).await?;
    Ok(json::success(shown(&schedule, None), &[]))
}

/// `DELETE /api/v1/reports/schedules/{name}`
async fn remove(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    app.analytics.remove_schedule(&who.author(), &name).await?;
    Ok(json::success(json!({"name": name}), &[]))
}

fn shown(schedule: &Schedule, run: Option<&Run>) -> Value {
    let mut out = serde_json::to_value(schedule).unwrap_or_default();
    let next = When::parse(&schedule.when).ok().and_then(|when| when.next(crate::now_ms()));
    out["next_ms"] = json!(next);
    out["last"] = serde_json::to_value(run).unwrap_or_default();
    out
}
