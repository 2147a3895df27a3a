use plimsoll_model::Fault;

/// Kinds of failure, as Prometheus' HTTP API names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
