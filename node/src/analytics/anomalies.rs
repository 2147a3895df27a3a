//! One task a watch, on the node whose duty it is: looks, judges, writes what it found as series.
//!
//! The past of a watch is in the store as `anomaly_value`, so that another node takes over by reading a few thousand
//! points; only a watch that is new runs its expression over the past, once.

use super::{Analytics, Error};
use crate::collector::{Collector, Row, RowValue};
use plimsoll_analytics::anomaly::{COARSE_MS, COARSE_POINTS, FINE_MS, Model, Settings, Verdict};
use plimsoll_analytics::watch::{MAX_SERIES, Watch};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How often it is looked which watches there are, and whose duty they are.
const ROUND: Duration = Duration::from_secs(2);
/// Samples of a moment have this long to arrive before it is judged.
const DELAY_MS: i64 = 2_000;
/// Watches of this node that ask at a time.
const AT_A_TIME: usize = 2;
/// A series that was not seen for so long is forgotten.
const FORGET_MS: i64 = 24 * 3_600_000;
/// Samples of a new watch's past that are written at a time.
const CHUNK: usize = 5_000;
/// Pasts that are tried, the longest first: a store may be too dense for weeks of an expression.
const PASTS_MS: [i64; 4] = [COARSE_POINTS as i64 * COARSE_MS, 7 * 24 * 3_600_000, 24 * 3_600_000, FINE_MS];

struct Task {
    watch: Watch,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Runs for ever: keeps a task for every watch that is this node's duty.
pub async fn keep(analytics: Analytics, collector: Collector) {
    let slots = Arc::new(Semaphore::new(AT_A_TIME));
    let mut tasks: HashMap<String, Task> = HashMap::new();
    loop {
        let watches = analytics.watches();
        let shards = &analytics.0.parts.shards;
        let mine = |w: &Watch| !w.off && shards.is_my_duty(&duty(&w.name));
        let wanted: Vec<&Watch> = watches.iter().filter(|w| mine(w)).collect();
        tasks.retain(|name, task| wanted.iter().any(|w| w.name == *name && **w == task.watch));
        for watch in wanted {
            let start = || {
                let evaluator = Evaluator {
                    analytics: analytics.clone(),
                    collector: collector.clone(),
                    slots: slots.clone(),
                    watch: watch.clone(),
                    models: BTreeMap::new(),
                };
                Task { watch: watch.clone(), handle: tokio::spawn(evaluator.run()) }
            };
            let task = tasks.entry(watch.name.clone()).or_insert_with(start);
            if task.handle.is_finished() {
                *task = start();
            }
        }
        metrics::gauge!("plimsoll_anomaly_watches").set(tasks.len() as f64);
        tokio::time::sleep(ROUND).await;
    }
}

fn duty(name: &str) -> String {
    format!("anomaly/{name}")
}

struct Evaluator {
    analytics: Analytics,
    collector: Collector,
    slots: Arc<Semaphore>,
    watch: Watch,
    models: BTreeMap<Labels, (Model, Timestamp)>,
}

impl Evaluator {
    async fn run(mut self) {
        let interval = i64::from(self.watch.interval_s) * 1000;
        let mut learned = false;
        loop {
            let now = crate::now_ms() - DELAY_MS;
            let at = (now.div_euclid(interval) + 1) * interval;
            let wait = u64::try_from(at - now).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let slots = self.slots.clone();
            let Ok(_slot) = slots.acquire().await else { return };
            if !self.analytics.0.parts.shards.is_my_duty(&duty(&self.watch.name)) {
                continue;
            }
            let outcome = match self.look(at, interval, &mut learned).await {
                Ok(()) => "ok",
                Err(e) => {
                    tracing::debug!(watch = %self.watch.name, error = %e, "a watch could not look");
                    "failed"
                }
            };
            metrics::counter!("plimsoll_anomaly_evaluations_total", "outcome" => outcome).increment(1);
        }
    }

    async fn look(&mut self, at: Timestamp, interval: i64, learned: &mut bool) -> Result<(), Error> {
        if !*learned {
            self.learn(at, interval).await?;
            *learned = true;
        }
        let mut found = self.analytics.at(&self.watch.expr, at, "anomaly watch").await?;
        // known ones first, so that the choice stays the same when there are too many
        found.sort_by(|(a, _), (b, _)| {
            let new = |l: &Labels| !self.models.contains_key(&named(l));
            new(a).cmp(&new(b)).then_with(|| a.cmp(b))
        });
        let over = found.len().saturating_sub(MAX_SERIES);
        if over > 0 {
            metrics::counter!("plimsoll_anomaly_series_over_limit_total", "watch" => self.watch.name.clone())
                .increment(over as u64);
            found.truncate(MAX_SERIES);
        }
        let mut rows = Vec::with_capacity(found.len() * 5);
        for (labels, value) in found.into_iter().filter(|(_, v)| v.is_finite()) {
            let labels = named(&labels);
            let model = self.models.entry(labels.clone());
            let (model, seen) = model.or_insert_with(|| (Model::new(settings(&self.watch, interval)), at));
            *seen = at;
            let verdict = model.observe(at, value);
            self.watch_rows(&labels, at, value, verdict, &mut rows);
        }
        self.models.retain(|_, (_, seen)| at - *seen < FORGET_MS);
        self.write(rows).await
    }

    fn watch_rows(
        &self,
        labels: &Labels,
        at: Timestamp,
        value: f64,
        verdict: Option<Verdict>,
        rows: &mut Vec<Row>,
    ) {
        let labels = labels.with("watch", &self.watch.name);
        let mut put = |name: &str, labels: &Labels, value: f64| {
            let labels = labels.with(METRIC_NAME, name);
            rows.push(Row { labels, timestamp: at, value: RowValue::Float(value) });
        };
        put("anomaly_value", &labels.with("rev", &self.watch.revision()), value);
        if let Some(verdict) = verdict {
            put("anomaly_score", &labels, verdict.score);
            put("anomaly_expected", &labels, verdict.expected);
            put("anomaly_lower", &labels, verdict.lower);
            put("anomaly_upper", &labels, verdict.upper);
        }
    }

    /// Reads the past: what this watch has written, or, where it has not, what its expression says of it.
    async fn learn(&mut self, at: Timestamp, interval: i64) -> Result<(), Error> {
        let written =
            format!("anomaly_value{{watch=\"{}\",rev=\"{}\"}}", self.watch.name, self.watch.revision());
        // a sample at each step or none: an older one would be another moment's
        let exact = Some(Duration::from_millis(1));
        let end = (at - 1).div_euclid(COARSE_MS) * COARSE_MS;
        let fine = (at - FINE_MS, at - interval, interval);
        let coarse = |past: i64| (end - past, end, COARSE_MS);
        let own = self.analytics.over(&written, coarse(PASTS_MS[0]), exact, "anomaly watch").await?;
        let young = self.analytics.over(&written, fine, exact, "anomaly watch").await?;
        if !own.is_empty() || !young.is_empty() {
            self.remember(&own, at, interval);
            self.remember(&young, at, interval);
            return Ok(());
        }
        let expr = self.watch.expr.clone();
        let mut told = Vec::new();
        for past in PASTS_MS {
            match self.analytics.over(&expr, coarse(past), None, "anomaly watch").await {
                Ok(found) => {
                    told = found;
                    break;
                }
                Err(e) if past == PASTS_MS[PASTS_MS.len() - 1] => return Err(e),
                Err(e) => tracing::debug!(watch = %self.watch.name, error = %e, "a shorter past is tried"),
            }
        }
        let young = self.analytics.over(&expr, fine, None, "anomaly watch").await?;
        self.remember(&told, at, interval);
        self.remember(&young, at, interval);
        let mut rows = Vec::new();
        for series in told.iter().chain(&young) {
            let labels = named(&series.labels);
            if self.models.contains_key(&labels) {
                for (then, value) in series.floats.iter().filter(|(_, v)| v.is_finite()) {
                    self.watch_rows(&labels, *then, *value, None, &mut rows);
                }
            }
        }
        for chunk in rows.chunks(CHUNK) {
            self.write(chunk.to_vec()).await?;
        }
        Ok(())
    }

    /// Gives models their past; of too many series those that were seen last.
    fn remember(&mut self, past: &[plimsoll_promql::RangeSeries], at: Timestamp, interval: i64) {
        let mut order: Vec<_> = past.iter().filter_map(|s| Some((s.floats.last()?.0, s))).collect();
        order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.labels.cmp(&b.1.labels)));
        for (_, series) in order {
            let labels = named(&series.labels);
            if self.models.len() >= MAX_SERIES && !self.models.contains_key(&labels) {
                continue;
            }
            let new = || (Model::new(settings(&self.watch, interval)), at);
            let (model, _) = self.models.entry(labels).or_insert_with(new);
            model.remember(series.floats.iter().copied().filter(|(then, _)| *then < at));
        }
    }

    async fn write(&self, rows: Vec<Row>) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.collector.rows(rows).await.map(drop).map_err(|e| Error::Write(e.to_string()))
    }
}

fn settings(watch: &Watch, interval_ms: i64) -> Settings {
    let threshold = watch.sensitivity.threshold();
    Settings { interval_ms, season: watch.season, threshold, floor: watch.floor }
}

/// The labels of a watched series without those that its anomalies have.
fn named(labels: &Labels) -> Labels {
    labels.filter(|name| name != METRIC_NAME && name != "watch" && name != "rev")
}
