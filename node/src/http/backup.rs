//! What a backup reads: which shards there are, and each one's content as a stream of pieces.

use super::{ApiError, AppState, json};
use crate::query::{Asker, backup_question};
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use plimsoll_model::ShardId;
use serde_json::json;
use std::io;
use tokio::sync::mpsc;

/// Version of the stream.
const FORMAT: u32 = 1;
/// Pieces that wait for a slow reader; each is about a MiB.
const PIECES: usize = 4;

/// `GET /api/v1/backup/shards`
pub async fn shards(State(app): State<AppState>) -> Response {
    let replication = app.cluster.read(|s| s.replication());
    let data = json!({
        "cluster": app.cluster.id(),
        "shards": app.shards.count(),
        "replication": replication,
        "format": FORMAT,
    });
    json::success(data, &[])
}

/// `GET /api/v1/backup/shard/<n>`: all of a shard at one moment: length (4 bytes, little endian) and piece, again and
/// again, and a length of 0 at the end. A stream without that end was cut.
pub async fn shard(State(app): State<AppState>, Path(number): Path<u16>) -> Result<Response, ApiError> {
    if number >= app.shards.count() {
        let last = app.shards.count() - 1;
        return Err(ApiError::not_found(format!("there is no shard {number}; they are 0 to {last}")));
    }
    let id = ShardId(number);
    let leader = app.shards.leader(id).ok_or(crate::shard::Error::NoQuorum(id))?;
    let (out, framed) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    tokio::spawn(async move {
        let asker = Asker { shards: &app.shards, node: leader };
        let frame = |piece: Bytes| {
            let mut framed = BytesMut::with_capacity(piece.len() + 4);
            framed.put_u32_le(piece.len() as u32);
            framed.put_slice(&piece);
            framed.freeze()
        };
        let end = match asker.copy(backup_question(id), &out, frame).await {
            Ok(()) => Ok(Bytes::from_static(&[0; 4])),
            Err(e) => Err(io::Error::other(e)),
        };
        // the reader may be gone
        let _ = out.send(end).await;
    });
    Ok(json::pieces("application/octet-stream", framed))
}
