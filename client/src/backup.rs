//! A backup as it comes off the nodes: pieces of shards, in order, in memory bounded by one piece.

use crate::transport::{Request, Transport};
use crate::{Client, Error, client::Reported};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest piece that is taken; nodes send pieces of about a megabyte.
const MAX_PIECE_BYTES: usize = 64 << 20;
/// Bytes of the length before each piece (little endian).
const LENGTH_BYTES: usize = 4;

/// What a backup of the cluster consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupInfo {
    /// The cluster.
    pub cluster: String,
    /// Its shards, numbered from 0.
    pub shards: u64,
    /// Replicas that a shard should have.
    pub replication: u64,
    /// Version of the format of the pieces.
    pub format: u64,
}

/// The pieces of one shard's backup.
#[derive(Debug)]
pub struct Pieces {
    transport: Arc<Transport>,
    url: String,
    body: Incoming,
    /// Silence after which the node is taken for gone.
    idle: Duration,
    pending: BytesMut,
    complete: bool,
    received: u64,
}

impl Client {
    /// What a backup consists of.
    pub async fn backup_info(&self) -> Result<BackupInfo, Error> {
        let answer: Reported<BackupInfo> = self.ask(&Request::get("/api/v1/backup/shards".into())).await?;
        Ok(answer.data)
    }

    /// Begins the backup of `shard` as it is at this moment.
    pub async fn backup_shard(&self, shard: u64) -> Result<Pieces, Error> {
        let reply = self.transport.stream(&Request::get(format!("/api/v1/backup/shard/{shard}"))).await?;
        Ok(Pieces {
            transport: Arc::clone(&self.transport),
            url: reply.url,
            body: reply.body,
            idle: self.transport.settings().timeout,
            pending: BytesMut::new(),
            complete: false,
            received: 0,
        })
    }
}

impl Pieces {
    /// Bytes that came so far.
    pub fn received_bytes(&self) -> u64 {
        self.received
    }

    /// The next piece; `None` after the last one. A stream that was cut is [`Error::Interrupted`], never an end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.complete {
                return Ok(None);
            }
            if let Some(head) = self.pending.first_chunk::<LENGTH_BYTES>() {
                let length = u32::from_le_bytes(*head) as usize;
                if length == 0 {
                    self.complete = true;
                    continue;
                }
                if length > MAX_PIECE_BYTES {
                    return Err(Error::TooLarge { limit_bytes: MAX_PIECE_BYTES });
                }
                if self.pending.len() >= LENGTH_BYTES + length {
                    self.pending.advance(LENGTH_BYTES);
                    return Ok(Some(self.pending.split_to(length).freeze()));
                }
            }
            self.fill().await?;
        }
    }

    /// Takes what comes next. Where nothing does, the next request goes to another node first.
    async fn fill(&mut self) -> Result<(), Error> {
        let filled = self.take_frame().await;
        filled.inspect_err(|e| self.transport.nodes().failed(&self.url, e, Instant::now()))
    }

    async fn take_frame(&mut self) -> Result<(), Error> {
        let frame = tokio::time::timeout(self.idle, self.body.frame()).await;
        let frame = frame.map_err(|_| Error::Timeout { url: self.url.clone(), after: self.idle })?;
        let cut = |reason: String| Error::Interrupted { url: self.url.clone(), reason };
        let frame = frame.ok_or_else(|| cut("the backup ends before its last piece".into()))?;
        let frame = frame.map_err(|e| cut(e.to_string()))?;
        if let Ok(data) = frame.into_data() {
            self.received += data.len() as u64;
            self.pending.extend_from_slice(&data);
        }
        Ok(())
    }
}
