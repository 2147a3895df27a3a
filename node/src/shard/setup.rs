use super::{Error, Live, machine::StorageMachine, msg::Msg};
use crate::disk::Health;
use plimsoll_consensus::{Group, GroupId, Log, Transport};
use plimsoll_model::{NodeId, ShardId};
use ractor::ActorRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Called before each batch with the shard it goes to; a test panics in it.
pub type Fault = Arc<dyn Fn(ShardId) + Send + Sync>;

/// What every shard of a node shares.
#[derive(Clone)]
pub struct Setup {
    /// This node.
    pub node: NodeId,
    /// The node's RocksDB.
    pub database: Arc<plimsoll_storage::Database>,
    /// The log of all groups.
    pub log: Log,
    /// Whether the disk takes more.
    pub disk: Health,
    /// How groups reach their peers.
    pub transport: Arc<dyn Transport>,
    /// Samples older than this are neither taken nor shown.
    pub retention_ms: i64,
    /// Time between two checkpoints of a shard.
    pub checkpoint_interval: Duration,
    /// A checkpoint begins earlier when the batches since the last one have so many bytes.
    pub head_bytes: usize,
    /// Time between two looks for what has expired or can be compacted.
    pub expire_interval: Duration,
    /// Bytes of batches in flight a shard.
    pub credit_bytes: usize,
    /// A fault to inject; none outside of tests.
    pub fault: Option<Fault>,
    /// One permit: heavy jobs of a node run one after another.
    pub maintenance: Arc<Semaphore>,
}

impl Setup {
    /// Opens a shard from disk: loads its storage, starts its raft group, replays what the log holds after
    /// the last checkpoint. A shard that was never there is created with this node as its only voter.
    pub(super) async fn open(&self, id: ShardId, actor: ActorRef<Msg>) -> Result<Live, Error> {
        let database = self.database.clone();
        let storage = tokio::task::spawn_blocking(move || database.reopen(id))
            .await
            .map_err(|e| Error::Malformed(e.to_string()))??;
        let machine = Arc::new(StorageMachine(storage.clone()));
        let group_id = GroupId::of_shard(id);
        // nobody is behind in a group of one, so a checkpoint may cut the whole log
        let options = plimsoll_consensus::Options { keep_for_peers: 0, ..Default::default() };
        let group =
            Group::start(group_id, self.node, &self.log, machine, self.transport.clone(), options).await?;
        if !group.is_initialized() {
            group.initialize_alone().await?;
        }
        group.wait_ready(Duration::from_secs(600)).await?;
        Ok(Live { actor, storage, group })
    }
}
