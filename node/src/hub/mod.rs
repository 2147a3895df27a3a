//! One actor a node: live queries, evaluated once a step however many look on.
//!
//! Owns: who looks on, the queries that they want, their evaluation at whole steps, what was answered within the
//! window of each, so that a new viewer sees a full graph at once.
//! Does not own: evaluation (`query`), how answers are written (a [`Form`], of `http`), connections.
//!
//! Invariants: a query of a step is evaluated at most once a step on this node, and its answer is written once; all
//! viewers of the same queries are sent the same bytes. A viewer that does not keep up is let go and told why; nobody
//! waits for it. What is held is bounded: viewers, queries, series an answer, bytes a query.

mod actor;
mod error;
mod handle;
mod msg;
mod page;
mod topic;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use handle::{Hub, Viewer};
pub use topic::Key;

use crate::query::{Queries, Request};
use bytes::Bytes;
use futures::future::BoxFuture;
use plimsoll_promql::Value;

/// Viewers of a node.
pub const MOST_VIEWERS: usize = 2000;
/// Different queries of all viewers of a node.
pub const MOST_TOPICS: usize = 256;
/// Queries of a viewer: a large dashboard.
pub const MOST_QUERIES: usize = 64;
/// Steps in a window.
pub const MOST_STEPS: i64 = 720;
/// Series of an answer; a panel with more cannot be read.
pub const MOST_SERIES: usize = 100;
/// Seconds between two evaluations.
pub const STEPS_S: std::ops::RangeInclusive<i64> = 1..=300;

/// What a viewer wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    /// The queries, each once.
    pub queries: Vec<Wanted>,
    /// Milliseconds between two evaluations; whole seconds.
    pub step_ms: i64,
    /// Whether the state of the cluster is wanted with each step.
    pub cluster: bool,
}

/// A query of a viewer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// PromQL.
    pub expr: String,
    /// Milliseconds of the past that are wanted with it; 0 for the newest value alone.
    pub window_ms: i64,
}

/// What came of an evaluation.
pub type Outcome = Result<Value, String>;

/// How what is sent is written. `http` has the one that browsers read.
pub trait Form: Send + Sync + 'static {
    /// The first message to a viewer: the numbers of its queries.
    fn hello(&self, queries: &[(u64, Key)]) -> Bytes;
    /// What a query was within its window.
    fn history(&self, id: u64, outcome: &Outcome) -> Bytes;
    /// What a query is at one step, as a part of [`Form::tick`].
    fn part(&self, id: u64, outcome: &Outcome) -> Bytes;
    /// What several queries are at a step.
    fn tick(&self, at_ms: i64, parts: &[&Bytes]) -> Bytes;
    /// The state of the cluster.
    fn cluster(&self) -> Bytes;
}

/// Who evaluates; the tests have one of their own.
pub trait Evaluate: Send + Sync + 'static {
    /// Answers a query.
    fn evaluate(&self, request: Request) -> BoxFuture<'static, Outcome>;
}

impl Evaluate for Queries {
    fn evaluate(&self, request: Request) -> BoxFuture<'static, Outcome> {
        let queries = self.clone();
        Box::pin(async move { queries.run(request).await.map(|a| a.value).map_err(|e| e.to_string()) })
    }
}
