//! What this node answers to its peers: each message goes to the part that it is for.

use crate::cluster::Cluster;
use crate::peer::{Handler, Kind, Report};
use crate::query;
use crate::shard::{ShardDoor, Shards};
use bytes::Bytes;
use futures::future::BoxFuture;
use plimsoll_model::NodeId;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The node as its peers see it.
pub struct NodeDoor {
    /// Ownership.
    pub cluster: Cluster,
    /// The shards.
    pub shards: Shards,
    /// What it says of itself.
    pub report: Arc<dyn Fn() -> Report + Send + Sync>,
}

impl Handler for NodeDoor {
    fn node(&self) -> NodeId {
        self.cluster.node_id()
    }

    fn cluster(&self) -> String {
        self.cluster.id()
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
                    if let Some(report) = Report::decode(&body).filter(|_| from != NodeId(0)) {
                        self.cluster.view().heard(from, report);
                    }
                    Ok((self.report)().encode())
                }
                Kind::Join | Kind::Change => self.cluster.handle(kind, body).await,
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
        Box::pin(async move { door.receive_snapshot(group, head, pieces).await })
    }

    fn answer(&self, _: NodeId, question: Bytes, pieces: mpsc::Sender<Result<Bytes, String>>) {
        query::answer_question(self.shards.clone(), question, pieces);
    }
}
