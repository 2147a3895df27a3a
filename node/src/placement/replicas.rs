//! Opens the replicas that this node should hold, and destroys those that it no longer holds.

use crate::peer::Kind;
use crate::shard::{Shards, SupervisorHandle};
use bytes::Bytes;
use plimsoll_consensus::GroupId;
use plimsoll_model::{NodeId, ShardId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

const ROUND: Duration = Duration::from_millis(200);
/// The leader of a shard answers from memory.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The members of a shard's group as its leader knows them, confirmed by a majority.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Members {
    /// Who votes, in the old and the new set while a change is under way.
    pub voters: Vec<u64>,
    /// Who listens.
    pub learners: Vec<u64>,
}

/// Follows the ownership metadata.
pub struct Replicas {
    /// The shards, and ownership behind them.
    pub shards: Shards,
    /// Opens and closes replicas.
    pub supervisor: SupervisorHandle,
}

impl Replicas {
    /// Runs for ever.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(ROUND).await;
            self.look().await;
        }
    }

    /// Opens what this node holds, as far as disk and metadata tell, and waits for it.
    pub async fn open_all(&self, on_disk: Vec<ShardId>) {
        let mut all = self.wanted();
        all.extend(on_disk);
        self.supervisor.open(all.into_iter().collect()).await;
    }

    async fn look(&self) {
        self.shards.cluster().learn_addresses();
        let (me, mine) = (self.shards.cluster().node_id(), self.wanted());
        let new: Vec<ShardId> = mine.iter().filter(|id| self.shards.local(**id).is_none()).copied().collect();
        if !new.is_empty() {
            tracing::info!(shards = ?new, "this node gets replicas");
            self.supervisor.open(new).await;
        }
        for held in self.shards.locals().into_iter().filter(|s| !mine.contains(&s.id) || s.is_ruined()) {
            let shard = held.id;
            if self.is_rid_of(shard, me).await {
                tracing::info!(%shard, "this node no longer holds a replica; its data is deleted");
                self.supervisor.destroy(shard).await;
            }
        }
    }

    /// The shards that the ownership metadata puts on this node.
    fn wanted(&self) -> BTreeSet<ShardId> {
        let me = self.shards.cluster().node_id();
        self.shards.cluster().read(|state| {
            let mine = state.shards().iter().filter(|shard| shard.replicas.contains(&me));
            mine.map(|shard| shard.id).collect()
        })
    }

    /// Whether the leader of `shard`, with a majority behind it, no longer counts this node among the members. One that
    /// was removed may never hear of it by the log.
    async fn is_rid_of(&self, shard: ShardId, me: NodeId) -> bool {
        let Some((leader, _)) =
            self.shards.cluster().view().leader_of(shard).filter(|(leader, _)| *leader != me)
        else {
            return false;
        };
        let call = self.shards.peers().call(leader, Kind::Members, GroupId::of_shard(shard).0, Bytes::new());
        let Ok(Ok(answer)) = tokio::time::timeout(ANSWER_LIMIT, call).await else { return false };
        let Ok(members) = postcard::from_bytes::<Members>(&answer) else { return false };
        !members.voters.is_empty() && !members.voters.contains(&me.0) && !members.learners.contains(&me.0)
    }
}
