use super::Msg;
use plimsoll_model::ShardId;
use ractor::ActorRef;
use std::time::Duration;
use tokio::sync::oneshot;

/// Handle of the supervisor. Both questions wait for their answer, and one task asks them, so the mailbox is bounded.
#[derive(Clone)]
pub struct Handle(pub(super) ActorRef<Msg>);

impl Handle {
    /// Opens replicas, all at a time, unless they are open. A supervisor that is gone ends the node anyway.
    pub async fn open(&self, shards: Vec<ShardId>) {
        let (done, opened) = oneshot::channel();
        let _ = self.0.cast(Msg::Open(shards, done));
        let _ = opened.await;
    }

    /// Closes a replica and deletes its data.
    pub async fn destroy(&self, shard: ShardId) {
        let (done, destroyed) = oneshot::channel();
        let _ = self.0.cast(Msg::Destroy(shard, done));
        let _ = destroyed.await;
    }

    /// Ends all replicas.
    pub async fn stop(&self, limit: Duration) {
        let _ = self.0.stop_and_wait(None, Some(limit)).await;
    }
}
