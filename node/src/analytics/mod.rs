//! Analytics: reports, anomalies, forecasts, and reports on a schedule.
//!
//! Owns: what is asked of the store for them, the documents (what is watched, what is sent when), the loops that do
//! what is done once in the cluster.
//! Does not own: the arithmetic and the words (`plimsoll-analytics`), status codes (`http`).

pub mod anomalies;
mod ask;
mod checks;
mod deliver;
mod documents;
mod error;
mod found;
mod prices;
mod reports;
pub mod schedules;

pub use deliver::{Channel, Delivery};
pub use documents::Run;
pub use error::Error;
pub use found::Anomaly;
pub use reports::Wanted;

use crate::peer::Report as NodeReport;
use crate::query::Queries;
use crate::shard::Shards;
use plimsoll_cluster_config::Query as Limits;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Reports at a time; each reads every sample of its period. Others wait, as long as a query may take.
const REPORTS: usize = 2;

/// Handle of the analytics. Cheap to clone.
#[derive(Clone)]
pub struct Analytics(Arc<Inner>);

/// What analytics uses of a node.
pub struct Parts {
    /// The shards.
    pub shards: Shards,
    /// Where PromQL goes in.
    pub queries: Queries,
    /// Limits of queries, which hold for reports too.
    pub limits: Limits,
    /// Nothing older than this is kept.
    pub retention_ms: i64,
    /// What this node says of itself.
    pub report: Arc<dyn Fn() -> NodeReport + Send + Sync>,
}

struct Inner {
    parts: Parts,
    slots: Semaphore,
}

impl Analytics {
    /// Analytics of a node.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner { parts, slots: Semaphore::new(REPORTS) }))
    }
}
