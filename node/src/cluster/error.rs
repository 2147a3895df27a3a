use plimsoll_model::{Fault, NodeId};
use plimsoll_ownership::Refusal;

/// Why the ownership metadata was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The change does not fit the state.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It would hurt, and the asker did not insist.
    #[error("{0}")]
    Unwise(String),
    /// No majority of the ownership group answers.
    #[error(
        "the ownership group has no majority at present ({reason}): data is written and read as before, but nothing about \
         nodes and shards can be changed until enough of its voters are back"
    )]
    NoQuorum {
        /// What was tried last.
        reason: String,
    },
    /// The group on this node has failed.
    #[error("the ownership group failed on {node}: {reason}")]
    Failed {
        /// This node.
        node: NodeId,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused(_) | Self::Unwise(_) => Fault::Asker,
            Self::NoQuorum { .. } => Fault::Moment,
            Self::Failed { .. } => Fault::Ours,
        }
    }
}
