//! Lets queries in, keeps their time, and lists them.
//!
//! Owns: the number of queries at a time, deadlines, the list of running queries, the slow ones of the past; what is
//! asked of shards ([`Question`]), on this node or on others ([`FanOut`]).
//! Does not own: evaluation (`plimsoll-promql`), the merge of what shards answered (`aggregator`).

mod answer;
mod asker;
mod door;
mod error;
mod export;
mod fan_out;
mod question;
mod register;

pub use answer::Consistency;
pub use asker::Asker;
pub use door::{answer_question, by_leader};
pub use error::{Error, Kind};
pub use export::Export;
pub use fan_out::{Answers, FanOut};
pub use question::{Part, Question};
pub use register::{About, Active, Slow};

use crate::aggregator;
use crate::shard::Shards;
use plimsoll_cluster_config::Query as Settings;
use plimsoll_model::Timestamp;
use plimsoll_promql::{Answer, Budget, Options, Plan, Rollups, Stop};
use register::Register;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Queries that may wait for each slot: a dashboard sends its panels at once.
const WAITING_A_SLOT: usize = 16;

/// Where queries go in.
#[derive(Clone)]
pub struct Queries(Arc<Inner>);

struct Inner {
    settings: Settings,
    shards: Shards,
    slots: Semaphore,
    /// Queries that run or wait for a slot; further ones are refused at once.
    places: Semaphore,
    register: Arc<Register>,
}

/// A query and what its asker allows it.
#[derive(Clone, Debug)]
pub struct Request {
    /// PromQL.
    pub text: String,
    /// One time or a range of them.
    pub times: Times,
    /// Less time than the node would give, where the asker says so.
    pub timeout: Option<Duration>,
    /// Another look-back than the node's.
    pub lookback: Option<Duration>,
    /// Dashboard and panel, or the program that asks.
    pub origin: String,
    /// How sure the answer must be that it sees everything acknowledged before.
    pub consistency: Consistency,
    /// Whether an answer without some shards is better than none.
    pub partial: bool,
}

/// For which times a query is evaluated, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Times {
    /// One time.
    Instant(Timestamp),
    /// From `start` to `end`, both included, every `step`.
    Range {
        /// First time.
        start: Timestamp,
        /// Last time.
        end: Timestamp,
        /// Distance, more than 0.
        step: i64,
    },
}

impl Queries {
    /// Queries on `shards` under `settings`.
    pub fn new(settings: Settings, shards: Shards) -> Self {
        let slots = Semaphore::new(settings.concurrency as usize);
        let places = Semaphore::new(settings.concurrency as usize * (1 + WAITING_A_SLOT));
        Self(Arc::new(Inner { settings, shards, slots, places, register: Arc::default() }))
    }

    /// Answers a query. Dropping the future ends the work.
    pub async fn run(&self, request: Request) -> Result<Answer, Error> {
        self.run_with(request, Rollups::default()).await
    }

    /// As [`Self::run`], where the asker says what may be read from rolled-up hours.
    pub async fn run_with(&self, request: Request, rollups: Rollups) -> Result<Answer, Error> {
        let inner = &*self.0;
        let plan = self.plan(&request, rollups)?;
        let _place = inner.places.try_acquire().map_err(|_| Error::Busy(inner.register.active_count()))?;
        let time = request.timeout.unwrap_or(Duration::MAX).min(inner.settings.timeout.duration());
        let stop = Stop::default();
        let (consistency, partial) = (request.consistency, request.partial);
        let mut entry = inner.register.enter(about(request), stop.clone());
        let work = async {
            let _slot = inner.slots.acquire().await.map_err(|_| Error::Lost)?;
            aggregator::run(plan, &inner.shards, self.budget(stop.clone()), consistency, partial).await
        };
        let outcome = match tokio::time::timeout(time, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                stop.timeout();
                Err(Error::Engine(plimsoll_promql::Error::Timeout))
            }
        };
        entry.outcome = outcome.as_ref().map_or_else(|e| e.kind().name(), |_| "ok");
        outcome
    }

    /// The queries that run and the slowest of the past.
    pub fn list(&self) -> (Vec<Active>, Vec<Slow>) {
        (self.0.register.active(), self.0.register.slow())
    }

    /// Ends a query; false when there is none with this number.
    pub fn cancel(&self, id: u64) -> bool {
        self.0.register.cancel(id)
    }

    /// Queries that run, and queries since the start.
    pub fn counts(&self) -> (usize, u64) {
        (self.0.register.active_count(), self.0.register.total())
    }

    fn plan(&self, request: &Request, rollups: Rollups) -> Result<Plan, plimsoll_promql::Error> {
        let settings = &self.0.settings;
        let lookback = request.lookback.unwrap_or(settings.lookback.duration());
        let options = Options {
            lookback_ms: i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX),
            max_points: settings.max_points,
            rollups,
            ..Options::default()
        };
        match request.times {
            Times::Instant(at) => Plan::instant(&request.text, at, options),
            Times::Range { start, end, step } => Plan::range(&request.text, start, end, step, options),
        }
    }

    fn budget(&self, stop: Stop) -> Budget {
        let settings = &self.0.settings;
        let mut budget = Budget::default();
        budget.max_samples = settings.max_samples;
        budget.memory_bytes = settings.memory.bytes();
        budget.max_series = settings.max_series;
        budget.stop = stop;
        budget
    }
}

fn about(request: Request) -> About {
    let (start, end, step) = match request.times {
        Times::Instant(at) => (at, at, 0),
        Times::Range { start, end, step } => (start, end, step),
    };
    About { query: request.text, start, end, step, origin: request.origin }
}

/// The bytes of a question for all of a shard.
pub fn backup_question(shard: plimsoll_model::ShardId) -> bytes::Bytes {
    door::question(door::BACKUP, &shard.0.to_le_bytes())
}

/// The bytes of a question for samples as JSON lines.
pub fn export_question(export: &Export) -> bytes::Bytes {
    // plain data in a vector always encodes
    door::question(door::EXPORT, &postcard::to_allocvec(export).unwrap_or_default())
}
