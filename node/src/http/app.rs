use super::ApiError;
use super::cardinality::Cardinality;
use crate::access::Access;
use crate::cluster::Cluster;
use crate::collector::Collector;
use crate::disk::Health;
use crate::query::Queries;
use crate::shard::Shards;
use crate::telemetry::Metadata;
use metrics_exporter_prometheus::PrometheusHandle;
use plimsoll_cluster_config::Settings;
use plimsoll_consensus::Log;
use plimsoll_model::{Labels, Matcher, TimeRange};
use plimsoll_storage::Database;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of a node that the handlers use.
pub struct Parts {
    /// Settings that hold.
    pub settings: Settings,
    /// RocksDB.
    pub database: Arc<Database>,
    /// The log of all groups.
    pub log: Log,
    /// Identity and ownership.
    pub cluster: Cluster,
    /// The shards.
    pub shards: Shards,
    /// Whether the disk takes more.
    pub disk: Health,
    /// Who may do what.
    pub access: Access,
    /// The way in.
    pub collector: Collector,
    /// The way out.
    pub queries: Queries,
    /// Types and help of metrics.
    pub metadata: Arc<Metadata>,
    /// This node's own metrics.
    pub recorder: PrometheusHandle,
    /// When the start began.
    pub started: Instant,
}

/// [`Parts`] and what changes while the node runs.
pub struct Inner {
    /// The parts.
    pub parts: Parts,
    /// Whether the node takes traffic.
    pub ready: AtomicBool,
    /// Wall clock of the start in milliseconds.
    pub started_ms: i64,
}

impl AppState {
    /// State of a node that is not ready yet.
    pub fn new(parts: Parts) -> Self {
        let started_ms = crate::now_ms();
        Self(Arc::new(Inner { parts, ready: AtomicBool::new(false), started_ms }))
    }

    /// Bytes that a write request may have as it comes in; unpacked it may have as many.
    pub fn body_bytes(&self) -> usize {
        self.settings.ingest.decoded_bytes.bytes() as usize
    }

    /// Which metrics, labels and pairs have the most series, all shards together: of all series, or of those that
    /// one of `selectors` names.
    pub async fn cardinality(
        &self,
        selectors: Vec<Vec<Matcher>>,
        limit: usize,
    ) -> Result<Cardinality, ApiError> {
        if !selectors.is_empty() {
            let selected: HashSet<Labels> =
                self.each_selected(selectors, |shard, s| shard.series(s, TimeRange::ALL, usize::MAX)).await?;
            return Ok(Cardinality::of(&selected, limit));
        }
        // a shard's own leaders are not those of the whole: ask for more than is shown
        let each = limit.saturating_mul(8).clamp(100, 10_000);
        let parts: Vec<plimsoll_storage::Cardinality> =
            self.each_shard(move |shard| Ok(vec![shard.cardinality(each)])).await?;
        let mut found = Cardinality::join(parts, limit);
        // a value that lives on several shards is one value: count those that are shown anew, together
        for label in &mut found.labels {
            let name = label.name.clone();
            let values: HashSet<String> =
                self.each_shard(move |shard| shard.label_values(&name, &[], TimeRange::ALL)).await?;
            label.values = values.len() as u64;
        }
        found.labels.sort_unstable_by(|a, b| b.values.cmp(&a.values).then_with(|| a.name.cmp(&b.name)));
        Ok(found)
    }

    /// Asks every shard for each of `selectors` and joins what they answer.
    pub async fn each_selected<T, C>(
        &self,
        selectors: Vec<Vec<Matcher>>,
        ask: impl Fn(&plimsoll_storage::Shard, &[Matcher]) -> Result<Vec<T>, plimsoll_storage::Error>
        + Send
        + 'static,
    ) -> Result<C, ApiError>
    where
        T: Send + 'static,
        C: FromIterator<T> + Send + 'static,
    {
        self.each_shard(move |shard| {
            let mut all = Vec::new();
            for matchers in &selectors {
                all.extend(ask(shard, matchers)?);
            }
            Ok(all)
        })
        .await
    }

    /// Asks every shard on the blocking pool and joins what they answer.
    pub async fn each_shard<T, C>(
        &self,
        ask: impl Fn(&Arc<plimsoll_storage::Shard>) -> Result<Vec<T>, plimsoll_storage::Error> + Send + 'static,
    ) -> Result<C, ApiError>
    where
        T: Send + 'static,
        C: FromIterator<T> + Send + 'static,
    {
        let lives = self.shards.iter().map(crate::shard::Shard::live).collect::<Result<Vec<_>, _>>()?;
        let asked = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            for live in lives {
                all.extend(ask(&live.storage)?);
            }
            Ok::<C, plimsoll_storage::Error>(all.into_iter().collect())
        });
        match asked.await {
            Ok(answer) => Ok(answer?),
            Err(join) => std::panic::resume_unwind(join.into_panic()),
        }
    }
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}
