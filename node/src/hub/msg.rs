use super::page::Seat;
use super::topic::Key;
use super::{Error, Outcome, Wish};
use tokio::sync::oneshot;

/// All that the hub can be told.
pub(super) enum Msg {
    /// A viewer comes in; the answer is sent when its first message is in its seat.
    Join {
        /// What it wants.
        wish: Wish,
        /// Where it sits.
        seat: Seat,
        /// Whether it was let in.
        reply: oneshot::Sender<Result<(), Error>>,
    },
    /// A second has begun.
    Second,
    /// The past of queries that are new.
    Filled(Vec<(Key, i64, Outcome)>),
    /// What the queries of a step are at `at_ms`.
    Evaluated {
        /// The step.
        step_ms: i64,
        /// The moment.
        at_ms: i64,
        /// The answers.
        answers: Vec<(Key, Outcome)>,
    },
}
