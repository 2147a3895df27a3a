//! The `metrics` crate's macros as metrics of a registry: `counter!`, `gauge!`, `histogram!`.

use crate::registry::{Buckets, Counter, Gauge, Histogram, Registry, RegistryError};
use metrics::{
    CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, SetRecorderError, SharedString, Unit,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Takes what a program and its libraries tell the `metrics` crate.
///
/// Histograms have a fixed number of buckets, so they take no more memory while no node is there: native ones, unless
/// [`buckets`](Self::buckets) says otherwise.
#[derive(Clone, Debug)]
pub struct Recorder {
    registry: Registry,
    /// Buckets for histograms whose name begins so, the last that fits counts.
    buckets: Vec<(String, Buckets)>,
    refused: Arc<AtomicU64>,
}

impl Recorder {
    /// A recorder into `registry`.
    pub fn new(registry: &Registry) -> Self {
        Self { registry: registry.clone(), buckets: Vec::new(), refused: Arc::default() }
    }

    /// The buckets of histograms whose names begin with `prefix`; of all with an empty one.
    pub fn buckets(mut self, prefix: &str, buckets: Buckets) -> Self {
        self.buckets.push((prefix.to_owned(), buckets));
        self
    }

    /// Makes it the recorder of this process. That can be done once; macros that ran before counted nothing.
    pub fn install(self) -> Result<(), SetRecorderError<Self>> {
        metrics::set_global_recorder(self)
    }

    /// Metrics that could not be made, because the name is taken by another kind or a label is given twice.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn made<T>(
        &self,
        key: &Key,
        make: impl FnOnce(&str, &[(&str, &str)]) -> Result<T, RegistryError>,
    ) -> Option<T> {
        let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
        let made = make(key.name(), &labels);
        if made.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        made.ok()
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let made = self.made(key, |name, labels| self.registry.counter(name, labels));
        made.map_or_else(metrics::Counter::noop, |counter| metrics::Counter::from_arc(Arc::new(counter)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let made = self.made(key, |name, labels| self.registry.gauge(name, labels));
        made.map_or_else(metrics::Gauge::noop, |gauge| metrics::Gauge::from_arc(Arc::new(gauge)))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let default = Buckets::default();
        let own = self.buckets.iter().rev().find(|(prefix, _)| key.name().starts_with(prefix.as_str()));
        let buckets = own.map_or(&default, |(_, buckets)| buckets);
        let made = self.made(key, |name, labels| self.registry.histogram(name, labels, buckets));
        made.map_or_else(metrics::Histogram::noop, |h| metrics::Histogram::from_arc(Arc::new(h)))
    }
}

impl CounterFn for Counter {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.raise_to(value as f64);
    }
}

impl GaugeFn for Gauge {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.sub(value);
    }

    fn set(&self, value: f64) {
        Gauge::set(self, value);
    }
}

impl HistogramFn for Histogram {
    fn record(&self, value: f64) {
        self.observe(value);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.observe_many(value, count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleValue;
    use crate::registry::Expander;

    fn told(registry: &Registry) -> Vec<(String, f64)> {
        let mut out = Expander { common: &[], out: Vec::new() };
        registry.read(7).iter().for_each(|reading| out.tell(reading, 7, false));
        let value = |v| match v {
            SampleValue::Float(v) => v,
            SampleValue::Histogram(h) => h.count,
        };
        out.out.into_iter().map(|s| (s.labels.to_string(), value(s.value))).collect()
    }

    #[test]
    fn the_macros_count_into_the_registry() {
        let registry = Registry::default();
        let recorder = Recorder::new(&registry).buckets("slow", Buckets::Classic(vec![1.0]));
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("requests_total", "code" => "200").increment(3);
            metrics::counter!("requests_total", "code" => "200").absolute(5);
            metrics::gauge!("queue").set(4.0);
            metrics::gauge!("queue").decrement(1.5);
            metrics::histogram!("sizes").record(2.0);
            metrics::histogram!("slow_seconds").record_many(2.0, 3);
            // The same name as another kind counts nothing and disturbs nobody.
            metrics::gauge!("requests_total", "code" => "200").set(9.0);
        });
        let expected = [
            ("requests_total{code=\"200\"}", 5.0),
            ("queue", 2.5),
            ("sizes", 1.0),
            ("slow_seconds_bucket{le=\"1\"}", 0.0),
            ("slow_seconds_bucket{le=\"+Inf\"}", 3.0),
            ("slow_seconds_sum", 6.0),
            ("slow_seconds_count", 3.0),
        ];
        assert_eq!(told(&registry), expected.map(|(series, v)| (series.to_owned(), v)));
        assert_eq!(recorder.refused(), 1);
    }

    #[test]
    fn a_histogram_that_nobody_reads_takes_no_more_memory() {
        let registry = Registry::default();
        let recorder = Recorder::new(&registry);
        metrics::with_local_recorder(&recorder, || {
            let sizes = metrics::histogram!("sizes");
            (0..1_000_000).for_each(|i| sizes.record(f64::from(i) * 1.7));
        });
        let mut out = Expander { common: &[], out: Vec::new() };
        registry.read(7).iter().for_each(|reading| out.tell(reading, 7, false));
        let SampleValue::Histogram(h) = &out.out[0].value else { panic!("native by default") };
        assert_eq!(h.count, 1e6);
        assert!(h.positive_buckets.iter().filter(|n| **n > 0.0).count() <= 160);
    }
}
