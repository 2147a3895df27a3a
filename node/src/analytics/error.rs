use crate::query;
use plimsoll_model::Fault;

/// Why there is no report, forecast or document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The question is wrong.
    #[error("{0}")]
    Bad(String),
    /// There is no such document.
    #[error("{0}")]
    NotFound(String),
    /// There is one of this name already, or somebody else was faster.
    #[error("{0}")]
    Conflict(String),
    /// The store did not answer.
    #[error(transparent)]
    Query(#[from] query::Error),
    /// The time was up.
    #[error(
        "the report was not ready within query.timeout ({0}): choose a shorter period or narrow the series down"
    )]
    Late(String),
    /// Something could not be written or sent.
    #[error("{0}")]
    Write(String),
    /// A change was not confirmed.
    #[error("the change was not confirmed, it may or may not hold: {0}")]
    Change(crate::cluster::Error),
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Bad(_) | Self::NotFound(_) | Self::Conflict(_) => Fault::Asker,
            Self::Query(e) => match e.kind() {
                query::Kind::BadData | query::Kind::Execution => Fault::Asker,
                query::Kind::Internal => Fault::Ours,
                _ => Fault::Moment,
            },
            Self::Late(_) | Self::Write(_) | Self::Change(_) => Fault::Moment,
        }
    }
}

impl From<plimsoll_analytics::PeriodError> for Error {
    fn from(e: plimsoll_analytics::PeriodError) -> Self {
        Self::Bad(e.to_string())
    }
}

impl From<crate::cluster::Error> for Error {
    fn from(e: crate::cluster::Error) -> Self {
        match e {
            crate::cluster::Error::Refused(refusal) => Self::Conflict(refusal.to_string()),
            e => Self::Change(e),
        }
    }
}
