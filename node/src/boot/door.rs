//! What this node answers to its peers: each message goes to the part that it is for.

use crate::disk::Health;
use crate::peer::{Handler, Kind, Report};
use crate::query;
use crate::scraper::Scraper;
use crate::shard::{ShardDoor, Shards};
use crate::telemetry::Metadata;
use bytes::Bytes;
use futures::future::BoxFuture;
use plimsoll_consensus::carries_entries;
use plimsoll_model::NodeId;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Entries of an election or a change of members are smaller; batches of samples are larger.
const SMALL_BYTES: usize = 512;

/// The node as its peers see it.
pub struct NodeDoor {
    /// The shards, and ownership behind them.
    pub shards: Shards,
    /// Types and help of metrics.
    pub metadata: Arc<Metadata>,
    /// What is scraped here.
    pub scraper: Scraper,
    /// Rules and alerts.
    pub rules: crate::rules::Rules,
    /// Whether the disk takes more.
    pub disk: Health,
    /// Turns true when the node ends.
    pub stopping: watch::Receiver<bool>,
    /// What it says of itself.
    pub report: Arc<dyn Fn() -> Report + Send + Sync>,
}

impl Handler for NodeDoor {
    fn node(&self) -> NodeId {
        self.shards.cluster().node_id()
    }

    fn cluster(&self) -> String {
        self.shards.cluster().id()
    }

    fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    fn handle(
        &self,
        from: NodeId,
        kind: Kind,
        group: u64,
        body: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, Bytes>> {
        Box::pin(async move {
            match kind {
                Kind::Ping => {
                    if let Some(report) =
                        Report::decode(&body).filter(|r| from != NodeId(0) && r.node == from.0)
                    {
                        self.shards.cluster().view().heard(from, report);
                    }
                    Ok((self.report)().encode())
                }
                Kind::Metadata => Ok(self.metadata.save().into()),
                Kind::Targets => Ok(serde_json::to_vec(&self.scraper.told()).unwrap_or_default().into()),
                Kind::TargetMetadata => {
                    let metric = std::str::from_utf8(&body).ok().filter(|name| !name.is_empty());
                    Ok(serde_json::to_vec(&self.scraper.metadata(metric)).unwrap_or_default().into())
                }
                Kind::Rules => self.rules.answer(&body).await,
                Kind::Join | Kind::Change => self.shards.cluster().handle(kind, body).await,
                Kind::Raft if carries_entries(&body) && body.len() > SMALL_BYTES => {
                    // a leader must not fill a disk that is full; votes, heartbeats and members go on
                    self.disk.check_writable().map_err(|e| Bytes::from(e.to_string()))?;
                    ShardDoor(self.shards.clone()).handle(kind, group, body).await
                }
                kind => ShardDoor(self.shards.clone()).handle(kind, group, body).await,
            }
        })
    }

    fn receive_snapshot(
        &self,
        _: NodeId,
        group: u64,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, String>> {
        let door = ShardDoor(self.shards.clone());
        Box::pin(async move {
            self.disk.check_writable().map_err(|e| e.to_string())?;
            door.receive_snapshot(group, head, pieces).await
        })
    }

    fn answer(&self, _: NodeId, question: Bytes, pieces: mpsc::Sender<Result<Bytes, String>>) {
        query::answer_question(self.shards.clone(), question, pieces);
    }
}
