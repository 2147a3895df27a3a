//! This node's own copy of a shard, in short: for comparing replicas.

use super::{ApiError, AppState, Params, json};
use crate::shard::Error;
use axum::extract::State;
use axum::response::Response;
use plimsoll_model::{ShardId, TimeRange};
use serde_json::json;

/// How often a digest is taken again because entries were applied meanwhile.
const TRIES: usize = 3;

/// `GET /api/v1/admin/replica?shard=N`: `applied` and a digest of all that this node's replica holds there. Replicas
/// with equal `applied` have equal digests; nobody else is asked, so one that is behind says so.
pub async fn replica(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let text = params.need("shard")?;
    let number = text
        .parse()
        .map_err(|_| ApiError::bad_data(format!("shard is the number of a shard, not {text:?}")))?;
    let id = ShardId(number);
    let held = app.shards.local(id).ok_or_else(|| {
        ApiError::not_found(format!("this node holds no replica of {id}; GET /api/v1/cluster tells who does"))
    })?;
    for _ in 0..TRIES {
        let live = held.live()?;
        let (storage, before) = (live.storage(), live.group.status());
        let taken = tokio::task::spawn_blocking(move || storage.digest_at(TimeRange::ALL)).await;
        let digest = match taken {
            Ok(digest) => digest?,
            Err(join) => std::panic::resume_unwind(join.into_panic()),
        };
        if live.group.status().applied == before.applied {
            let data = json!({
                "shard": id.0,
                "applied": before.applied,
                "digest": format!("{:016x}", digest.hash),
                "series": digest.series,
                "samples": digest.samples,
                "damaged": digest.damaged,
            });
            return Ok(json::success(data, &[]));
        }
    }
    Err(Error::Busy(id).into())
}
