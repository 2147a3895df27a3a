//! Metrics of a program, counted in memory: counters, gauges, histograms, summaries.
//!
//! Owns: the metrics by their labels, what they have counted, how they are joined before they are sent ([`Rule`]).
//! Does not own: when they are sent and what becomes of the samples ([`Collector`](crate::Collector)).
//!
//! Invariant: memory is bounded by the number of series, however much is counted.

mod cells;
mod classic;
mod native;
mod reading;
mod rules;
mod summary;

pub use cells::{Counter, Gauge};
pub use classic::{Buckets, DURATION_BUCKETS, Histogram};
pub use rules::{Combine, OTHER, Rule};
pub use summary::{Summary, SummaryOptions};

pub(crate) use reading::{Expander, Reading};
pub(crate) use rules::Aggregator;

use cells::Cell;
use classic::{ClassicCell, HistogramCell};
use native::NativeCell;
use plimsoll_model::{Labels, LabelsError, METRIC_NAME, Timestamp};
use reading::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use summary::SummaryCell;

/// Series of a registry unless it is told otherwise: far above what a program means to have.
const MOST_SERIES: usize = 10_000;

/// Series that may come beyond the limit, one a metric, to count what had no place.
const OVERFLOW_SERIES: usize = 1_000;

/// The label of a series that counts for all that had no place of their own.
pub const OVERFLOW_LABEL: &str = "overflow";

/// Why there is no such metric.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// A name or a label is none.
    #[error("{name:?} with these labels is no series: {why}")]
    Labels {
        /// The metric's name.
        name: String,
        /// What is wrong.
        why: LabelsError,
    },
    /// The labels hold one that is given by the registry itself.
    #[error("the label {label:?} of {name:?} is set by the client: name it otherwise")]
    Reserved {
        /// The metric's name.
        name: String,
        /// The label.
        label: String,
    },
    /// The series is there and is of another kind.
    #[error("{series} is a {is} already and cannot be a {asked} as well: name one of them otherwise")]
    OtherKind {
        /// The series.
        series: String,
        /// What it is.
        is: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// Buckets or quantiles that cannot be.
    #[error("{0}")]
    Options(String),
}

/// The metrics of a program. Cheap to clone; all clones are the same registry.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    series: RwLock<HashMap<Labels, Entry>>,
    max_series: usize,
    idle_after: Option<Duration>,
    next_id: AtomicU64,
    overflowed: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    metric: Metric,
    born: Timestamp,
    /// What it had counted when it last changed, and when that was, by the readings.
    idle: std::sync::Mutex<(f64, Timestamp)>,
}

#[derive(Clone, Debug)]
enum Metric {
    Counter(Arc<Cell>),
    Gauge(Arc<Cell>),
    Classic(Arc<ClassicCell>),
    Native(Arc<NativeCell>),
    Summary(Arc<SummaryCell>),
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(MOST_SERIES, None)
    }
}

impl Registry {
    /// A registry of up to `max_series` metrics. What comes beyond is counted, metric by metric, in a series with the
    /// label `overflow="true"` and no other.
    ///
    /// With `idle_after`, a metric that nobody holds and that did not change for so long is forgotten.
    pub fn new(max_series: usize, idle_after: Option<Duration>) -> Self {
        let inner = Inner {
            series: RwLock::default(),
            max_series,
            idle_after,
            next_id: AtomicU64::new(1),
            overflowed: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The counter of this name and these labels, made if it is not there yet.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Result<Counter, RegistryError> {
        match self.metric(name, labels, "counter", || Metric::Counter(Arc::default()))? {
            Metric::Counter(cell) => Ok(Counter(cell)),
            other => Err(other.is_not("counter", name)),
        }
    }

    /// The gauge of this name and these labels, made if it is not there yet.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Result<Gauge, RegistryError> {
        match self.metric(name, labels, "gauge", || Metric::Gauge(Arc::default()))? {
            Metric::Gauge(cell) => Ok(Gauge(cell)),
            other => Err(other.is_not("gauge", name)),
        }
    }

    /// The histogram of this name and these labels, made with `buckets` if it is not there yet.
    pub fn histogram(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        buckets: &Buckets,
    ) -> Result<Histogram, RegistryError> {
        if let Some(fault) = buckets.fault() {
            return Err(RegistryError::Options(fault));
        }
        let make = || match buckets {
            Buckets::Classic(bounds) => Metric::Classic(Arc::new(ClassicCell::new(bounds))),
            Buckets::Native { schema } => Metric::Native(Arc::new(NativeCell::new(*schema))),
        };
        match self.metric(name, labels, "histogram", make)? {
            Metric::Classic(cell) => Ok(Histogram(HistogramCell::Classic(cell))),
            Metric::Native(cell) => Ok(Histogram(HistogramCell::Native(cell))),
            other => Err(other.is_not("histogram", name)),
        }
    }

    /// The summary of this name and these labels, made with `options` if it is not there yet.
    pub fn summary(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        options: &SummaryOptions,
    ) -> Result<Summary, RegistryError> {
        if let Some(fault) = options.fault() {
            return Err(RegistryError::Options(fault));
        }
        match self.metric(name, labels, "summary", || {
            Metric::Summary(Arc::new(SummaryCell::new(options.clone())))
        })? {
            Metric::Summary(cell) => Ok(Summary(cell)),
            other => Err(other.is_not("summary", name)),
        }
    }

    /// Metrics that are there.
    pub fn len(&self) -> usize {
        self.inner.series.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is no metric.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often a metric was asked for that had no place of its own.
    pub fn overflowed(&self) -> u64 {
        self.inner.overflowed.load(Relaxed)
    }

    fn metric(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        kind: &'static str,
        make: impl Fn() -> Metric,
    ) -> Result<Metric, RegistryError> {
        let reserved = match kind {
            "histogram" => Some("le"),
            "summary" => Some("quantile"),
            _ => None,
        };
        let given = |label: &&str| labels.iter().any(|(n, _)| n == label);
        if let Some(label) = reserved.iter().chain(&[METRIC_NAME]).find(|label| given(label)) {
            return Err(RegistryError::Reserved { name: name.into(), label: (*label).into() });
        }
        let key = Labels::from_pairs(labels.iter().copied().chain([(METRIC_NAME, name)]))
            .map_err(|why| RegistryError::Labels { name: name.into(), why })?;
        if name.is_empty() {
            return Err(RegistryError::Labels { name: name.into(), why: LabelsError::EmptyName });
        }
        if let Some(entry) = self.inner.series.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(entry.metric.clone());
        }
        let mut series = self.inner.series.write().unwrap_or_else(PoisonError::into_inner);
        let mut place = key;
        if !series.contains_key(&place) && series.len() >= self.inner.max_series {
            self.inner.overflowed.fetch_add(1, Relaxed);
            place = Labels::from_pairs([(METRIC_NAME, name), (OVERFLOW_LABEL, "true")])
                .map_err(|why| RegistryError::Labels { name: name.into(), why })?;
            if !series.contains_key(&place) && series.len() >= self.inner.max_series + OVERFLOW_SERIES {
                // It counts, and is told to nobody.
                return Ok(make());
            }
        }
        let entry = series.entry(place).or_insert_with(|| {
            let now = now_ms();
            let id = self.inner.next_id.fetch_add(1, Relaxed);
            Entry { id, metric: make(), born: now, idle: std::sync::Mutex::new((0.0, now)) }
        });
        Ok(entry.metric.clone())
    }

    /// What all metrics say at `at`, in the order of their making; idle ones are forgotten afterwards.
    pub(crate) fn read(&self, at: Timestamp) -> Vec<Reading> {
        let mut readings = Vec::new();
        let mut forget = Vec::new();
        {
            let series = self.inner.series.read().unwrap_or_else(PoisonError::into_inner);
            for (labels, entry) in series.iter() {
                let value = entry.metric.read(at);
                if self.is_idle(entry, &value, at) {
                    forget.push(labels.clone());
                }
                readings.push(Reading { id: entry.id, labels: labels.clone(), value, born: entry.born });
            }
        }
        if !forget.is_empty() {
            let mut series = self.inner.series.write().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have taken a handle meanwhile; while this lock is held nobody can.
            for labels in forget {
                if series.get(&labels).is_some_and(|entry| !entry.metric.is_held()) {
                    series.remove(&labels);
                }
            }
        }
        readings.sort_unstable_by_key(|reading| reading.id);
        readings
    }

    fn is_idle(&self, entry: &Entry, value: &Value, at: Timestamp) -> bool {
        let Some(idle_after) = self.inner.idle_after else { return false };
        let amount = match value {
            Value::Gauge(v) => *v,
            other => other.amount(),
        };
        let mut idle = entry.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.0.to_bits() != amount.to_bits() {
            *idle = (amount, at);
        }
        !entry.metric.is_held() && at - idle.1 > idle_after.as_millis() as i64
    }
}

impl Metric {
    fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Classic(_) | Self::Native(_) => "histogram",
            Self::Summary(_) => "summary",
        }
    }

    fn is_not(&self, asked: &'static str, name: &str) -> RegistryError {
        RegistryError::OtherKind { series: name.to_owned(), is: self.kind(), asked }
    }

    /// Whether somebody besides the registry could still count.
    fn is_held(&self) -> bool {
        let holders = match self {
            Self::Counter(cell) | Self::Gauge(cell) => Arc::strong_count(cell),
            Self::Classic(cell) => Arc::strong_count(cell),
            Self::Native(cell) => Arc::strong_count(cell),
            Self::Summary(cell) => Arc::strong_count(cell),
        };
        holders > 1
    }

    fn read(&self, at: Timestamp) -> Value {
        match self {
            Self::Counter(cell) => Value::Counter(cell.get()),
            Self::Gauge(cell) => Value::Gauge(cell.get()),
            Self::Classic(cell) => Value::Classic(cell.read()),
            Self::Native(cell) => Value::Native(cell.read()),
            Self::Summary(cell) => Value::Summary(cell.read(at)),
        }
    }
}

/// Milliseconds since the Unix epoch by this host's clock.
pub(crate) fn now_ms() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
