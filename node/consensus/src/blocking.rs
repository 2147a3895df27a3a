//! Work that may block on the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Where such work runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    /// On tokio's blocking threads.
    Threads,
    /// At once, on the caller's thread: a simulation must have no other.
    Inline,
}

impl Blocking {
    /// Runs `work`; an error is a panic of it, in words.
    pub(crate) async fn run<T, W>(self, work: W) -> Result<T, String>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        match self {
            Blocking::Threads => tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string()),
            Blocking::Inline => catch_unwind(AssertUnwindSafe(work)).map_err(|_| "it panicked".to_owned()),
        }
    }
}
