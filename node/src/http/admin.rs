//! Upkeep ahead of its time.

use super::{ApiError, AppState, json};
use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use std::time::Instant;

/// `POST /api/v1/admin/checkpoint`: moves all heads into RocksDB and lets the log be cut.
pub async fn checkpoint(State(app): State<AppState>) -> Result<Response, ApiError> {
    let began = Instant::now();
    for shard in app.shards.locals() {
        shard.checkpoint().await?;
    }
    Ok(json::success(json!({"seconds": began.elapsed().as_secs_f64()}), &[]))
}

/// `POST /api/v1/admin/scrub`: reads all that this node holds and verifies it.
pub async fn scrub(State(app): State<AppState>) -> Response {
    let began = Instant::now();
    let damaged = crate::repair::scrub(&app.shards, std::time::Duration::ZERO).await;
    json::success(json!({"seconds": began.elapsed().as_secs_f64(), "damaged": damaged}), &[])
}

/// `POST /api/v1/admin/compact`: merges the chunks of all buckets, the open one included.
pub async fn compact(State(app): State<AppState>) -> Result<Response, ApiError> {
    let began = Instant::now();
    let before = app.database.disk_bytes()?;
    for shard in app.shards.locals() {
        shard.compact(true).await?;
    }
    app.log.purge().map_err(crate::shard::Error::from)?;
    let after = app.database.disk_bytes()?;
    let data =
        json!({"seconds": began.elapsed().as_secs_f64(), "bytes_before": before, "bytes_after": after});
    Ok(json::success(data, &[]))
}
