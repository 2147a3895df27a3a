//! Which cluster this node belongs to, and who else does.
//!
//! Owns: the node's identity and the raft group of the ownership metadata, which says what nodes and shards there
//! are. Every change of it has an epoch, an author and a time.
//! Does not own: the data groups (`shard`), the rules of ownership (`plimsoll-ownership`).
//!
//! Invariant: a data folder has one identity for ever, and the number that the group gave it is never used again.

mod machine;

use anyhow::{Context, bail};
use bytes::Bytes;
use machine::Ownership;
use plimsoll_cluster_config::Settings;
use plimsoll_consensus::{Group, GroupId, Log, NoPeers, Options, SmallMachine};
use plimsoll_model::{NodeId, ShardId};
use plimsoll_ownership::{Action, ClusterId, Command, NodeState, Reply, State};
use plimsoll_storage::Database;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Key of the identity in the column family `node`.
const IDENTITY_KEY: &[u8] = b"identity";
/// The group that holds the metadata; the data groups follow it.
const GROUP: GroupId = GroupId(0);
/// Replicas of a shard once there are enough nodes.
const REPLICATION: u8 = 3;
/// Time that the group gets to come up. It is small; more is a broken disk.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Handle of the cluster as this node sees it.
#[derive(Clone)]
pub struct Cluster {
    node: NodeId,
    group: Group,
    state: SmallMachine<Ownership>,
}

/// What makes a data folder this node's. Written once, before anything else.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    /// Made at random with the folder.
    folder: u128,
    /// The node's number.
    node: u64,
}

impl Cluster {
    /// Starts the ownership group; a new data folder founds a cluster of one.
    pub async fn open(
        database: &Arc<Database>,
        log: &Log,
        settings: &Settings,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let identity = identity(database)?;
        let node = NodeId(identity.node);
        let state = machine::open(database)?;
        let options = Options { keep_for_peers: 0, ..Options::default() };
        let group =
            Group::start(GROUP, node, log, Arc::new(state.clone()), Arc::new(NoPeers), options).await?;
        if !group.is_initialized() {
            group.initialize_alone().await?;
        }
        group.wait_ready(START_LIMIT).await?;
        let cluster = Self { node, group, state };
        cluster.found(settings).await?;
        cluster.register(&identity, settings, address).await?;
        cluster.check(settings)?;
        Ok(cluster)
    }

    /// This node.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// Identity of the cluster.
    pub fn id(&self) -> String {
        self.read(|s| s.cluster().map(|id| id.to_string()).unwrap_or_default())
    }

    /// Number of shards, fixed when the cluster was founded.
    pub fn shard_count(&self) -> u16 {
        self.read(|s| s.shards().len() as u16)
    }

    /// Looks at the ownership metadata.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.state.read(|ownership| look(&ownership.0))
    }

    /// Writes a checkpoint and ends the group.
    pub async fn stop(&self) {
        if let Err(e) = self.group.checkpoint().await {
            tracing::warn!(error = %e, "no checkpoint of the ownership metadata; the next start replays the log");
        }
        if let Err(e) = self.group.shutdown().await {
            tracing::warn!(error = %e, "the ownership group did not end in good order");
        }
    }

    async fn found(&self, settings: &Settings) -> anyhow::Result<()> {
        if self.read(|s| s.cluster().is_some()) {
            return Ok(());
        }
        let cluster = ClusterId(rand::random());
        let shards = settings.shards.count as u16;
        self.change(&self.author(), Action::Found { cluster, shards, replication: REPLICATION }).await?;
        tracing::info!(%cluster, shards, "founded a cluster");
        Ok(())
    }

    /// Tells the cluster where this node is; the same folder keeps its number.
    async fn register(
        &self,
        identity: &Identity,
        settings: &Settings,
        address: SocketAddr,
    ) -> anyhow::Result<()> {
        let action = Action::Register {
            identity: identity.folder,
            peer_address: settings.node.peer_listen.unwrap_or(address).to_string(),
            address: address.to_string(),
            zone: settings.node.zone.clone().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        match self.change(&self.author(), action).await? {
            Reply::Registered(id, _) if id == self.node => {}
            reply => bail!("this data folder says it is {}, the cluster says {reply:?}", self.node),
        }
        self.change(&self.author(), Action::SetNodeState { node: self.node, state: NodeState::Active })
            .await?;
        let homeless: Vec<(ShardId, _)> = self.read(|s| {
            let homeless = s.shards().iter().filter(|shard| shard.replicas.is_empty());
            homeless.map(|shard| (shard.id, shard.epoch)).collect()
        });
        for (shard, seen) in homeless {
            let (replicas, leader) = (vec![self.node], Some(self.node));
            self.change(&self.author(), Action::Place { shard, replicas, leader, seen }).await?;
        }
        Ok(())
    }

    fn author(&self) -> String {
        format!("node {}", self.node)
    }

    fn check(&self, settings: &Settings) -> anyhow::Result<()> {
        let shards = u64::from(self.shard_count());
        if settings.shards.count != shards {
            bail!(
                "shards.count is {}, this cluster was founded with {shards}: set it back, the number is fixed",
                settings.shards.count
            );
        }
        Ok(())
    }

    /// Proposes a change and waits until it is durable.
    pub async fn change(&self, author: &str, action: Action) -> anyhow::Result<Reply> {
        let command = Command { author: author.to_owned(), at_ms: crate::now_ms(), action };
        let reply = self.group.propose(Bytes::from(command.encode())).await?;
        match Reply::decode(&reply).context("the ownership group did not read a command")? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }
}

fn identity(database: &Database) -> anyhow::Result<Identity> {
    match database.get(IDENTITY_KEY)? {
        Some(bytes) => serde_json::from_slice(&bytes).context("the identity of this node is damaged"),
        None => {
            // the founder is the first one that the group registers
            let fresh = Identity { folder: rand::random(), node: 1 };
            database.put(IDENTITY_KEY, &serde_json::to_vec(&fresh)?)?;
            Ok(fresh)
        }
    }
}
