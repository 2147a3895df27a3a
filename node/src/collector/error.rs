use plimsoll_model::Fault;

/// Why a request as a whole was not taken. Samples refused one by one are in the receipt.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is not what it says it is.
    #[error(transparent)]
    Decode(#[from] plimsoll_proto::ingest::DecodeError),
    /// Too many bytes of requests are in flight.
    #[error("this node has as many bytes of requests in flight as it may hold; retry in a second")]
    Busy,
    /// A shard did not take its part; all of it may be sent again.
    #[error(transparent)]
    Shard(#[from] crate::shard::Error),
    /// The node is stopping.
    #[error("this node is stopping; send the request again, best to another node")]
    Stopping,
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Decode(_) => Fault::Asker,
            Self::Busy | Self::Stopping => Fault::Moment,
            Self::Shard(e) => e.fault(),
        }
    }

    /// Whether the node is healthy and merely has too much to do.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy | Self::Shard(crate::shard::Error::Busy(_)))
    }
}
