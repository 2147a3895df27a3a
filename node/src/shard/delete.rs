//! Deletions on their way to the leader of a shard.

use super::{Error, Shards, actor, machine};
use crate::peer::{self, Kind};
use bytes::Bytes;
use plimsoll_consensus::GroupId;
use plimsoll_model::{NodeId, ShardId};
use plimsoll_storage::Deletion;
use std::time::{Duration, Instant};

/// How long a deletion looks for a leader that takes it; whoever asked tries again later.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

impl Shards {
    /// Deletes in the shard, wherever its leader is; answered with the number of series that were hit, when the
    /// deletion is in the log of a majority and applied at the leader. With a number it may be repeated: it is done once.
    pub async fn delete(&self, id: ShardId, deletion: &Deletion) -> Result<u64, Error> {
        let began = Instant::now();
        let mut hint = None;
        loop {
            let leader = hint.take().or_else(|| self.leader(id));
            let rest = LIMIT.saturating_sub(began.elapsed());
            let error = match tokio::time::timeout(rest, self.try_delete(id, leader, deletion)).await {
                Ok(Ok(series)) => return Ok(series),
                Ok(Err(e)) => e,
                Err(_) => return Err(Error::Unconfirmed(id)),
            };
            let again = error.is_worth_repeating() || matches!(error, Error::Busy(_));
            if !again || began.elapsed() + PAUSE > LIMIT {
                return Err(error);
            }
            match error {
                Error::NotLeader { leader: Some(node), .. } if Some(node) != leader => hint = Some(node),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn try_delete(
        &self,
        id: ShardId,
        leader: Option<NodeId>,
        deletion: &Deletion,
    ) -> Result<u64, Error> {
        let Some(node) = leader else { return Err(Error::NoQuorum(id)) };
        if node == self.node() {
            return self.delete_here(id, deletion).await;
        }
        let mut body = Vec::new();
        deletion.encode(&mut body);
        let call = self.peers().call(node, Kind::Delete, GroupId::of_shard(id).0, Bytes::from(body));
        match self.while_alive(node, call).await {
            Some(Ok(answer)) => answer[..]
                .try_into()
                .map(u64::from_le_bytes)
                .map_err(|_| Error::Peer(format!("{node}: the answer to a deletion cannot be read"))),
            Some(Err(peer::Error::Refused { answer, .. })) => Err(Error::decode(id, node, &answer)),
            Some(Err(peer::Error::Busy { .. })) => Err(Error::Busy(id)),
            Some(Err(peer::Error::Unreachable { .. })) => Err(Error::Unavailable(id)),
            Some(Err(peer::Error::Lost { .. })) | None => Err(Error::Unconfirmed(id)),
        }
    }

    /// Deletes in a shard that this node leads.
    pub(super) async fn delete_here(&self, id: ShardId, deletion: &Deletion) -> Result<u64, Error> {
        let live = self.local(id).ok_or(Error::Unavailable(id))?.live()?;
        if !live.group.is_leader() {
            return Err(Error::NotLeader { shard: id, leader: live.group.status().leader });
        }
        // judged before it is in the log: there all replicas have to do the same
        if !live.storage().has_room_for_deletion() {
            return Err(Error::DeletionsWait(id));
        }
        // little is left to write when the command is applied, which stops the shard for that time
        live.group.checkpoint().await?;
        let reply = live.group.propose(machine::deletion(deletion)).await;
        machine::deleted(&reply.map_err(|e| actor::refusal(id, &e))?).map_err(Error::Malformed)
    }
}
