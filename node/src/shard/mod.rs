//! One actor a local replica: the only writer of its shard.
//!
//! Owns: the shard's raft group, checkpoints, compaction, expiry, and the restart of a crashed actor from disk.
//! Does not own: splitting requests (`collector`), joining answers (`aggregator`), bytes on disk (`storage`).
//!
//! Invariant: a batch is acknowledged only after its entry is durable on a majority and applied.
//! Reads do not pass through the mailbox: they take a shared snapshot of the storage (see [`source`]).

mod actor;
mod error;
mod handle;
mod machine;
mod msg;
mod setup;
pub mod source;
mod supervisor;

pub use error::Error;
pub use handle::{Live, Shard};
pub use setup::{Fault, Setup};
pub use supervisor::{Msg as SupervisorMsg, Shards, Supervisor};
