//! `GET /api/v1/export`: samples as JSON lines, streamed from all nodes.

use super::{ApiError, AppState, Params, json};
use crate::query::{Asker, Export, by_leader, export_question};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use plimsoll_model::Matcher;
use std::io;
use tokio::sync::mpsc;

/// Pieces that wait for a slow reader.
const PIECES: usize = 4;

/// Streams the samples of the series that match, a line a series. A node that fails cuts the answer short, so that the
/// reader sees that it is not whole.
pub async fn export(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let selectors: Vec<Vec<Matcher>> = super::series::selectors(&params)?;
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided; add match[]=<selector>"));
    }
    let range = super::series::range(&params)?;
    let consistency = params.reading()?.consistency;
    let (nodes, lost) = by_leader(&app.shards);
    if let Some(id) = lost.first() {
        return Err(crate::shard::Error::NoQuorum(*id).into());
    }
    let (out, pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    tokio::spawn(async move {
        for (node, shards) in nodes {
            let question =
                export_question(&Export { selectors: selectors.clone(), range, shards, consistency });
            let asker = Asker { shards: &app.shards, node };
            if let Err(e) = asker.copy(question, &out, |piece| piece).await {
                // the reader may be gone
                let _ = out.send(Err(io::Error::other(e))).await;
                return;
            }
        }
    });
    Ok(json::pieces("application/x-ndjson", pieces))
}
