use super::ApiError;
use super::cardinality::Cardinality;
use crate::access::Access;
use crate::agents::Agents;
use crate::analytics::Analytics;
use crate::cluster::Cluster;
use crate::collector::Collector;
use crate::disk::Health;
use crate::hub::Hub;
use crate::peer::Report;
use crate::query::{Answers, Consistency, FanOut, Part, Queries, Question};
use crate::retention::Retention;
use crate::scraper::Scraper;
use crate::shard::Shards;
use crate::telemetry::Metadata;
use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use plimsoll_cluster_config::Settings;
use plimsoll_consensus::Log;
use plimsoll_model::{Labels, Matcher, TimeRange};
use plimsoll_promql::Budget;
use plimsoll_storage::Database;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// [`AppState`] without a hold on it.
#[derive(Clone, Default)]
pub struct WeakApp(Weak<Inner>);

impl WeakApp {
    /// The state, while the node runs.
    pub fn upgrade(&self) -> Option<AppState> {
        self.0.upgrade().map(AppState)
    }
}

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
    /// How long samples are kept.
    pub retention: Retention,
    /// What this node says of itself.
    pub report: Arc<dyn Fn() -> Report + Send + Sync>,
    /// Whether the disk takes more.
    pub disk: Health,
    /// Who may do what.
    pub access: Access,
    /// The way in.
    pub collector: Collector,
    /// The way out.
    pub queries: Queries,
    /// What is scraped.
    pub scraper: Scraper,
    /// Reports, anomalies, forecasts.
    pub analytics: Analytics,
    /// Rules and alerts.
    pub rules: crate::rules::Rules,
    /// Telemetry of agents.
    pub agents: Agents,
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
    /// Live queries, once the node has begun them.
    pub hub: OnceLock<Hub>,
    /// Wall clock of the start in milliseconds.
    pub started_ms: i64,
}

impl AppState {
    /// State of a node that is not ready yet.
    pub fn new(parts: Parts) -> Self {
        let started_ms = crate::now_ms();
        Self(Arc::new(Inner { parts, ready: AtomicBool::new(false), hub: OnceLock::new(), started_ms }))
    }

    /// This state for somebody who must not keep the node from ending.
    pub fn downgrade(&self) -> WeakApp {
        WeakApp(Arc::downgrade(&self.0))
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
        let whole = Reading::default();
        if !selectors.is_empty() {
            let question = Question::Series { selectors, range: TimeRange::ALL, limit: u64::MAX };
            let selected: HashSet<Labels> = self.labels(question, whole).await?.0;
            return Ok(Cardinality::of(&selected, limit));
        }
        // a shard's own leaders are not those of the whole: ask for more than is shown
        let each = limit.saturating_mul(8).clamp(100, 10_000) as u64;
        let answers = self.ask(Question::Cardinality(each), whole).await?;
        let part = |part| match part {
            Part::Cardinality(part) => Some(part.into()),
            _ => None,
        };
        let mut found = Cardinality::join(answers.parts.into_iter().filter_map(part).collect(), limit);
        // a value that lives on several shards is one value: count those that are shown anew, together
        for label in &mut found.labels {
            let question = Question::LabelValues {
                name: label.name.clone(),
                selectors: vec![Vec::new()],
                range: TimeRange::ALL,
            };
            let values: HashSet<String> = self.texts(question, whole).await?.0;
            label.values = values.len() as u64;
        }
        found.labels.sort_unstable_by(|a, b| b.values.cmp(&a.values).then_with(|| a.name.cmp(&b.name)));
        Ok(found)
    }

    /// Asks every shard. Fails when one has no answer, unless `how` allows for that.
    pub async fn ask(&self, question: Question, how: Reading) -> Result<Answers, ApiError> {
        let mut budget = Budget::default();
        budget.max_series = u64::MAX;
        let limit = self.settings.query.timeout.duration();
        let asked = FanOut::new(&self.shards, question, budget, how.consistency).run();
        let answers = tokio::time::timeout(limit, asked).await.map_err(|_| {
            let text = format!("no answer within query.timeout ({})", self.settings.query.timeout);
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", text)
        })??;
        match answers.missing.first() {
            Some((_, reason)) if !how.partial => {
                let shards = answers.missing.iter().map(|(id, _)| *id).collect();
                Err(crate::query::Error::Missing { shards, reason: reason.clone() }.into())
            }
            _ => Ok(answers),
        }
    }

    /// Names or values of all shards, and warnings.
    pub async fn texts<C: FromIterator<String>>(
        &self,
        question: Question,
        how: Reading,
    ) -> Result<(C, Vec<String>), ApiError> {
        let answers = self.ask(question, how).await?;
        let texts = answers.parts.into_iter().filter_map(|part| match part {
            Part::Texts(texts) => Some(texts),
            _ => None,
        });
        Ok((texts.flatten().collect(), warnings(answers.missing)))
    }

    /// Series of all shards, and warnings.
    pub async fn labels<C: FromIterator<Labels>>(
        &self,
        question: Question,
        how: Reading,
    ) -> Result<(C, Vec<String>), ApiError> {
        let answers = self.ask(question, how).await?;
        let series = answers.parts.into_iter().filter_map(|part| match part {
            Part::Series(series) => Some(series),
            _ => None,
        });
        let read = |bytes: Vec<u8>| {
            let damaged =
                |e| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", format!("labels: {e}"));
            Labels::from_bytes(&bytes).map_err(damaged)
        };
        let all = series.flatten().map(read).collect::<Result<C, _>>()?;
        Ok((all, warnings(answers.missing)))
    }
}

/// How sure a read must be, and whether a part of it is better than nothing.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How sure.
    pub consistency: Consistency,
    /// Whether shards may be missing.
    pub partial: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self { consistency: Consistency::Lease, partial: false }
    }
}

fn warnings(missing: Vec<(plimsoll_model::ShardId, String)>) -> Vec<String> {
    missing.into_iter().map(|(id, reason)| format!("{id} is missing from this answer: {reason}")).collect()
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
