//! `GET /api/v1/admin/replica`: what this node itself holds of a shard, to be compared with what others hold.

use super::{ApiError, AppState, Params, json};
use axum::extract::State;
use axum::response::Response;
use plimsoll_model::{ShardId, TimeRange};
use serde_json::json;

/// Answers a digest of the content, which does not depend on how it is laid out, and the entry of the log that it
/// covers: replicas with the same entry must have the same digest. Reads everything.
pub async fn replica(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let number = params.number("shard")?.and_then(|n| u16::try_from(n).ok());
    let id = ShardId(number.ok_or_else(|| ApiError::bad_data("shard is the number of a shard"))?);
    let Some(local) = app.shards.local(id) else {
        return Err(ApiError::not_found(format!("this node holds no replica of {id}")));
    };
    let live = local.live()?;
    let (storage, range) = (live.storage(), TimeRange::ALL);
    let digested = tokio::task::spawn_blocking(move || storage.digest_at(range)).await;
    let digest = match digested {
        Ok(digest) => digest?,
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    };
    let status = live.group.status();
    Ok(json::success(
        json!({
            "shard": id.0,
            "node": app.cluster.node_id().0,
            "applied": digest.position.as_deref().and_then(plimsoll_consensus::covers),
            "digest": format!("{:016x}", digest.hash),
            "series": digest.series,
            "samples": digest.samples,
            "leader": status.is_leader,
            "term": status.term,
        }),
        &[],
    ))
}
