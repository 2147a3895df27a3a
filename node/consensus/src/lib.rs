//! Consensus of Plimsoll: many Raft groups, one log, one fsync.
//!
//! Owns: the groups (openraft), their common log (raft-engine), the positions that tie a machine's
//! checkpoint to the log, and the bytes that groups of different nodes exchange.
//! Does not own: what a group replicates into ([`Machine`]), how bytes reach a peer ([`Transport`]), which
//! groups a node should have (`plimsoll-ownership`).
//!
//! This is the only crate that names openraft or raft-engine. All groups share one set of openraft types, so
//! that the engine is compiled once, and nothing of it shows in the interface.
//!
//! Its methods return boxed futures on purpose: a plain `async fn` would be compiled again, with all of the
//! engine that it reaches, in every crate that awaits it.
//!
//! In reading order: [`Machine`] is what a [`Group`] replicates into; a group appends to the [`Log`] of its
//! node; `apply` carries committed entries from the log into the machine; `peers` and `wire` carry them to
//! the other members; [`Error`] tells done, surely not done and perhaps done apart.
//!
//! Invariant: a proposal is answered with success only after its entry is on disk on a majority of the voters
//! and applied here.

mod apply;
mod blocking;
mod entry;
mod error;
mod group;
mod in_process;
mod log;
mod machine;
mod members;
mod options;
mod peers;
mod position;
mod raft;
mod runtime;
mod small;
mod snapshot;
mod status;
mod transport;
mod wire;

pub use error::{Error, Outcome};
pub use group::{Checkpoint, Group, Pending};
pub use in_process::InProcess;
pub use log::{Log, LogOptions, LogStats, MemoryDisk};
pub use machine::{Machine, MachineError, SnapshotSource, Staged};
pub use options::{GroupId, Options, Read};
pub use position::covers;
pub use runtime::SeededThread;
pub use small::{Save, SmallMachine, SmallState};
pub use status::{Status, StatusWatch};
pub use transport::{NoPeers, Transport, TransportError};
pub use wire::carries_entries;
