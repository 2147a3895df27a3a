//! Fetches metrics from targets.
//!
//! Owns: the documents that say what is scraped, discovery, which targets this node scrapes and for how long, their
//! connections, what is told about them.
//! Does not own: what a configuration means, relabelling, staleness (`plimsoll-scrape`), how samples become durable
//! (`collector`), who leads a shard (`shard`).
//!
//! A target is scraped by the node that leads the shard of its key; when that one dies the next leader goes on at the same
//! moments of time, and ends those series of its predecessor that the target no longer has (`inherit`).
//!
//! Reading order: `documents`, `discovery`, `actor` (which targets are ours), `run` (one target), `fetch`,
//! `inherit`, `writer`, `own` (the cluster's own nodes), `board` (what is told).
//!
//! Bounds: a task a target; bytes of bodies (`scrape.in_flight_bytes`); as many bodies read at a time as there are
//! cores; samples that wait for the collector (`writer`).

mod actor;
mod board;
mod discovery;
mod documents;
mod fetch;
mod inherit;
mod own;
mod run;
mod tls;
mod writer;

pub use board::{Health, Shown, ShownMeta, Told};
pub use documents::{APPLIED, Document, NAMESPACE};

use crate::collector::Collector;
use crate::query::Queries;
use crate::shard::Shards;
use crate::telemetry::Metadata;
use actor::ScraperActor;
use board::Board;
use futures::future::BoxFuture;
use plimsoll_cluster_config::Scrape as Settings;
use plimsoll_proto::ingest::Limits;
use plimsoll_scrape::Meta;
use ractor::{Actor, ActorRef};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::OnceLock;
use tokio::sync::Semaphore;

/// Renders this node's own metrics.
pub type Render = Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// Handle of the scraper. Cheap to clone.
#[derive(Clone)]
pub struct Scraper(Arc<Inner>);

struct Inner {
    parts: Arc<Parts>,
    actor: OnceLock<ActorRef<actor::Msg>>,
}

/// What all of the scraper uses.
pub(crate) struct Parts {
    settings: Settings,
    limits: Limits,
    seed: u64,
    shards: Shards,
    collector: Collector,
    queries: Queries,
    metadata: Arc<Metadata>,
    board: Board,
    /// Room for bytes of bodies.
    bytes: Semaphore,
    /// Bodies that are read at a time.
    cores: Semaphore,
    /// Questions about predecessors at a time; queries of people come first.
    questions: Semaphore,
    /// What targets say about their metrics: most say the same.
    texts: parking_lot::Mutex<HashSet<Arc<Meta>>>,
}

/// Texts about metrics beyond which those that nobody uses any more are looked for.
const TEXTS: usize = 10_000;

impl Scraper {
    /// A scraper that does nothing yet.
    pub fn new(
        settings: Settings,
        limits: Limits,
        shards: Shards,
        collector: Collector,
        queries: Queries,
        metadata: Arc<Metadata>,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        let bytes = Semaphore::new(settings.in_flight_bytes.bytes() as usize);
        let parts = Parts {
            settings,
            limits,
            seed: rand::random(),
            shards,
            collector,
            queries,
            metadata,
            board: Board::default(),
            bytes,
            cores: Semaphore::new(cores),
            questions: Semaphore::new(4),
            texts: parking_lot::Mutex::default(),
        };
        Self(Arc::new(Inner { parts: Arc::new(parts), actor: OnceLock::new() }))
    }

    /// Begins to scrape.
    pub async fn start(&self, render: Render) -> anyhow::Result<()> {
        let (actor, _) = ScraperActor::spawn(None, ScraperActor, (self.0.parts.clone(), render)).await?;
        // a second start would be a mistake of the one caller
        let _ = self.0.actor.set(actor);
        Ok(())
    }

    /// Ends it without a word about the targets: another node, or this one later, goes on.
    pub fn stop(&self) {
        if let Some(actor) = self.0.actor.get() {
            actor.stop(None);
        }
    }

    /// What this node tells about targets.
    pub fn told(&self) -> Told {
        self.0.parts.board.told()
    }

    /// What targets of this node say about their metrics; of one `metric`, or of all.
    pub fn metadata(&self, metric: Option<&str>) -> Vec<ShownMeta> {
        self.0.parts.board.metadata(metric)
    }
}

impl Parts {
    /// Takes what a target says about a metric; equal texts are held once.
    fn intern(&self, meta: Meta) -> Arc<Meta> {
        self.metadata.put(&meta.name, meta.kind.name(), &meta.help, &meta.unit);
        let mut texts = self.texts.lock();
        if let Some(known) = texts.get(&meta) {
            return known.clone();
        }
        if texts.len() >= TEXTS && texts.len().is_power_of_two() {
            texts.retain(|text| Arc::strong_count(text) > 1);
        }
        let new = Arc::new(meta);
        texts.insert(new.clone());
        new
    }
}
