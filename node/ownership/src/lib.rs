//! Ownership: who belongs to the cluster and which nodes should hold which shard.
//!
//! Owns: the replicated state of the ownership group ([`State`]), its commands and replies, the bytes of
//! both, and placement, which is a pure function of it.
//! Does not own: replication (`plimsoll-consensus`), liveness, moves, clocks: time and authors come in with
//! each command, so that all replicas agree.
//!
//! In reading order: a [`Command`] changes the [`State`], which answers with a [`Reply`] and remembers the
//! change; [`placement::wanted`] says where the replicas of the shards should be.
//!
//! Invariant: a node id, once given out, is never given to another data directory.

mod bytes;
mod cluster;
mod command;
mod flow;
pub mod placement;
mod state;

pub use bytes::Unreadable;
pub use cluster::{Change, ClusterId, Node, NodeState, Shard, Value};
pub use command::{Action, Command, Refusal, Reply};
pub use state::State;
