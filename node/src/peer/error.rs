use bytes::Bytes;
use plimsoll_model::NodeId;

/// Why a peer did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It was not delivered: surely not done.
    #[error("{to} cannot be reached: {reason}")]
    Unreachable {
        /// The peer.
        to: NodeId,
        /// Why.
        reason: String,
    },
    /// It was delivered, perhaps, and no answer came: perhaps done.
    #[error("{to} did not answer: {reason}")]
    Lost {
        /// The peer.
        to: NodeId,
        /// Why.
        reason: String,
    },
    /// As many bytes wait for this peer as may. Surely not done.
    #[error("as many bytes wait for {to} as may")]
    Busy {
        /// The peer.
        to: NodeId,
    },
    /// The peer refused; what it says depends on what was asked.
    #[error("{to} refused: {}", String::from_utf8_lossy(answer))]
    Refused {
        /// The peer.
        to: NodeId,
        /// Its answer.
        answer: Bytes,
    },
}

impl Error {
    /// Whether it is sure that nothing was done.
    pub fn surely_not_done(&self) -> bool {
        !matches!(self, Self::Lost { .. })
    }
}
