use plimsoll_model::{Fault, ShardId};
use serde::{Deserialize, Serialize};

/// Kinds of failure, as Prometheus' HTTP API names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The query cannot be parsed or its parameters are wrong.
    BadData,
    /// The query cannot be answered: a limit, or an error while it was evaluated.
    Execution,
    /// The time was up.
    Timeout,
    /// Somebody ended it.
    Canceled,
    /// A shard does not answer for the moment.
    Unavailable,
    /// Too many queries run.
    Busy,
    /// A defect or a broken disk.
    Internal,
}

impl Kind {
    /// Prometheus' name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Unavailable | Self::Busy => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] plimsoll_promql::Error),
    /// A shard is not there.
    #[error(transparent)]
    Shard(#[from] crate::shard::Error),
    /// A shard refused its part.
    #[error("{text}")]
    Part {
        /// The kind of failure.
        kind: Kind,
        /// What the shard said.
        text: String,
    },
    /// Nobody answers for some shards.
    #[error(
        "{} cannot be read at present ({reason}); ask again in a second, or with partial_response=true for the rest",
        list(shards)
    )]
    Missing {
        /// The shards.
        shards: Vec<ShardId>,
        /// Why the first of them.
        reason: String,
    },
    /// As many queries run and wait as may.
    #[error("{0} queries run or wait already; retry in a second, or raise query.concurrency")]
    Busy(usize),
    /// The part of the node that evaluates queries is gone.
    #[error("the query ended without an answer; this is a defect, see the node's log")]
    Lost,
}

impl Error {
    /// The kind that the HTTP API tells.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Engine(e) => kind_of(e),
            Self::Shard(e) => match e.fault() {
                Fault::Asker => Kind::BadData,
                Fault::Moment => Kind::Unavailable,
                Fault::Ours => Kind::Internal,
            },
            Self::Part { kind, .. } => *kind,
            Self::Missing { .. } => Kind::Unavailable,
            Self::Busy(_) => Kind::Busy,
            Self::Lost => Kind::Internal,
        }
    }
}

fn kind_of(e: &plimsoll_promql::Error) -> Kind {
    match e.kind() {
        "bad_data" => Kind::BadData,
        "timeout" => Kind::Timeout,
        "canceled" => Kind::Canceled,
        "internal" => Kind::Internal,
        _ if e.fault() == Fault::Moment => Kind::Unavailable,
        _ => Kind::Execution,
    }
}

/// The first few of a list of shards.
pub(super) fn list(shards: &[ShardId]) -> String {
    let shown: Vec<String> = shards.iter().take(4).map(ShardId::to_string).collect();
    let more = shards.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!(" and {more} more shards") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
