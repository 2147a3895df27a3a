use super::{RawLabels, Refusal};
use plimsoll_model::{Histogram, Increase, Interval, Timestamp};

/// Where decoded samples go.
pub trait Sink {
    /// A series begins; the samples that follow are its own.
    ///
    /// `key` is a hash of its raw bytes: equal keys are the same series, while one series has several keys when
    /// senders write its labels differently. `labels` costs nothing until it is parsed. After an error the samples
    /// of the series are skipped and counted under it.
    fn series(&mut self, key: u128, labels: &dyn RawLabels) -> Result<(), Refusal>;

    /// A float sample of the current series; may be a stale marker.
    fn float(&mut self, timestamp: Timestamp, value: f64) -> Result<(), Refusal>;

    /// A native-histogram sample of the current series; it has been validated.
    fn histogram(&mut self, timestamp: Timestamp, histogram: Histogram) -> Result<(), Refusal>;

    /// What the current series counted over `interval`, where its sender does not add up itself. With `leads` a data point
    /// begins; without, the series belongs to the point before, as the buckets of one histogram do, and is counted
    /// together with it or not at all.
    fn increase(&mut self, _interval: Interval, _increase: Increase, _leads: bool) -> Result<(), Refusal> {
        Err(Refusal::DeltaOff)
    }

    /// Whether exemplars are to be decoded at all.
    fn wants_exemplars(&self) -> bool {
        false
    }

    /// An exemplar of the current series. `labels` has no metric name.
    fn exemplar(
        &mut self,
        _timestamp: Timestamp,
        _value: f64,
        _labels: &dyn RawLabels,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    /// When the counter or histogram whose sample comes next began to count.
    fn start_timestamp(&mut self, _timestamp: Timestamp) {}

    /// What a request says about a metric. Once a metric and request where the format allows.
    fn metadata(&mut self, _metadata: Metadata<'_>) {}
}

/// What is known about a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The metric family's name.
    pub name: &'a str,
    /// Its type.
    pub metric_type: MetricType,
    /// A sentence for people.
    pub help: &'a str,
    /// The unit of its values, in the plural.
    pub unit: &'a str,
}

/// Types of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricType {
    /// Nothing is known.
    #[default]
    Unknown,
    /// Only rises, except at a reset.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations by bucket.
    Histogram,
    /// A histogram whose counts go up and down.
    GaugeHistogram,
    /// Quantiles computed by the sender.
    Summary,
    /// Facts in labels, value 1.
    Info,
    /// One series for each state.
    StateSet,
}

impl MetricType {
    /// The name in Prometheus' metadata API and in `# TYPE` lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// The type with this name; `untyped` is the old word for unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "unknown" | "untyped" => Self::Unknown,
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "gaugehistogram" => Self::GaugeHistogram,
            "summary" => Self::Summary,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            _ => return None,
        })
    }

    /// The type with this number; the numbers are the same in remote write 1.0, 2.0 and Plimsoll's own API.
    pub(super) fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Counter,
            2 => Self::Gauge,
            3 => Self::Histogram,
            4 => Self::GaugeHistogram,
            5 => Self::Summary,
            6 => Self::Info,
            7 => Self::StateSet,
            _ => Self::Unknown,
        }
    }
}
