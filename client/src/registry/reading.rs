//! What the metrics say at one moment, and the samples that tell it.

use super::classic::ClassicCounts;
use super::native::NativeCounts;
use super::summary::SummaryReading;
use crate::Sample;
use plimsoll_model::{Labels, LabelsError, METRIC_NAME, Timestamp, stale_nan};

/// What one metric says.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Which registration it comes from: one that is forgotten and made again has another.
    pub id: u64,
    /// With the name, without the labels that all metrics of the process have.
    pub labels: Labels,
    pub value: Value,
    /// When the metric came into being.
    pub born: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Counter(f64),
    Gauge(f64),
    Classic(ClassicCounts),
    Native(NativeCounts),
    Summary(SummaryReading),
}

impl Value {
    /// The same kind before anything was counted; a gauge has no such beginning.
    pub fn zero(&self) -> Option<Self> {
        match self {
            Self::Counter(_) => Some(Self::Counter(0.0)),
            Self::Gauge(_) | Self::Summary(_) => None,
            Self::Classic(c) => Some(Self::Classic(ClassicCounts::zero(&c.bounds))),
            Self::Native(n) => Some(Self::Native(NativeCounts::zero(n.schema))),
        }
    }

    /// Adds `other`, times `sign`, where both are counts of the same kind.
    pub fn add(&mut self, other: &Self, sign: f64) {
        match (self, other) {
            (Self::Counter(mine), Self::Counter(theirs)) => *mine += sign * theirs,
            (Self::Classic(mine), Self::Classic(theirs)) => mine.add(theirs, sign),
            (Self::Native(mine), Self::Native(theirs)) => mine.add(theirs, sign),
            _ => {}
        }
    }

    /// How much was counted, to compare series by their activity.
    pub fn amount(&self) -> f64 {
        match self {
            Self::Counter(v) => *v,
            Self::Gauge(_) => 0.0,
            Self::Classic(c) => c.count(),
            Self::Native(n) => n.count(),
            Self::Summary(s) => s.count,
        }
    }
}

/// Writes readings as samples.
pub(crate) struct Expander<'a> {
    /// Labels that every series of the process has; a metric's own label of the same name goes before.
    pub common: &'a [(String, String)],
    pub out: Vec<Sample>,
}

impl Expander<'_> {
    /// Appends the samples of `reading` at `at`; when this is the first time it is told, also its beginning at
    /// zero, so that `increase` counts what happened before the first flush.
    pub fn tell(&mut self, reading: &Reading, at: Timestamp, first: bool) {
        if first && let Some(zero) = reading.value.zero() {
            self.value(&reading.labels, &zero, reading.born.min(at - 1));
        }
        self.value(&reading.labels, &reading.value, at);
    }

    /// Appends stale markers for a gauge that ends.
    pub fn end(&mut self, reading: &Reading, at: Timestamp) {
        if let Value::Gauge(_) = reading.value {
            self.float(&reading.labels, &[], at, stale_nan());
        }
    }

    fn value(&mut self, labels: &Labels, value: &Value, at: Timestamp) {
        match value {
            Value::Counter(v) | Value::Gauge(v) => self.float(labels, &[], at, *v),
            Value::Classic(counts) => self.classic(labels, counts, at),
            Value::Native(counts) => {
                if let Ok(labels) = self.labels(labels, "", &[]) {
                    self.out.push(Sample::histogram(labels, at, counts.to_model()));
                }
            }
            Value::Summary(reading) => {
                for (quantile, value) in &reading.quantiles {
                    // An empty window ends the quantiles rather than telling a number that nobody observed.
                    let value = if value.is_nan() { stale_nan() } else { *value };
                    self.suffixed(labels, "", &[("quantile", &quantile.to_string())], at, value);
                }
                self.suffixed(labels, "_sum", &[], at, reading.sum);
                self.suffixed(labels, "_count", &[], at, reading.count);
            }
        }
    }

    fn classic(&mut self, labels: &Labels, counts: &ClassicCounts, at: Timestamp) {
        let mut so_far = 0.0;
        let bounds = counts.bounds.iter().map(|bound| bound_text(*bound)).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&counts.counts) {
            so_far += count;
            self.suffixed(labels, "_bucket", &[("le", &bound)], at, so_far);
        }
        self.suffixed(labels, "_sum", &[], at, counts.sum);
        self.suffixed(labels, "_count", &[], at, so_far);
    }

    fn float(&mut self, labels: &Labels, extra: &[(&str, &str)], at: Timestamp, value: f64) {
        self.suffixed(labels, "", extra, at, value);
    }

    fn suffixed(&mut self, labels: &Labels, suffix: &str, extra: &[(&str, &str)], at: Timestamp, value: f64) {
        // Labels were checked at registration; a name and its suffix are a name.
        if let Ok(labels) = self.labels(labels, suffix, extra) {
            self.out.push(Sample::float(labels, at, value));
        }
    }

    fn labels(&self, labels: &Labels, suffix: &str, extra: &[(&str, &str)]) -> Result<Labels, LabelsError> {
        let name = format!("{}{suffix}", labels.metric_name().unwrap_or_default());
        let own = labels.iter().filter(|(n, _)| *n != METRIC_NAME);
        let common = self.common.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let common = common.filter(|(n, _)| labels.get(n).is_none());
        let pairs = own.chain(common).chain(extra.iter().copied()).chain([(METRIC_NAME, name.as_str())]);
        Labels::from_pairs(pairs)
    }
}

/// A bound as the label `le` has it.
fn bound_text(bound: f64) -> String {
    let mut text = String::new();
    plimsoll_proto::exposition::write_value(&mut text, bound);
    text
}
