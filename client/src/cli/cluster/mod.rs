//! `plimsoll cluster ...`: what the cluster looks like, and changes of it that are followed to their end.
//!
//! Owns: tables of nodes, shards and moves, the verdict (`health`), waiting with progress (`follow`).
//! Does not own: what is safe. The cluster decides that and refuses; these commands look first only to save a round
//! trip and to name the next step.

mod change;
mod follow;
pub(super) mod health;
mod log;
mod status;
mod watch;

use super::exit::Problem;
use super::{Global, Outcome};
use crate::Error;

/// Commands of `plimsoll cluster`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Cluster {
    /// Show nodes, shards and moves; the last line is the verdict.
    #[command(after_help = status::EXAMPLES)]
    Status(status::Status),
    /// Show the same live.
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Watch),
    /// Print the command that starts a further node, to be run on its machine.
    #[command(after_help = change::ADD_EXAMPLES)]
    Add,
    /// Move everything off a node, and wait until it holds nothing.
    #[command(after_help = change::DRAIN_EXAMPLES)]
    Drain(change::Drain),
    /// Let a node that was drained take replicas again.
    #[command(after_help = change::UNDRAIN_EXAMPLES)]
    Undrain(change::NodeOnly),
    /// Declare a node dead, and wait until its replicas are rebuilt elsewhere.
    #[command(after_help = change::REPLACE_EXAMPLES)]
    Replace(change::Replace),
    /// Take a node that is drained or dead out of the cluster for good.
    #[command(after_help = change::REMOVE_EXAMPLES)]
    Remove(change::NodeOnly),
    /// Switch balancing on or off, or on and wait until all is balanced.
    #[command(after_help = change::REBALANCE_EXAMPLES)]
    Rebalance(change::Rebalance),
    /// Hand the leadership of a shard to another of its replicas.
    #[command(after_help = change::TRANSFER_EXAMPLES)]
    Transfer(change::Transfer),
    /// Set how many replicas a shard should have.
    #[command(after_help = change::REPLICATION_EXAMPLES)]
    Replication(change::Replication),
    /// Show who changed what in the cluster, the newest last.
    #[command(after_help = log::EXAMPLES)]
    Log(log::Log),
    /// Show settings of the cluster, or set them.
    #[command(after_help = change::SETTINGS_EXAMPLES)]
    Settings(change::Settings),
}

impl Cluster {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.cluster_client()?;
        match self {
            Self::Status(c) => c.run(global, &client).await,
            Self::Watch(c) => c.run(global, &client).await,
            Self::Add => change::add(global, &client).await,
            Self::Drain(c) => c.run(global, &client).await,
            Self::Undrain(c) => c.undrain(global, &client).await,
            Self::Replace(c) => c.run(global, &client).await,
            Self::Remove(c) => c.remove(global, &client).await,
            Self::Rebalance(c) => c.run(global, &client).await,
            Self::Transfer(c) => c.run(global, &client).await,
            Self::Replication(c) => c.run(global, &client).await,
            Self::Log(c) => c.run(global, &client).await,
            Self::Settings(c) => c.run(global, &client).await,
        }
    }
}

/// A refusal of the cluster, with `next` to do about it.
fn refusal(next: impl Into<String>) -> impl FnOnce(Error) -> Problem {
    move |e| match e {
        Error::Refused { status: 400 | 404 | 409 | 422, kind, message, .. } if kind.is_some() => {
            Problem::fail(message).next(next)
        }
        Error::Refused { status: 404, .. } => {
            let problem = Problem::from(e);
            problem.next("the node may be older than this command: `plimsoll doctor`")
        }
        Error::Refused { status: 400 | 409 | 422, .. } => Problem::from(e).next(next),
        other => Problem::from(other),
    }
}
