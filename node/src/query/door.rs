//! The long questions of peers: parts of queries, exports, backups.

use super::answer::{Asked, Consistency, answer_peer, ready};
use super::export::{Export, export};
use crate::shard::Shards;
use bytes::Bytes;
use plimsoll_model::ShardId;
use std::io::{self, Write};
use tokio::sync::mpsc;

/// First byte of a question: parts of queries.
pub const PARTS: u8 = 1;
/// First byte of a question: samples as JSON lines.
pub const EXPORT: u8 = 2;

/// First byte of a question: all of a shard at one moment, as pieces of a snapshot.
pub const BACKUP: u8 = 3;

/// Bytes gathered before they go out.
const PIECE_BYTES: usize = 64 << 10;

/// A question's bytes.
pub fn question(kind: u8, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + 1);
    out.push(kind);
    out.extend_from_slice(body);
    out.into()
}

/// Answers a peer's question in tasks of its own.
pub fn answer_question(shards: Shards, question: Bytes, pieces: mpsc::Sender<Result<Bytes, String>>) {
    tokio::spawn(async move {
        let body = question.slice(1.min(question.len())..);
        let refused = match question.first() {
            Some(&PARTS) => match postcard::from_bytes::<Asked>(&body) {
                Ok(asked) => return answer_peer(shards, asked, pieces).await,
                Err(e) => e.to_string(),
            },
            Some(&EXPORT) => match postcard::from_bytes::<Export>(&body) {
                Ok(asked) => match export_here(&shards, asked, &pieces).await {
                    Ok(()) => return,
                    Err(e) => e,
                },
                Err(e) => e.to_string(),
            },
            Some(&BACKUP) => match snapshot_here(&shards, &body, &pieces).await {
                Ok(()) => return,
                Err(e) => e,
            },
            kind => format!("a question of kind {kind:?}"),
        };
        // the asker may be gone
        let _ = pieces.send(Err(refused)).await;
    });
}

async fn snapshot_here(
    shards: &Shards,
    body: &[u8],
    pieces: &mpsc::Sender<Result<Bytes, String>>,
) -> Result<(), String> {
    let id = body.try_into().map(u16::from_le_bytes).map_err(|_| "not the number of a shard".to_owned())?;
    let live = ready(shards, ShardId(id), Consistency::Lease).await.map_err(|e| e.to_string())?;
    let (storage, out) = (live.storage(), pieces.clone());
    let work = move || {
        let mut snapshot = storage.snapshot().map_err(|e| e.to_string())?;
        while let Some(piece) = snapshot.next().map_err(|e| e.to_string())? {
            out.blocking_send(Ok(piece)).map_err(|_| "the asker is gone".to_owned())?;
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())?
}

async fn export_here(
    shards: &Shards,
    asked: Export,
    pieces: &mpsc::Sender<Result<Bytes, String>>,
) -> Result<(), String> {
    let mut storages = Vec::new();
    for id in &asked.shards {
        let live = ready(shards, *id, asked.consistency).await.map_err(|e| e.to_string())?;
        storages.push(live.storage());
    }
    let out = pieces.clone();
    let work = move || {
        let mut out = Pieces { buffer: Vec::with_capacity(PIECE_BYTES), out };
        for storage in &storages {
            export(storage, &asked.selectors, asked.range, &mut out)?;
        }
        out.flush()
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())?.map_err(|e: io::Error| e.to_string())
}

struct Pieces {
    buffer: Vec<u8>,
    out: mpsc::Sender<Result<Bytes, String>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the asker is gone");
        self.out.blocking_send(Ok(piece)).map_err(gone)
    }
}

/// The shards that each node should answer for, leaders first; and those that nobody leads.
pub fn by_leader(
    shards: &Shards,
) -> (std::collections::BTreeMap<plimsoll_model::NodeId, Vec<ShardId>>, Vec<ShardId>) {
    let (mut nodes, mut lost) = (std::collections::BTreeMap::<_, Vec<ShardId>>::new(), Vec::new());
    for id in shards.all() {
        match shards.leader(id) {
            Some(node) => nodes.entry(node).or_default().push(id),
            None => lost.push(id),
        }
    }
    (nodes, lost)
}
