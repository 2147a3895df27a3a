//! Tells the metrics of a registry to a node, at every flush.
//!
//! Owns: the interval, the labels that all series of a process have, the rules of aggregation, what the client tells
//! about itself.
//! Does not own: counting ([`Registry`]), the way to the node ([`Writer`](crate::Writer)).

use crate::agent::{LoopExecution, LoopGuard, LoopMetrics, LoopNames};
use crate::registry::{Aggregator, Expander, Registry, Rule, now_ms};
use crate::writer::{PushError, WriterBuilder};
use crate::{Client, Counters, Lost, Writer};
use plimsoll_model::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Collects the metrics of a program and tells them to a node. Cheap to clone; all clones are one collector.
///
/// It flushes as long as the runtime lives that it was started on. [`close`](Self::close) tells the rest.
#[derive(Clone, Debug)]
pub struct Collector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    writer: Writer,
    common: Vec<(String, String)>,
    aggregator: Mutex<(Aggregator, Timestamp)>,
    names: LoopNames,
    self_metrics: bool,
    /// Samples that found the writer's memory full.
    turned_away: AtomicU64,
    /// Metrics of loops that could not be made.
    refused: Arc<AtomicU64>,
    closed: watch::Sender<bool>,
    #[cfg(feature = "system")]
    system: Option<Mutex<crate::system::SystemMetrics>>,
}

/// Settings of a [`Collector`]; every one has a default.
#[derive(Debug)]
pub struct CollectorBuilder {
    writer: WriterBuilder,
    registry: Registry,
    interval: Duration,
    instance: Option<String>,
    common: Vec<(String, String)>,
    rules: Vec<Rule>,
    names: LoopNames,
    self_metrics: bool,
    #[cfg(feature = "system")]
    system: bool,
}

impl Client {
    /// Begins the settings of a [`Collector`] over this client.
    pub fn collector(&self) -> CollectorBuilder {
        CollectorBuilder {
            writer: self.writer(),
            registry: Registry::default(),
            // Fresh enough for a live panel, and a twelfth of what a minute's rate needs.
            interval: Duration::from_secs(5),
            instance: None,
            common: Vec::new(),
            rules: Vec::new(),
            names: LoopNames::default(),
            self_metrics: true,
            #[cfg(feature = "system")]
            system: false,
        }
    }
}

impl CollectorBuilder {
    /// How often metrics are told (5 s).
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(10));
        self
    }

    /// The label `instance` of all series (`HOST:PID`). Two processes with equal labels would overwrite each other.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// A label of all series, such as `job`. A metric's own label of the same name goes before it.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.common.push((name.into(), value.into()));
        self
    }

    /// Metrics that were counted before, or elsewhere, or with another limit.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// A rule of aggregation; rules are applied in their order.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Under which names loops are told (the canonical ones).
    pub fn loop_names(mut self, names: LoopNames) -> Self {
        self.names = names;
        self
    }

    /// Whether the client tells how it fares itself, in `plimsoll_client_samples_total` (yes).
    pub fn self_metrics(mut self, tell: bool) -> Self {
        self.self_metrics = tell;
        self
    }

    /// Collects the figures of this machine and this process at every flush (no).
    #[cfg(feature = "system")]
    pub fn system_metrics(mut self, collect: bool) -> Self {
        self.system = collect;
        self
    }

    /// Sets up the writer: memory, spill folder, waits between repeats.
    pub fn writer(mut self, set: impl FnOnce(WriterBuilder) -> WriterBuilder) -> Self {
        self.writer = set(self.writer);
        self
    }

    /// Starts the collector on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Collector {
        let instance = self.instance.unwrap_or_else(default_instance);
        let mut common = self.common;
        if !common.iter().any(|(name, _)| name == "instance") {
            common.push(("instance".to_owned(), instance));
        }
        let shared = Arc::new(Shared {
            registry: self.registry,
            writer: self.writer.start(),
            common,
            aggregator: Mutex::new((Aggregator::new(self.rules), Timestamp::MIN)),
            names: self.names,
            self_metrics: self.self_metrics,
            turned_away: AtomicU64::new(0),
            refused: Arc::default(),
            closed: watch::Sender::new(false),
            #[cfg(feature = "system")]
            system: self.system.then(Mutex::default),
        });
        tokio::spawn(run(Arc::clone(&shared), self.interval));
        Collector { shared }
    }
}

async fn run(shared: Arc<Shared>, interval: Duration) {
    let mut closed = shared.closed.subscribe();
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                shared.tell();
            }
            _ = closed.wait_for(|closed| *closed) => return,
        }
    }
}

impl Collector {
    /// The metrics. Make your own here: a counter of jobs, a gauge of a queue.
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// Begins a loop of the kind `loop_type`; the guard counts what it does and how it ends.
    pub fn loop_guard(&self, loop_type: &str) -> LoopGuard {
        LoopGuard::begin(self.loop_metrics(loop_type, None, None))
    }

    /// Counts a loop that has ended: its duration and status, its tokens by kind, its calls of tools, its errors.
    pub fn collect_loop_metrics(&self, done: &LoopExecution) {
        let metrics = self.loop_metrics(&done.loop_type, done.agent.as_deref(), done.tenant.as_deref());
        metrics.execution(done);
    }

    fn loop_metrics(&self, loop_type: &str, agent: Option<&str>, tenant: Option<&str>) -> LoopMetrics {
        let s = &self.shared;
        LoopMetrics::new(&s.registry, s.names, &s.refused, loop_type, agent, tenant)
    }

    /// Reads the figures of this machine and this process into the registry, once.
    ///
    /// The processor's load is that since the call before; the first one has none.
    #[cfg(feature = "system")]
    pub fn collect_system_metrics(&self) {
        match &self.shared.system {
            Some(system) => lock(system).collect(&self.shared.registry),
            None => crate::system::collect_once(&self.shared.registry),
        }
    }

    /// Tells all metrics as they stand now, and returns when they are stored or, with a spill folder, on disk.
    pub async fn flush(&self) -> Result<(), Lost> {
        self.shared.tell();
        self.shared.writer.flush().await
    }

    /// Tells the last figures, ends all gauges, and sends what is held for at most `within`.
    pub async fn close(&self, within: Duration) -> Counters {
        if !self.shared.closed.send_replace(true) {
            let at = self.shared.tell();
            self.shared.end_gauges(at);
        }
        self.shared.writer.close(within).await
    }

    /// What became of the samples so far.
    pub fn counters(&self) -> Counters {
        self.shared.writer.counters()
    }

    /// Samples that were not taken because the writer's memory was full. Counts are cumulative, so that the next
    /// flush makes up for them; what is lost is resolution in time.
    pub fn turned_away(&self) -> u64 {
        self.shared.turned_away.load(Relaxed)
    }

    /// Metrics of loops that could not be made, because their labels are none or the name is taken by another kind.
    pub fn refused_metrics(&self) -> u64 {
        self.shared.refused.load(Relaxed)
    }

    /// The writer under the collector.
    pub fn writer(&self) -> &Writer {
        &self.shared.writer
    }
}

impl Shared {
    /// Reads all metrics and gives them to the writer; answers the time they were told at.
    fn tell(&self) -> Timestamp {
        #[cfg(feature = "system")]
        if let Some(system) = &self.system {
            lock(system).collect(&self.registry);
        }
        if self.self_metrics {
            self.tell_self();
        }
        let mut aggregator = lock(&self.aggregator);
        // A clock that stands still or goes back must not make two values of one moment.
        let at = now_ms().max(aggregator.1.saturating_add(1));
        aggregator.1 = at;
        let readings = self.registry.read(at);
        let mut out = Expander { common: &self.common, out: Vec::with_capacity(readings.len()) };
        aggregator.0.tell(&readings, at, &mut out);
        self.push(out);
        at
    }

    fn end_gauges(&self, at: Timestamp) {
        let readings = self.registry.read(at);
        let mut out = Expander { common: &self.common, out: Vec::new() };
        lock(&self.aggregator).0.end(&readings, at + 1, &mut out);
        self.push(out);
    }

    fn push(&self, out: Expander<'_>) {
        for sample in out.out {
            match self.writer.try_push(sample) {
                Ok(()) => {}
                Err(PushError::Closed(_)) => return,
                Err(PushError::Full(_) | PushError::TooLarge(_)) => {
                    self.turned_away.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn tell_self(&self) {
        let c = self.writer.counters();
        let fates = [
            ("written", c.written),
            ("refused", c.refused),
            ("given_up", c.given_up),
            ("dropped", c.dropped),
            ("turned_away", self.turned_away.load(Relaxed)),
        ];
        for (fate, count) in fates {
            // A name of the client's own that a program took for another kind is left to the program.
            if let Ok(counter) = self.registry.counter("plimsoll_client_samples_total", &[("fate", fate)]) {
                counter.raise_to(count as f64);
            }
        }
        if let Ok(gauge) = self.registry.gauge("plimsoll_client_samples_queued", &[]) {
            gauge.set(c.queued as f64);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code panics while it holds one of these locks half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `HOST:PID`.
fn default_instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|h| h.trim().to_owned());
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).filter(|h| !h.is_empty());
    format!("{}:{}", host.as_deref().unwrap_or("localhost"), std::process::id())
}
