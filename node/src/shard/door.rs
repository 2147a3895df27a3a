//! What peers may ask of this node's replicas.

use super::{Error, Shards};
use crate::peer::Kind;
use crate::placement::Members;
use bytes::Bytes;
use plimsoll_consensus::{Group, GroupId, Read};
use plimsoll_model::{NodeId, ShardId};
use plimsoll_storage::Deletion;
use tokio::sync::mpsc;

/// Answers peers for the shards, and for every raft group.
#[derive(Clone)]
pub struct ShardDoor(pub Shards);

impl ShardDoor {
    /// The raft group with this number, when this node has a member of it.
    fn group(&self, number: u64) -> Result<Group, Bytes> {
        let id = GroupId(number);
        if id == GroupId::OWNERSHIP {
            return Ok(self.0.cluster().group().clone());
        }
        let local = id.shard().and_then(|shard| self.0.local(shard)).and_then(|s| s.live().ok());
        local.map(|live| live.group).ok_or_else(|| Bytes::from(format!("{id} does not run on this node")))
    }

    /// Answers a message.
    pub async fn handle(&self, kind: Kind, group: u64, body: Bytes) -> Result<Bytes, Bytes> {
        match kind {
            Kind::Raft => self.group(group)?.handle(body).await.map_err(text),
            Kind::Append => self.append(group, body).await,
            Kind::Delete => self.delete(group, &body).await,
            Kind::Members => self.members(group).await,
            Kind::ReadIndex => self.read_index(group, &body).await,
            _ => Err(Bytes::from_static(b"not a request about a shard")),
        }
    }

    /// Takes a snapshot of a group.
    pub async fn receive_snapshot(
        &self,
        group: u64,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> Result<Bytes, String> {
        let group = self.group(group).map_err(|e| String::from_utf8_lossy(&e).into_owned())?;
        group.receive_snapshot(head, pieces).await.map_err(|e| e.to_string())
    }

    async fn append(&self, group: u64, body: Bytes) -> Result<Bytes, Bytes> {
        let id = shard(group)?;
        let appended = match self.0.local(id) {
            Some(local) => local.append(body).await,
            None => Err(Error::Unavailable(id)),
        };
        let mut out = Vec::new();
        appended.map_err(|e| e.encode())?.encode(&mut out);
        Ok(out.into())
    }

    async fn delete(&self, group: u64, body: &[u8]) -> Result<Bytes, Bytes> {
        let id = shard(group)?;
        let deletion =
            Deletion::decode(body).ok_or_else(|| Error::Malformed("no deletion".into()).encode())?;
        let series = self.0.delete_here(id, &deletion).await.map_err(|e| e.encode())?;
        Ok(Bytes::copy_from_slice(&series.to_le_bytes()))
    }

    /// The members of a group that this node leads, with a majority behind it.
    async fn members(&self, number: u64) -> Result<Bytes, Bytes> {
        let group = self.group(number)?;
        group.read_barrier(Read::Lease).await.map_err(text)?;
        let status = group.status();
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|n| n.0).collect();
        let members = Members { voters: numbers(&status.voters), learners: numbers(&status.learners) };
        postcard::to_allocvec(&members).map(Bytes::from).map_err(text)
    }

    /// What a read elsewhere must have applied to see all that was acknowledged before it began.
    async fn read_index(&self, number: u64, body: &[u8]) -> Result<Bytes, Bytes> {
        let group = self.group(number)?;
        let read = if body.first() == Some(&1) { Read::Index } else { Read::Lease };
        group.read_barrier(read).await.map_err(text)?;
        Ok(Bytes::copy_from_slice(&group.status().committed.unwrap_or(0).to_le_bytes()))
    }
}

fn shard(group: u64) -> Result<ShardId, Bytes> {
    GroupId(group).shard().ok_or_else(|| Bytes::from_static(b"not a shard's group"))
}

fn text(e: impl std::fmt::Display) -> Bytes {
    Bytes::from(e.to_string())
}
