//! One actor a local replica: the only writer of its shard.
//!
//! Owns: the shard's raft group and its members ([`walk`]), checkpoints, compaction, expiry, the restart of a crashed
//! actor from disk, and the way to the leaders of all shards ([`Shards`]).
//! Does not own: splitting requests (`collector`), joining answers (`aggregator`), bytes on disk (`storage`), where
//! replicas should be (`placement`).
//!
//! Invariant: a batch is acknowledged only after its entry is durable on a majority and applied.
//! Reads do not pass through the mailbox: they take a shared snapshot of the storage (see [`source`]).

mod actor;
mod delete;
mod door;
mod error;
pub mod failover;
mod handle;
mod machine;
mod msg;
mod setup;
mod shards;
pub mod source;
mod supervisor;
pub mod walk;

pub use door::ShardDoor;
pub use error::Error;
pub use handle::{Live, Shard};
pub use setup::{Fault, Setup};
pub use shards::Shards;
pub use supervisor::{Handle as SupervisorHandle, Supervisor};
