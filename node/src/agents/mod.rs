//! Canonical series, cost and budgets of what agents send: a duty of one node at a time.
//!
//! Owns: the loop that works on windows of source samples (`duty`), reading and writing for it (`store`), the
//! documents in the ownership state ([`documents`]), what budgets come to (`budgets`), the cost of past tokens by any
//! price book (`cost`).
//! Does not own: what names mean and what tokens cost (`plimsoll-agents`), how samples come in (`collector`).
//!
//! Invariant: all that a take-over needs is in the store. A window that is worked on twice, after a crash or by two nodes
//! for a moment, comes to the same samples.

mod budgets;
mod cost;
pub mod documents;
mod duty;
mod error;
mod status;
mod store;

pub use budgets::{Spent, standings};
pub use cost::{Costed, Wanted, recost};
pub use error::Error;
pub use status::Status;
pub use store::{Store, quoted};

use duty::Duty;
use parking_lot::Mutex;
use plimsoll_agents::STEP_MS;
use std::sync::Arc;
use std::time::Duration;

/// Under this name the work is done once in the cluster.
pub const DUTY: &str = "agents";
/// After the end of a step, so that what was sent at its end is in.
const AFTER_STEP_MS: i64 = 1_000;
/// After a failure.
const PAUSE: Duration = Duration::from_secs(2);

/// Handle of the duty on this node, which may be another node's.
#[derive(Clone)]
pub struct Agents {
    store: Store,
    status: Arc<Mutex<Status>>,
}

impl Agents {
    /// The duty over `store`; it begins with [`Agents::keep`].
    pub fn new(store: Store) -> Self {
        Self { store, status: Arc::default() }
    }

    /// The store as the duty sees it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How the work goes, as far as this node knows.
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// Works whenever it is this node's duty, for ever.
    pub async fn keep(self) {
        let mut duty = Duty::new(self.store.clone());
        loop {
            if documents::heard(self.store.shards.cluster()).is_some() {
                crate::collector::watch_late();
            }
            if !self.store.shards.is_my_duty(DUTY) {
                duty.forget();
                *self.status.lock() = Status::default();
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let done = duty.pass(crate::now_ms()).await;
            let mut status = self.status.lock().clone();
            status.mine = true;
            match done {
                Ok(pass) => {
                    let behind = pass.behind;
                    status.passed(pass);
                    *self.status.lock() = status;
                    if !behind {
                        tokio::time::sleep(until_next_step()).await;
                    }
                }
                Err(e) => {
                    // what was written stands; what was not is worked out again from the store
                    duty.forget();
                    metrics::counter!("plimsoll_agents_failed_passes_total").increment(1);
                    let text = e.to_string();
                    if status.trouble.as_ref() != Some(&text) {
                        tracing::warn!(error = %text, "agent telemetry waits");
                    }
                    status.trouble = Some(text);
                    *self.status.lock() = status;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Has all since `from` worked on again: written down as late samples are, so that whoever has the duty obeys.
pub async fn rework(store: &Store, from: plimsoll_model::Timestamp) -> Result<(), Error> {
    let series = crate::collector::late_series(store.shards.node());
    let now = crate::collector::next_late_time();
    store.write(vec![store::row(series, now, from as f64 / 1000.0)]).await
}

fn until_next_step() -> Duration {
    let now = crate::now_ms() - AFTER_STEP_MS;
    Duration::from_millis((STEP_MS - now.rem_euclid(STEP_MS)).unsigned_abs())
}
