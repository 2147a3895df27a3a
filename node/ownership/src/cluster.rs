//! What the state is made of.

use plimsoll_model::{Epoch, NodeId, ShardId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Tells clusters apart; chosen at random when a cluster is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NodeState {
    /// Registered, not yet ready for replicas.
    Joining,
    /// Holds and takes replicas.
    Active,
    /// Gives its replicas away.
    Draining,
    /// Not heard of for too long: its replicas are rebuilt elsewhere.
    Dead,
    /// Gone for good; only its number is remembered.
    Removed,
}

impl NodeState {
    /// Whether a node may go from this state to `next`. Staying is allowed: commands may be repeated.
    pub fn may_become(self, next: NodeState) -> bool {
        use NodeState::{Active, Draining, Joining, Removed};
        match (self, next) {
            (from, to) if from == to => true,
            (Removed, _) | (_, Joining) => false,
            (Joining, Draining) => false,
            // A node that still holds replicas must be drained or dead before it is removed.
            (Active, Removed) => false,
            _ => true,
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NodeState::Joining => "joining",
            NodeState::Active => "active",
            NodeState::Draining => "draining",
            NodeState::Dead => "dead",
            NodeState::Removed => "removed",
        })
    }
}

/// A node that was ever registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// What its data directory calls itself: random, made with the directory.
    pub identity: u128,
    /// Where peers reach it, `host:port`.
    pub peer_address: String,
    /// Where clients reach it, `host:port`.
    pub address: String,
    /// Nodes of a zone fail together; may be empty.
    pub zone: String,
    /// Version of its program.
    pub version: String,
    /// Where it is in its life.
    pub state: NodeState,
    /// When the state last changed.
    pub epoch: Epoch,
}

/// A range of the series hash and who should hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number.
    pub id: ShardId,
    /// First hash of the range.
    pub first_hash: u64,
    /// Last hash of the range, inclusive.
    pub last_hash: u64,
    /// Nodes that should hold a replica.
    pub replicas: Vec<NodeId>,
    /// The replica that should lead.
    pub leader: Option<NodeId>,
    /// When `replicas` or `leader` last changed.
    pub epoch: Epoch,
}

/// A value of the general store: rules, tokens, dashboards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Its content, opaque here.
    pub bytes: Vec<u8>,
    /// When it last changed.
    pub epoch: Epoch,
}

/// One change of the state, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The epoch that it began.
    pub epoch: Epoch,
    /// When, by the clock of the one who asked, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who asked.
    pub author: String,
    /// What changed.
    pub what: String,
}
