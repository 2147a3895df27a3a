use plimsoll_agents::Fault;

/// Why work on agent telemetry did not get done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store does not answer.
    #[error(transparent)]
    Query(#[from] crate::query::Error),
    /// The store does not take what was worked out.
    #[error(transparent)]
    Write(#[from] crate::collector::Error),
    /// The store refused samples.
    #[error("{count} canonical samples were refused, the first because of {reason}")]
    Refused {
        /// How many.
        count: u64,
        /// Why.
        reason: String,
    },
    /// A document has a fault.
    #[error(transparent)]
    Document(#[from] Fault),
    /// The question cannot be answered.
    #[error("{0}")]
    Asked(String),
}
