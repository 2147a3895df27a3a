//! Which cluster this node belongs to, who else does, and where shards should be.
//!
//! Owns: the node's identity and the raft group of the ownership metadata, which says what nodes and shards there
//! are; joining; who votes in that group. Every change of the metadata has an epoch, an author and a time.
//! Does not own: the data groups (`shard`), where shards should be (`placement`), the rules of ownership
//! (`plimsoll-ownership`), connections (`peer`).
//!
//! Invariant: a data folder has one identity for ever, and the number that the group gave it is never used again.

mod error;
mod identity;
mod join;
mod machine;
pub mod members;

pub use error::Error;
pub use identity::Identity;
pub use join::{Applicant, check_seeds, check_twin, join};

use crate::peer::{self, Kind, Peers, View};
use anyhow::bail;
use bytes::Bytes;
use machine::Ownership;
use plimsoll_consensus::{Error as Consensus, Group, GroupId, Log, Options, SmallMachine};
use plimsoll_model::{NodeId, ShardId};
use plimsoll_ownership::{Action, Command, NodeState, Refusal, Reply, State};
use plimsoll_storage::Database;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Replicas of a shard once there are enough nodes.
const REPLICATION: u8 = 3;
/// Time that a group of one gets to come up. It is small; more is a broken disk.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Time until a node that was just taken in is heard of by the leader.
const WELCOME_LIMIT: Duration = Duration::from_secs(60);
/// How long a change looks for a leader: longer than an election takes.
const CHANGE_LIMIT: Duration = Duration::from_secs(8);
/// One try of a change.
const TRY_LIMIT: Duration = Duration::from_secs(3);
const TRY_PAUSE: Duration = Duration::from_millis(100);

/// Handle of the cluster as this node sees it.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    identity: Identity,
    group: Group,
    state: SmallMachine<Ownership>,
    peers: Peers,
    view: View,
}

impl Cluster {
    /// Starts this node's member of the ownership group. A founder's is complete with that; another one waits for the
    /// group's leader to speak to it.
    pub async fn start(
        database: &Arc<Database>,
        log: &Log,
        identity: Identity,
        peers: Peers,
        view: View,
    ) -> anyhow::Result<Self> {
        let state = machine::open(database)?;
        let machine = Arc::new(state.clone());
        let options = Options { keep_for_peers: 1000, ..Options::default() };
        let transport = Arc::new(peers.clone());
        let group =
            Group::start(GroupId::OWNERSHIP, identity.node_id(), log, machine, transport, options).await?;
        if !group.is_initialized() && identity.founder && !identity.founded {
            group.initialize_alone().await?;
        }
        for (node, address) in &identity.peers {
            peers.set_address(NodeId(*node), address);
        }
        let cluster = Self(Arc::new(Inner { identity, group, state, peers, view }));
        cluster.learn_addresses();
        Ok(cluster)
    }

    /// This node.
    pub fn node_id(&self) -> NodeId {
        self.0.identity.node_id()
    }

    /// Identity of the cluster.
    pub fn id(&self) -> String {
        self.0.identity.cluster_id().to_string()
    }

    /// The identity of this node's data folder.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The ownership group on this node.
    pub fn group(&self) -> &Group {
        &self.0.group
    }

    /// The peers as they were seen last.
    pub fn view(&self) -> &View {
        &self.0.view
    }

    /// Number of shards, fixed when the cluster was founded.
    pub fn shard_count(&self) -> u16 {
        self.0.identity.shards
    }

    /// Looks at the ownership metadata.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.0.state.read(|ownership| look(&ownership.0))
    }

    /// Where the shard should be.
    pub fn place(&self, shard: ShardId) -> (Vec<NodeId>, Option<NodeId>) {
        self.read(|s| {
            let shard = s.shards().get(usize::from(shard.0));
            shard.map(|s| (s.replicas.clone(), s.leader)).unwrap_or_default()
        })
    }

    /// Whether this node leads the ownership group and has heard from a majority lately.
    pub fn leads_with_quorum(&self) -> bool {
        let status = self.0.group.status();
        let heard = |node: &&NodeId| **node == self.node_id() || self.0.view.is_alive(**node);
        status.is_leader && status.voters.iter().filter(heard).count() * 2 > status.voters.len()
    }

    /// Writes a checkpoint and ends the group.
    pub async fn stop(&self) {
        if let Err(e) = self.0.group.checkpoint().await {
            tracing::warn!(error = %e, "no checkpoint of the ownership metadata; the next start replays the log");
        }
        if let Err(e) = self.0.group.shutdown().await {
            tracing::warn!(error = %e, "the ownership group did not end in good order");
        }
    }

    /// Makes the metadata of a new cluster, or waits until that of the joined one has arrived; then tells where this
    /// node is. With no majority in sight a node that was here before goes on with what it knows.
    pub async fn establish(&self, applicant: &Applicant, shards: u16) -> anyhow::Result<()> {
        let me = self.node_id();
        if self.0.group.status().voters == [me] {
            self.0.group.wait_ready(START_LIMIT).await?;
        }
        if self.0.identity.founder && self.read(|s| s.cluster().is_none()) {
            self.found(applicant, shards).await?;
        }
        let began = Instant::now();
        while self.read(|s| s.node(me).is_none()) {
            if began.elapsed() > WELCOME_LIMIT {
                bail!(
                    "this node has joined as {me}, but the cluster's leader has not spoken to it within {WELCOME_LIMIT:?}: \
                     can the other nodes reach {}? If not, set node.advertise or node.peer_listen",
                    applicant.peer_address
                );
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
        if self.read(|s| s.node(me).is_some_and(|n| n.state == NodeState::Removed)) {
            bail!(
                "{me} was removed from the cluster: start with a new data folder and --join to come back as a new node"
            );
        }
        self.learn_addresses();
        Ok(())
    }

    async fn found(&self, applicant: &Applicant, shards: u16) -> anyhow::Result<()> {
        let (me, cluster) = (self.node_id(), self.0.identity.cluster_id());
        let author = me.to_string();
        self.change(&author, Action::Found { cluster, shards, replication: REPLICATION }).await?;
        match self.change(&author, applicant.action()).await? {
            Reply::Registered(node, _) if node == me => {}
            reply => bail!("this data folder says it is {me}, the cluster says {reply:?}"),
        }
        self.change(&author, Action::SetNodeState { node: me, state: NodeState::Active }).await?;
        let homeless: Vec<_> = self.read(|s| {
            let homeless = s.shards().iter().filter(|shard| shard.replicas.is_empty());
            homeless.map(|shard| (shard.id, shard.epoch)).collect()
        });
        for (shard, seen) in homeless {
            let (replicas, leader) = (vec![me], Some(me));
            self.change(&author, Action::Place { shard, replicas, leader, seen }).await?;
        }
        tracing::info!(%cluster, shards, "founded a cluster");
        Ok(())
    }

    /// Tells the cluster, until it has heard, where this node is now and that it takes part.
    /// A node that was removed meanwhile ends through `fatal`.
    pub async fn announce(self, applicant: Applicant, fatal: mpsc::Sender<String>) {
        let me = self.node_id();
        let author = me.to_string();
        loop {
            let (known, state) = self.read(|s| {
                let node = s.node(me);
                let known = node.is_some_and(|n| {
                    n.peer_address == applicant.peer_address
                        && n.address == applicant.address
                        && n.zone == applicant.zone
                        && n.version == applicant.version
                });
                (known, node.map(|n| n.state))
            });
            let action = match state {
                _ if !known => applicant.action(),
                Some(NodeState::Joining | NodeState::Dead) => {
                    Action::SetNodeState { node: me, state: NodeState::Active }
                }
                _ => return,
            };
            let changed = self.change(&author, action).await;
            if let Err(Error::Refused(removed @ Refusal::NodeRemoved(_))) = &changed {
                // the node is ending already when nobody listens
                let _ = fatal.send(removed.to_string()).await;
                return;
            }
            if let Err(e) = changed {
                tracing::info!(error = %e, "the cluster does not know yet where this node is");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Takes the addresses of all nodes from the metadata.
    pub fn learn_addresses(&self) {
        let nodes: Vec<(NodeId, String, NodeState)> =
            self.read(|s| s.nodes().map(|n| (n.id, n.peer_address.clone(), n.state)).collect());
        for (node, address, state) in nodes {
            if state == NodeState::Removed {
                self.0.peers.forget(node);
            } else {
                self.0.peers.set_address(node, &address);
            }
        }
    }

    /// Makes a change durable: here when this node leads the group, else at the leader.
    pub async fn change(&self, author: &str, action: Action) -> Result<Reply, Error> {
        let command = Command { author: author.to_owned(), at_ms: crate::now_ms(), action };
        let command = Bytes::from(command.encode());
        let began = Instant::now();
        loop {
            let reason = match tokio::time::timeout(TRY_LIMIT, self.try_change(&command)).await {
                Ok(Ok(reply)) => return self.read_reply(&reply),
                Ok(Err(e)) => e,
                Err(_) => format!("the leader did not answer within {TRY_LIMIT:?}"),
            };
            if began.elapsed() > CHANGE_LIMIT {
                return Err(Error::NoQuorum { reason });
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
    }

    fn read_reply(&self, reply: &[u8]) -> Result<Reply, Error> {
        match Reply::decode(reply) {
            Ok(Reply::Refused(refusal)) => Err(refusal.into()),
            Ok(reply) => Ok(reply),
            Err(e) => Err(Error::Failed { node: self.node_id(), reason: e.to_string() }),
        }
    }

    /// One try at the leader. Commands may be repeated: they name the epoch they have seen, or set the same again.
    async fn try_change(&self, command: &Bytes) -> Result<Bytes, String> {
        if self.0.group.is_leader() {
            return self.propose(command.clone()).await;
        }
        let mut leader = self.0.group.leader().filter(|node| *node != self.node_id());
        if leader.is_none_or(|node| !self.0.view.is_alive(node)) {
            let mut said = None;
            self.0.view.each(|_, report| said = report.ownership_leader.or(said));
            leader = said.map(NodeId).filter(|node| *node != self.node_id()).or(leader);
        }
        let leader = leader.ok_or("no leader is known")?;
        self.0.peers.call(leader, Kind::Change, GroupId::OWNERSHIP.0, command.clone()).await.map_err(|e| {
            match e {
                peer::Error::Refused { answer, .. } => String::from_utf8_lossy(&answer).into_owned(),
                e => e.to_string(),
            }
        })
    }

    /// Proposes a command that a peer has sent, or this node makes.
    async fn propose(&self, command: Bytes) -> Result<Bytes, String> {
        self.0.group.propose(command).await.map_err(|e| match e {
            Consensus::NotLeader { leader, .. } => {
                format!("it is led by {}", leader.map_or("nobody".to_owned(), |l| l.to_string()))
            }
            e => e.to_string(),
        })
    }

    /// Answers a peer's message about ownership.
    pub async fn handle(&self, kind: Kind, body: Bytes) -> Result<Bytes, Bytes> {
        match kind {
            Kind::Join => join::admit(self, &body).await,
            Kind::Change => self.propose(body).await.map_err(Bytes::from),
            _ => Err(Bytes::from_static(b"not a request about ownership")),
        }
    }
}
