//! What the state can be asked to change, and what it answers.

use crate::cluster::{ClusterId, NodeState};
use plimsoll_model::{Epoch, NodeId, ShardId};
use serde::{Deserialize, Serialize};

/// A change that someone asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Who asks: a token's name, a node, or a loop of the program.
    pub author: String,
    /// When, in milliseconds since 1970; only recorded.
    pub at_ms: i64,
    /// What.
    pub action: Action,
}

/// The changes. New ones are added at the end: the order is part of the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Begins the cluster. Repeating it with the same id does nothing.
    Found {
        /// Its id.
        cluster: ClusterId,
        /// How many shards; fixed from then on.
        shards: u16,
        /// Replicas that a shard should have once there are enough nodes.
        replication: u8,
    },
    /// Makes a node known and gives it its number. The same identity gets the same number again.
    Register {
        /// Made at random with the data directory.
        identity: u128,
        /// Where peers reach it.
        peer_address: String,
        /// Where clients reach it.
        address: String,
        /// Its zone; may be empty.
        zone: String,
        /// Version of its program.
        version: String,
    },
    /// Moves a node on in its life.
    SetNodeState {
        /// Which.
        node: NodeId,
        /// The new state.
        state: NodeState,
    },
    /// Says where a shard should be.
    Place {
        /// Which.
        shard: ShardId,
        /// Its nodes.
        replicas: Vec<NodeId>,
        /// The one that should lead.
        leader: Option<NodeId>,
        /// The shard's epoch that the asker has seen.
        seen: Epoch,
    },
    /// Sets how many replicas shards should have.
    SetReplication {
        /// At least 1.
        replication: u8,
    },
    /// Sets a setting of the cluster, or removes it.
    SetSetting {
        /// Its name.
        key: String,
        /// Its value; `None` removes it.
        value: Option<String>,
    },
    /// Puts a value into the general store, or removes it.
    Put {
        /// What kind of thing: `rules`, `tokens`, `dashboards`.
        namespace: String,
        /// Which.
        key: String,
        /// Its content; `None` removes it.
        value: Option<Vec<u8>>,
        /// If given, the value's epoch that the asker has seen; 0 for one that must not exist.
        seen: Option<Epoch>,
    },
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done; the state is now at this epoch. Unchanged if there was nothing to change.
    Done(Epoch),
    /// The node is registered under this number.
    Registered(NodeId, Epoch),
    /// Refused; nothing changed.
    Refused(Refusal),
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// There is a cluster already.
    #[error("this is cluster {0} already")]
    AlreadyFounded(ClusterId),
    /// There is no cluster yet.
    #[error("the cluster is not founded yet")]
    NotFounded,
    /// A number is out of range.
    #[error("{what} must be {range}")]
    OutOfRange {
        /// Which.
        what: String,
        /// What is allowed.
        range: String,
    },
    /// No such node.
    #[error("there is no node {0}")]
    UnknownNode(NodeId),
    /// The data directory belonged to a node that was removed.
    #[error("{0} was removed from the cluster; start it with a new data directory")]
    NodeRemoved(NodeId),
    /// A node cannot go from one state to the other.
    #[error("{node} is {from} and cannot become {to}")]
    NodeState {
        /// Which.
        node: NodeId,
        /// Its state.
        from: String,
        /// The one asked for.
        to: String,
    },
    /// A node still has replicas.
    #[error("{node} should still hold {shards} shards; drain it first")]
    HoldsShards {
        /// Which.
        node: NodeId,
        /// How many.
        shards: u32,
    },
    /// No such shard.
    #[error("there is no {0}")]
    UnknownShard(ShardId),
    /// A shard cannot be placed like this.
    #[error("{shard} cannot be placed so: {reason}")]
    Placement {
        /// Which.
        shard: ShardId,
        /// Why.
        reason: String,
    },
    /// Someone else was faster.
    #[error("changed meanwhile: seen epoch {seen}, it is {now}; read it again")]
    Stale {
        /// What the asker had seen.
        seen: u64,
        /// What it is.
        now: u64,
    },
    /// Something is too long.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLong {
        /// What.
        what: String,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The state is full.
    #[error("there are {limit} {what} already")]
    TooMany {
        /// What.
        what: String,
        /// The limit.
        limit: u64,
    },
}
