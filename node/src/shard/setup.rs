use super::{Error, Live, machine, machine::StorageMachine, msg::Msg};
use crate::cluster::Cluster;
use crate::disk::Health;
use crate::peer::Peers;
use crate::retention::Retention;
use plimsoll_consensus::{Group, GroupId, Log, Options};
use plimsoll_model::ShardId;
use ractor::ActorRef;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Entries that a checkpoint leaves for replicas that are slightly behind; one that is further behind gets a snapshot.
const KEEP_FOR_PEERS: u64 = 500;

/// How long a purge may take; it only has to pass two queues.
const PURGE_LIMIT: Duration = Duration::from_secs(30);

/// Called before each batch with the shard it goes to; a test panics in it.
pub type Fault = Arc<dyn Fn(ShardId) + Send + Sync>;

/// What every shard of a node shares.
#[derive(Clone)]
pub struct Setup {
    /// Ownership, and this node's place in it.
    pub cluster: Cluster,
    /// The node's RocksDB.
    pub database: Arc<plimsoll_storage::Database>,
    /// The log of all groups.
    pub log: Log,
    /// Whether the disk takes more.
    pub disk: Health,
    /// How groups reach their peers.
    pub peers: Peers,
    /// Set while the founder of a cluster begins the groups of its shards; no group is ever begun at another time.
    pub founding: Arc<AtomicBool>,
    /// Whether this node may lead: its disk is neither full nor slow.
    pub may_lead: Arc<dyn Fn() -> bool + Send + Sync>,
    /// How long samples are kept.
    pub retention: Retention,
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
    /// the last checkpoint. A sole voter is whole with that; another one hears the rest from its leader.
    pub(super) async fn open(&self, id: ShardId, actor: ActorRef<Msg>) -> Result<Live, Error> {
        let database = self.database.clone();
        let storage = tokio::task::spawn_blocking(move || database.reopen(id))
            .await
            .map_err(|e| Error::Malformed(e.to_string()))??;
        let restored = storage.series_count() > 0;
        let machine = Arc::new(StorageMachine::new(self.database.clone(), storage));
        let node = self.cluster.node_id();
        let options = Options { keep_for_peers: KEEP_FOR_PEERS, ..Options::default() };
        let transport = Arc::new(self.peers.clone());
        let group =
            Group::start(GroupId::of_shard(id), node, &self.log, machine.clone(), transport, options).await?;
        let begun = !group.is_initialized() && self.founding.load(SeqCst);
        if begun {
            group.initialize_alone().await?;
        }
        // the status tells of its first voter a moment later
        if begun || group.status().voters == [node] {
            group.wait_ready(Duration::from_secs(600)).await?;
            if restored && group.status().purged.is_none() {
                hide_log(id, &group).await?;
            }
        }
        Ok(Live { actor, machine, group, peers: self.peers.clone() })
    }

    /// Deletes what this node holds of a shard. Its group must have been shut down.
    pub(super) async fn destroy(&self, id: ShardId) -> Result<(), Error> {
        self.log.forget_group(GroupId::of_shard(id)).await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || database.destroy(id))
            .await
            .map_err(|e| Error::Malformed(e.to_string()))??;
        Ok(())
    }
}

/// Purges the log of a shard whose storage holds what its log never held: a backup was restored into it. A later member
/// would otherwise be filled by the log, from its first entry on, and miss all of that; now it needs a snapshot. Durable
/// when this returns.
async fn hide_log(id: ShardId, group: &Group) -> Result<(), Error> {
    group.checkpoint().await?;
    let mut watch = group.watch();
    let purged = async { while watch.now().purged.is_none() && watch.changed().await.is_some() {} };
    // The start fails then, and is tried again.
    tokio::time::timeout(PURGE_LIMIT, purged).await.map_err(|_| Error::Unavailable(id))?;
    // The log writes in order: when this entry is on disk, so is that the others are purged.
    group.propose(machine::join(std::iter::empty())).await?;
    Ok(())
}
