//! All shards of the cluster as one node sees them: its own replicas, and the way to the leaders of the others.

use super::{Error, Shard};
use crate::cluster::Cluster;
use crate::peer::{self, Kind, LeaderReport, Peers};
use bytes::Bytes;
use parking_lot::RwLock;
use plimsoll_consensus::GroupId;
use plimsoll_model::{NodeId, ShardId};
use plimsoll_storage::Applied;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a batch looks for a leader that takes it: longer than a fail-over, shorter than a sender's patience.
const APPEND_LIMIT: Duration = Duration::from_secs(10);
/// How long a leader that takes no writes may need to hand over.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(2);
/// Between two tries without a hint where to go.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the one who waits for a peer looks whether it still lives.
const LOOK: Duration = Duration::from_millis(250);

/// The shards. Cheap to clone.
#[derive(Clone)]
pub struct Shards(Arc<Inner>);

struct Inner {
    count: u16,
    local: RwLock<Vec<Option<Shard>>>,
    cluster: Cluster,
    peers: Peers,
}

impl Shards {
    /// `count` shards, none of them here yet.
    pub fn new(cluster: Cluster, peers: Peers) -> Self {
        let count = cluster.shard_count();
        let local = RwLock::new(vec![None; usize::from(count)]);
        Self(Arc::new(Inner { count, local, cluster, peers }))
    }

    /// The shard that holds series of `hash`.
    pub fn owner(&self, hash: u64) -> ShardId {
        ShardId::of_hash(hash, self.0.count)
    }

    /// Number of shards of the cluster.
    pub fn count(&self) -> u16 {
        self.0.count
    }

    /// Every shard of the cluster.
    pub fn all(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.0.count).map(ShardId)
    }

    /// This node's replica.
    pub fn local(&self, id: ShardId) -> Option<Shard> {
        self.0.local.read().get(usize::from(id.0))?.clone()
    }

    /// This node's replicas, in order.
    pub fn locals(&self) -> Vec<Shard> {
        self.0.local.read().iter().flatten().cloned().collect()
    }

    pub(super) fn put(&self, shard: Shard) {
        let at = usize::from(shard.id.0);
        self.0.local.write()[at] = Some(shard);
    }

    pub(super) fn remove(&self, id: ShardId) -> Option<Shard> {
        self.0.local.write().get_mut(usize::from(id.0))?.take()
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.0.cluster.node_id()
    }

    /// Ownership.
    pub fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// The connections to peers.
    pub fn peers(&self) -> &Peers {
        &self.0.peers
    }

    /// Who leads `id`, as far as it is known here, and answers.
    pub fn leader(&self, id: ShardId) -> Option<NodeId> {
        let me = self.node();
        let view = self.0.cluster.view();
        let local = self.local(id).and_then(|s| s.live().ok()).and_then(|live| {
            let status = live.group.status();
            let leader = status.leader.filter(|l| *l == me || view.is_alive(*l))?;
            // a leader that only believes so is corrected by the reports of others
            Some((leader, status.term))
        });
        match (local, view.leader_of(id)) {
            (Some((_, term)), Some((node, newer))) if newer > term => Some(node),
            (Some((leader, _)), _) => Some(leader),
            (None, found) => found.map(|(node, _)| node),
        }
    }

    /// Whether what is done once in the cluster under the name `key` (evaluate a rule group, scrape a target, send a
    /// report) is to be done by this node: by the one that leads the shard of the key's hash. Leadership moves it to
    /// another node when this one dies. For the moment of a fail-over nobody may do it; never two for longer than it
    /// takes to hear of the next leader, or to hear nothing any more.
    ///
    /// The lease is no measure here: a group at rest has long heartbeats, between which it runs out.
    pub fn is_my_duty(&self, key: &str) -> bool {
        let shard = ShardId::of_key(key, self.0.count);
        let Some(live) = self.local(shard).and_then(|s| s.live().ok()) else { return false };
        let status = live.group.status();
        let (me, view) = (self.node(), self.0.cluster.view());
        let there = status.voters.iter().filter(|node| **node == me || view.is_alive(**node)).count();
        status.is_leader && there * 2 > status.voters.len() && self.leader(shard) == Some(me)
    }

    /// Shards that nobody is known to lead.
    pub fn leaderless(&self) -> Vec<ShardId> {
        self.all().filter(|id| self.leader(*id).is_none()).collect()
    }

    /// What the leader of `id` says of its group.
    pub fn leader_report(&self, id: ShardId) -> Option<(NodeId, LeaderReport)> {
        let leader = self.leader(id)?;
        if leader == self.node() {
            return Some((leader, self.local(id)?.live().ok()?.leader_report()?));
        }
        let (_, report) = self.0.cluster.view().of(leader)?;
        let shard = report.shards.into_iter().find(|s| s.shard == id)?;
        Some((leader, shard.leads?))
    }

    /// Appends `batch` to the shard, wherever its leader is; answered when it is durable on a majority and visible
    /// to queries. What is perhaps done is repeated: writing a sample twice changes nothing.
    pub async fn append(&self, id: ShardId, batch: Bytes) -> Result<Applied, Error> {
        let began = Instant::now();
        let mut hint = None;
        loop {
            let rest = APPEND_LIMIT.saturating_sub(began.elapsed());
            let leader = hint.take().or_else(|| self.leader(id));
            let tried = tokio::time::timeout(rest, self.try_append(id, leader, batch.clone())).await;
            let error = match tried {
                Ok(Ok(applied)) => return Ok(applied),
                Ok(Err(e)) => e,
                Err(_) => return Err(Error::Unconfirmed(id)),
            };
            if !self.is_worth_repeating(id, &error, began.elapsed()) {
                return Err(error);
            }
            metrics::counter!("plimsoll_append_retries_total").increment(1);
            match error {
                Error::NotLeader { leader: Some(node), .. }
                    if Some(node) != leader && self.0.cluster.view().is_alive(node) =>
                {
                    hint = Some(node);
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Whether a batch that was refused may find a leader that takes it.
    fn is_worth_repeating(&self, id: ShardId, error: &Error, waited: Duration) -> bool {
        match error {
            // a leader with a full disk hands over at once, if there is anybody
            Error::ReadOnly(..) => waited < HAND_OVER_LIMIT && self.0.cluster.place(id).0.len() > 1,
            error => error.is_worth_repeating() && waited + PAUSE < APPEND_LIMIT,
        }
    }

    async fn try_append(&self, id: ShardId, leader: Option<NodeId>, batch: Bytes) -> Result<Applied, Error> {
        let Some(node) = leader else { return Err(Error::NoQuorum(id)) };
        if node == self.node() {
            let local = self.local(id).ok_or(Error::Unavailable(id))?;
            return local.append(batch).await;
        }
        let call = self.0.peers.call(node, Kind::Append, GroupId::of_shard(id).0, batch);
        match self.while_alive(node, call).await {
            Some(Ok(answer)) => Applied::decode(&mut &answer[..]).map_err(|e| Error::Peer(e.to_string())),
            Some(Err(peer::Error::Refused { answer, .. })) => Err(Error::decode(id, node, &answer)),
            Some(Err(peer::Error::Busy { .. })) => Err(Error::Busy(id)),
            Some(Err(peer::Error::Unreachable { .. })) => Err(Error::Unavailable(id)),
            Some(Err(peer::Error::Lost { .. })) | None => Err(Error::Unconfirmed(id)),
        }
    }

    /// Waits for `future` as long as `node` answers pings; nothing when it stops to.
    pub async fn while_alive<T>(&self, node: NodeId, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Some(done),
                () = tokio::time::sleep(LOOK) => {
                    if !self.0.cluster.view().is_alive(node) {
                        return None;
                    }
                }
            }
        }
    }
}
