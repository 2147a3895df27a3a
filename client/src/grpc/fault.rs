use crate::Error;
use std::error::Error as _;
use std::io;
use std::time::Duration;
use tonic::{Code, Status};

/// What was asked, where a code means different things.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// To store samples; a message can only be too large on its way there.
    Write,
    /// For an answer of at most so many bytes.
    Answer { limit_bytes: usize },
}

/// A gRPC status as the error that HTTP would have given.
///
/// A status without a cause came from the node; with one it was made on this side, where the connection failed.
pub(super) fn error(url: &str, status: Status, asked: Asked) -> Error {
    let url = url.to_owned();
    if let Some(io) = io_cause(&status) {
        let reason = io.to_string();
        return if io.kind() == io::ErrorKind::TimedOut || is_connect(io) {
            Error::Unreachable { url, reason }
        } else {
            Error::Interrupted { url, reason }
        };
    }
    if status.source().is_some() {
        return Error::Interrupted { url, reason: innermost(&status) };
    }
    let message = status.message().to_owned();
    let refused = |status| Error::Refused { status, kind: None, message: message.clone(), written: None };
    match status.code() {
        Code::InvalidArgument => refused(400),
        Code::FailedPrecondition => refused(422),
        Code::Unauthenticated => refused(401),
        Code::PermissionDenied => refused(403),
        Code::NotFound => refused(404),
        Code::AlreadyExists | Code::Aborted => refused(409),
        Code::Unimplemented => refused(501),
        Code::OutOfRange => match asked {
            Asked::Write => refused(413),
            // tonic's own refusal of a message beyond the limit, on this side of the wire.
            Asked::Answer { limit_bytes } => Error::TooLarge { limit_bytes },
        },
        Code::ResourceExhausted => {
            Error::Busy { status: 429, message: message.clone(), retry_after: retry_after(&status) }
        }
        Code::Unavailable => {
            Error::Busy { status: 503, message: message.clone(), retry_after: retry_after(&status) }
        }
        Code::DeadlineExceeded => refused_by_time(url, &status),
        Code::Cancelled => Error::Interrupted { url, reason: message },
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Error::Failed { status: 500, message },
    }
}

/// The node's own deadline for a query is the asker's to lengthen; a deadline without a word is the network's.
fn refused_by_time(url: String, status: &Status) -> Error {
    match status.message() {
        "" => Error::Interrupted { url, reason: "the deadline passed".into() },
        message => Error::Refused {
            status: 422,
            kind: Some("timeout".into()),
            message: message.into(),
            written: None,
        },
    }
}

fn retry_after(status: &Status) -> Option<Duration> {
    let value = status.metadata().get("retry-after")?.to_str().ok()?;
    crate::parse_retry_after(value, std::time::SystemTime::now())
}

fn io_cause(status: &Status) -> Option<&io::Error> {
    let mut cause = status.source();
    while let Some(e) = cause {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = e.source();
    }
    None
}

fn is_connect(e: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound};
    let kinds = [AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound];
    // A name that does not resolve has no kind of its own.
    kinds.contains(&e.kind()) || e.to_string().contains("lookup address")
}

fn innermost(status: &Status) -> String {
    let mut e: &dyn std::error::Error = status;
    while let Some(source) = e.source() {
        e = source;
    }
    e.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;
    use plimsoll_model::Fault;

    #[test]
    fn codes_of_the_node_map_to_whose_move_it_is() {
        let cases = [
            (Code::InvalidArgument, Fault::Asker, Outcome::Perhaps),
            (Code::Unauthenticated, Fault::Asker, Outcome::NotDone),
            (Code::OutOfRange, Fault::Asker, Outcome::NotDone),
            (Code::ResourceExhausted, Fault::Moment, Outcome::NotDone),
            (Code::Unavailable, Fault::Moment, Outcome::Perhaps),
            (Code::Internal, Fault::Ours, Outcome::Perhaps),
        ];
        for (code, fault, outcome) in cases {
            let e = error("u", Status::new(code, "m"), Asked::Write);
            assert_eq!((e.fault(), e.outcome()), (fault, outcome), "{code:?}");
        }
    }

    #[test]
    fn retry_after_travels_in_the_metadata() {
        let mut status = Status::unavailable("replaying the log");
        status.metadata_mut().insert("retry-after", tonic::metadata::MetadataValue::from_static("7"));
        let Error::Busy { retry_after, .. } = error("u", status, Asked::Write) else { panic!("not busy") };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }
}
