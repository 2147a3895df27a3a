//! What is told about targets.

use parking_lot::RwLock;
use plimsoll_model::{Labels, Timestamp};
use plimsoll_scrape::{Found, Meta, Target};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a target was at its last scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It was not scraped yet.
    #[default]
    Unknown,
    /// It answered with metrics.
    Up,
    /// It did not.
    Down,
}

/// What a target's task last knew.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub health: Health,
    pub error: String,
    pub at: Timestamp,
    pub seconds: f64,
    pub samples: u64,
    pub meta: Vec<Arc<Meta>>,
}

/// A target as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Its name in the cluster.
    pub key: String,
    /// Its job.
    pub pool: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Labels before relabelling.
    pub discovered: BTreeMap<String, String>,
    /// Where it is asked.
    pub url: String,
    /// How often.
    pub interval: String,
    /// How long it may take.
    pub timeout: String,
    /// Number of the node that scrapes it; nothing while nobody does.
    pub node: Option<u64>,
    /// How it was.
    pub health: Health,
    /// Why it was down.
    pub error: String,
    /// When it was scraped last, in milliseconds; 0 for never.
    pub last_ms: Timestamp,
    /// How long that took.
    pub seconds: f64,
    /// Samples of its last good scrape.
    pub samples: u64,
}

/// All that a node tells.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// Every target that this node knows of.
    pub targets: Vec<Shown>,
    /// Job and labels of targets that relabelling dropped, as far as they are remembered.
    pub dropped: Vec<(String, BTreeMap<String, String>)>,
    /// How many each job dropped.
    pub dropped_counts: BTreeMap<String, usize>,
    /// The jobs.
    pub pools: Vec<String>,
    /// What keeps addresses from being scraped.
    pub errors: Vec<String>,
}

/// What a target says about a metric.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShownMeta {
    /// Labels of the target.
    pub target: BTreeMap<String, String>,
    /// The metric.
    pub metric: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// A sentence for people.
    pub help: String,
    /// Its unit.
    pub unit: String,
}

/// The status of a target, shared by its task and the board.
pub(super) type Shared = Arc<parking_lot::Mutex<Status>>;

/// What is known on this node.
#[derive(Default)]
pub(super) struct Board(RwLock<Content>);

#[derive(Default)]
pub(super) struct Content {
    pub node: u64,
    /// By job; jobs of our own are not among them.
    pub found: BTreeMap<String, Found>,
    /// Targets that this node scrapes, by key.
    pub running: BTreeMap<String, (Arc<Target>, Shared)>,
}

fn pairs(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Board {
    /// Changes what is known.
    pub fn write(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.0.write());
    }

    pub fn told(&self) -> Told {
        let content = self.0.read();
        let mut told = Told { pools: content.found.keys().cloned().collect(), ..Told::default() };
        for (target, status) in content.running.values() {
            told.targets.push(shown(target, Some((content.node, &status.lock()))));
        }
        for (job, found) in &content.found {
            let others = found.targets.iter().filter(|t| !content.running.contains_key(&t.key));
            told.targets.extend(others.map(|target| shown(target, None)));
            told.dropped.extend(found.dropped.iter().map(|d| (d.job.clone(), pairs(&d.discovered))));
            told.dropped_counts.insert(job.clone(), found.dropped_count);
            told.errors.extend(found.errors.iter().chain(&found.over_limit).cloned());
        }
        told
    }

    pub fn metadata(&self, metric: Option<&str>) -> Vec<ShownMeta> {
        let content = self.0.read();
        let mut out = Vec::new();
        for (target, status) in content.running.values() {
            let status = status.lock();
            let wanted = status.meta.iter().filter(|m| metric.is_none_or(|name| m.name == name));
            out.extend(wanted.map(|m| ShownMeta {
                target: pairs(&target.labels),
                metric: m.name.clone(),
                kind: m.kind.name().to_owned(),
                help: m.help.clone(),
                unit: m.unit.clone(),
            }));
        }
        out
    }
}

fn shown(target: &Target, status: Option<(u64, &Status)>) -> Shown {
    let none = Status::default();
    let (node, status) = status.map_or((None, &none), |(node, status)| (Some(node), status));
    Shown {
        key: target.key.clone(),
        pool: target.job.name.clone(),
        labels: pairs(&target.labels),
        discovered: pairs(&target.discovered),
        url: target.url.clone(),
        interval: target.interval.to_string(),
        timeout: target.timeout.to_string(),
        node,
        health: status.health,
        error: status.error.clone(),
        last_ms: status.at,
        seconds: status.seconds,
        samples: status.samples,
    }
}
