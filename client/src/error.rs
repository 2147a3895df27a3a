use plimsoll_model::Fault;
use std::time::Duration;

/// What is known about a write that did not end in `Ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was stored; sending it again cannot double anything.
    NotDone,
    /// It may have been stored, wholly or in part. Samples are idempotent (the same value at the same
    /// timestamp is taken once), so writes are repeated after this too; admin calls should look first.
    Perhaps,
}

/// Why a call did not give its answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client was built from something that cannot work.
    #[error("{0}")]
    Config(String),
    /// No connection came about on any of the urls; nothing was sent.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The url that was tried last.
        url: String,
        /// What the operating system or TLS said.
        reason: String,
    },
    /// The connection ended after the request may have been sent.
    #[error("connection to {url} ended before the answer: {reason}")]
    Interrupted {
        /// The url that was asked.
        url: String,
        /// What ended it.
        reason: String,
    },
    /// No complete answer within the timeout.
    #[error("{url} did not answer within {after:?}")]
    Timeout {
        /// The url that was asked.
        url: String,
        /// The timeout of the client.
        after: Duration,
    },
    /// The node refused and asks to come back later (408, 429, 503).
    #[error("the node is busy (HTTP {status}): {message}")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// The node's reason.
        message: String,
        /// When to come back, if the node said so.
        retry_after: Option<Duration>,
    },
    /// The node says that the request itself is wrong (4xx).
    #[error("the node refused the request (HTTP {status}{}): {message}", kind.as_ref().map(|k| format!(", {k}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Prometheus' `errorType`, if there is one.
        kind: Option<String>,
        /// The node's reason.
        message: String,
        /// For a write: how many of its samples were stored all the same, if the node said so.
        written: Option<u64>,
    },
    /// The node failed (5xx other than 503).
    #[error("the node failed (HTTP {status}): {message}")]
    Failed {
        /// The HTTP status.
        status: u16,
        /// The node's reason.
        message: String,
    },
    /// The answer is not what the API promises; probably something else listens there.
    #[error("the answer of {url} is not understood: {reason}")]
    Answer {
        /// The url that was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer is larger than the client was told to take.
    #[error("the answer is larger than {limit_bytes} bytes: ask for less, or raise max_answer_bytes")]
    TooLarge {
        /// The limit of the client.
        limit_bytes: usize,
    },
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Config(_) | Self::Refused { .. } | Self::TooLarge { .. } => Fault::Asker,
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::Timeout { .. } => Fault::Moment,
            Self::Busy { .. } => Fault::Moment,
            Self::Failed { .. } | Self::Answer { .. } => Fault::Ours,
        }
    }

    /// What this error says about the write that it answers; an `Ok` means that the write was done.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Config(_) | Self::Unreachable { .. } => Outcome::NotDone,
            // Turned away at the door. 503 may also come after the log took the entry.
            Self::Busy { status, .. } if *status == 429 => Outcome::NotDone,
            // 400 is what a node answers when it took the good samples and refused the bad ones.
            Self::Refused { status, written, .. } if *status == 400 && *written != Some(0) => {
                Outcome::Perhaps
            }
            Self::Refused { .. } => Outcome::NotDone,
            _ => Outcome::Perhaps,
        }
    }

    /// Whether the same write may succeed later.
    pub(crate) fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Failed { status, .. } => *status != 501,
            other => other.fault() == Fault::Moment,
        }
    }

    /// Whether another of the urls may answer where this one did not, without asking anything twice
    /// that is not `repeatable`.
    pub(crate) fn is_worth_elsewhere(&self, repeatable: bool) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Interrupted { .. } | Self::Busy { .. } => repeatable,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, written: Option<u64>) -> Error {
        Error::Refused { status, kind: None, message: "m".into(), written }
    }

    #[test]
    fn outcomes_tell_surely_not_done_from_perhaps_done() {
        let busy = |status| Error::Busy { status, message: String::new(), retry_after: None };
        let gone = || ("u".to_owned(), "r".to_owned());
        let (url, reason) = gone();
        assert_eq!(Error::Unreachable { url, reason }.outcome(), Outcome::NotDone);
        let (url, reason) = gone();
        assert_eq!(Error::Interrupted { url, reason }.outcome(), Outcome::Perhaps);
        assert_eq!(busy(429).outcome(), Outcome::NotDone);
        assert_eq!(busy(503).outcome(), Outcome::Perhaps);
        assert_eq!(refused(400, None).outcome(), Outcome::Perhaps);
        assert_eq!(refused(400, Some(0)).outcome(), Outcome::NotDone);
        assert_eq!(refused(413, None).outcome(), Outcome::NotDone);
        assert_eq!(Error::Failed { status: 500, message: String::new() }.outcome(), Outcome::Perhaps);
    }

    #[test]
    fn a_refusal_is_the_askers_and_names_the_kind() {
        let e = Error::Refused {
            status: 422,
            kind: Some("execution".into()),
            message: "too many samples".into(),
            written: None,
        };
        assert_eq!(e.fault(), Fault::Asker);
        assert_eq!(e.to_string(), "the node refused the request (HTTP 422, execution): too many samples");
    }
}
