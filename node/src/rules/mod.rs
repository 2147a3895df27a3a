//! Rules and alerts: groups of rules are evaluated, each by one node of the cluster, and alerts reach people.
//!
//! ```text
//! documents   what is to be evaluated: groups of files and of the API, in the ownership state
//! keep        which groups this node evaluates: those whose shard it leads
//! group       one task a group: queries, samples of the outcome, alerts to the dispatcher
//! restore     what the evaluator before knew, read back from its series
//! dispatch    one task in the cluster: groups alerts, silences them, tells receivers, keeps a log of what was told
//! send        a message to one receiver
//! peer        what nodes tell each other of all this
//! ```
//!
//! Owns: the above. Does not own: the meaning of rules, routes, silences (`plimsoll-rules`), queries, storage.

mod config;
mod dispatch;
mod documents;
mod files;
mod group;
mod keep;
mod outbox;
mod peer;
mod restore;
mod send;
mod status;

pub use config::{
    CONFIG_KEY, NOTIFICATIONS, SILENCES, default as default_config, kept as kept_config, put as put_document,
    silences,
};
pub use documents::{API_FILE, GroupDocument, RULE_FILES, RULE_GROUPS, Spec, group_key};
pub use keep::keep;
pub use status::{GroupStatus, RuleStatus, time};

use crate::collector::Collector;
use crate::query::{Consistency, Queries, Request, Times};
use crate::shard::Shards;
use parking_lot::RwLock;
use plimsoll_cluster_config::Rules as Settings;
use plimsoll_model::Timestamp;
use plimsoll_promql::Answer;
use plimsoll_rules::evaluate::Around;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Groups that are evaluated at a time on a node; the others wait. Rules must not take all slots of queries.
const AT_A_TIME: usize = 8;

/// The rules of the cluster as one node works on them. Cheap to clone.
#[derive(Clone)]
pub struct Rules(Arc<Inner>);

struct Inner {
    settings: Settings,
    around: Around,
    shards: Shards,
    queries: Queries,
    collector: Collector,
    /// What is to be evaluated in the cluster, by key.
    specs: RwLock<Arc<BTreeMap<String, Spec>>>,
    /// What this node evaluates, by key.
    running: RwLock<BTreeMap<String, Arc<RwLock<GroupStatus>>>>,
    slots: Arc<Semaphore>,
    outbox: outbox::Outbox,
    dispatch: dispatch::Dispatch,
}

impl Rules {
    /// Rules of the cluster that `shards` belongs to.
    pub fn new(settings: Settings, shards: Shards, queries: Queries, collector: Collector) -> Self {
        let pair =
            |text: &String| text.split_once('=').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        let around = Around {
            external_labels: settings.external_labels.iter().filter_map(pair).collect(),
            external_url: settings.external_url.clone().unwrap_or_default(),
        };
        Self(Arc::new(Inner {
            settings,
            around,
            shards,
            queries,
            collector,
            specs: RwLock::default(),
            running: RwLock::default(),
            slots: Arc::new(Semaphore::new(AT_A_TIME)),
            outbox: outbox::Outbox::default(),
            dispatch: dispatch::Dispatch::default(),
        }))
    }

    /// Everything that is to be evaluated in the cluster, by key.
    pub fn specs(&self) -> Arc<BTreeMap<String, Spec>> {
        self.0.specs.read().clone()
    }

    /// What rules see of the cluster.
    pub fn around(&self) -> &Around {
        &self.0.around
    }

    /// How often a group is evaluated.
    pub fn interval_ms(&self, spec: &Spec) -> i64 {
        spec.group.interval_ms.unwrap_or(self.0.settings.evaluation_interval.as_millis())
    }

    fn query_offset_ms(&self, spec: &Spec) -> i64 {
        spec.group.query_offset_ms.unwrap_or(self.0.settings.query_offset.as_millis())
    }

    /// Asks for the value of `text` at a time.
    async fn ask(
        &self,
        text: String,
        at: Timestamp,
        lookback: Option<Duration>,
        consistency: Consistency,
        origin: &str,
    ) -> Result<Answer, crate::query::Error> {
        let request = Request {
            text,
            times: Times::Instant(at),
            timeout: None,
            lookback,
            origin: origin.to_owned(),
            consistency,
            partial: false,
        };
        self.0.queries.run(request).await
    }
}
