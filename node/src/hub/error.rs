use super::{MOST_QUERIES, MOST_STEPS, MOST_TOPICS, MOST_VIEWERS};
use plimsoll_model::Fault;

/// Why a viewer is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The node has as many viewers as it takes.
    #[error("{MOST_VIEWERS} look on already at this node: turn to another node, or ask again")]
    Full,
    /// Its viewers want as many different queries as it takes.
    #[error(
        "{MOST_TOPICS} different live queries run on this node already: turn to another node, or ask again"
    )]
    Topics,
    /// A page with too much on it.
    #[error(
        "a viewer has at most {MOST_QUERIES} live queries: show fewer panels, or ask query_range instead"
    )]
    Queries,
    /// A step that is none.
    #[error("a step has 1 to 300 whole seconds")]
    Step,
    /// Too long a past.
    #[error("a window has at most {MOST_STEPS} steps: take a longer step, or ask query_range instead")]
    Window,
    /// A query that cannot be parsed.
    #[error("{expr}: {reason}")]
    Query {
        /// Its text.
        expr: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The actor has ended.
    #[error("the node stops: turn to another node")]
    Stopped,
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Full | Self::Topics | Self::Stopped => Fault::Moment,
            Self::Queries | Self::Step | Self::Window | Self::Query { .. } => Fault::Asker,
        }
    }
}
