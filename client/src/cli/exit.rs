use super::Global;
use super::escape::terminal;
use crate::Error;

/// How a command ends, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed.
    Fail = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A file was checked and has faults.
    Lint = 3,
    /// It works, but not all of it.
    Degraded = 4,
    /// No node answered.
    Unreachable = 5,
}

/// Why a command failed and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub exit: Exit,
    pub message: String,
    pub next: Option<String>,
}

impl Problem {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), next: None }
    }

    pub fn fail(message: impl Into<String>) -> Self {
        Self::new(Exit::Fail, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    /// Prints the problem on stderr.
    pub fn report(&self, global: &Global) {
        if self.exit == Exit::Ok {
            return;
        }
        let (red, plain) = if global.colors(&std::io::stderr()) { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        eprintln!("{red}error:{plain} {}", terminal(&self.message));
        if let Some(next) = &self.next {
            eprintln!("  next: {next}");
        }
    }
}

impl From<std::io::Error> for Problem {
    fn from(e: std::io::Error) -> Self {
        // The reader has seen what it wanted (`plimsoll series up | head`).
        let quiet = e.kind() == std::io::ErrorKind::BrokenPipe;
        Self::new(if quiet { Exit::Ok } else { Exit::Fail }, e.to_string())
    }
}

/// An error of the client with the next step.
pub(super) fn explain(e: Error) -> Problem {
    let message = e.to_string();
    match e {
        Error::Config(_) => Problem::usage(message),
        Error::Unreachable { ref reason, .. } if reason.contains("certificate") => {
            Problem::new(Exit::Unreachable, message).next("name the certificate to trust with --ca-file")
        }
        Error::Unreachable { .. } => Problem::new(Exit::Unreachable, message)
            .next("start a node with `plimsoll start`, or name one with --url or PLIMSOLL_URL"),
        Error::Interrupted { .. } => Problem::new(Exit::Unreachable, message)
            .next("look at the node's log, or find out more with `plimsoll doctor`"),
        Error::Timeout { .. } => Problem::new(Exit::Unreachable, message)
            .next("wait longer with --timeout 2m, or see what keeps the node busy with `plimsoll top`"),
        Error::Busy { retry_after, .. } => {
            let when = match retry_after {
                Some(wait) => format!("try again in {}", super::units::show_duration(wait)),
                None => "try again in a moment".to_owned(),
            };
            Problem::fail(message).next(format!("{when}; `plimsoll top` shows the load"))
        }
        Error::Refused { status, kind, .. } => {
            let problem = Problem::fail(message);
            match (status, kind.as_deref()) {
                (401 | 403, _) => {
                    problem.next("give a token that may do this with --token or PLIMSOLL_TOKEN")
                }
                (404, None) => problem.next("the node may be older than this command: `plimsoll doctor`"),
                (422, _) => problem.next("narrow the selector or the time range, or take a longer step"),
                _ => problem,
            }
        }
        Error::Failed { .. } => Problem::fail(message).next("look at the node's log"),
        Error::Answer { .. } => Problem::fail(message)
            .next("something else may listen there: check --url, or run `plimsoll doctor`"),
        Error::TooLarge { .. } => {
            Problem::fail("the answer is too large").next("narrow the selector, or use `plimsoll export`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_away_is_exit_5_and_says_what_to_start() {
        let e = Error::Unreachable {
            url: "http://127.0.0.1:7777".into(),
            reason: "Connection refused (os error 111)".into(),
        };
        let p = explain(e);
        assert_eq!(p.exit as u8, 5);
        assert_eq!(p.message, "cannot reach http://127.0.0.1:7777: Connection refused (os error 111)");
        assert!(p.next.expect("a step").contains("plimsoll start"));
    }

    #[test]
    fn a_wrong_url_is_a_usage_error_and_a_refusal_is_a_failure() {
        assert_eq!(explain(Error::Config("x".into())).exit, Exit::Usage);
        let refused =
            Error::Refused { status: 422, kind: None, message: "too many samples".into(), written: None };
        let p = explain(refused);
        assert_eq!(p.exit, Exit::Fail);
        assert!(p.next.expect("a step").contains("narrow"));
    }
}
