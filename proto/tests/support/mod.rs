//! A sink that keeps everything, for the tests of the decoders.
#![allow(dead_code)]

use plimsoll_model::{Histogram, Increase, Interval, Labels, Timestamp};
use plimsoll_proto::ingest::{Decoded, Limits, Metadata, RawLabels, Refusal, Sink};
use std::collections::HashMap;

/// Parses the labels of a key once, as a routing cache does, and keeps all samples.
#[derive(Default)]
pub struct Collect {
    pub known: HashMap<u128, Labels>,
    pub parses: usize,
    pub floats: Vec<(String, Timestamp, u64)>,
    pub histograms: Vec<(String, Timestamp, Histogram)>,
    pub exemplars: Vec<(String, Timestamp, f64, String)>,
    pub increases: Vec<(String, Interval, Increase, bool)>,
    pub starts: Vec<Timestamp>,
    pub metadata: Vec<String>,
    pub oldest: Option<Timestamp>,
    pub wants_exemplars: bool,
    pub current: String,
}

impl Sink for Collect {
    fn series(&mut self, key: u128, labels: &dyn RawLabels) -> Result<(), Refusal> {
        if !self.known.contains_key(&key) {
            self.parses += 1;
            self.known.insert(key, labels.parse()?);
        }
        self.current = self.known[&key].to_string();
        Ok(())
    }

    fn float(&mut self, timestamp: Timestamp, value: f64) -> Result<(), Refusal> {
        if self.oldest.is_some_and(|t| timestamp < t) {
            return Err(Refusal::TooOld);
        }
        self.floats.push((self.current.clone(), timestamp, value.to_bits()));
        Ok(())
    }

    fn histogram(&mut self, timestamp: Timestamp, histogram: Histogram) -> Result<(), Refusal> {
        histogram.validate().expect("only valid histograms arrive");
        self.histograms.push((self.current.clone(), timestamp, histogram));
        Ok(())
    }

    fn increase(&mut self, interval: Interval, increase: Increase, leads: bool) -> Result<(), Refusal> {
        if self.oldest.is_some_and(|t| interval.end() < t) {
            return Err(Refusal::TooOld);
        }
        self.increases.push((self.current.clone(), interval, increase, leads));
        Ok(())
    }

    fn wants_exemplars(&self) -> bool {
        self.wants_exemplars
    }

    fn exemplar(&mut self, timestamp: Timestamp, value: f64, labels: &dyn RawLabels) -> Result<(), Refusal> {
        let labels = labels.parse_nameless()?.to_string();
        self.exemplars.push((self.current.clone(), timestamp, value, labels));
        Ok(())
    }

    fn start_timestamp(&mut self, timestamp: Timestamp) {
        self.starts.push(timestamp);
    }

    fn metadata(&mut self, m: Metadata<'_>) {
        self.metadata.push(format!("{} {} {:?} {:?}", m.name, m.metric_type.name(), m.help, m.unit));
    }
}

impl Collect {
    pub fn floats_as_text(&self) -> Vec<String> {
        self.floats.iter().map(|(s, t, v)| format!("{s} {} {t}", f64::from_bits(*v))).collect()
    }
}

pub fn refusals(decoded: &Decoded) -> Vec<(&'static str, u64)> {
    decoded.refused.iter().map(|(r, n, _)| (r.name(), n)).collect()
}

pub fn small_limits() -> Limits {
    Limits {
        decoded_bytes: 1 << 20,
        labels_per_series: 5,
        label_name_bytes: 20,
        label_value_bytes: 30,
        samples_per_request: 100,
        buckets_per_histogram: 8,
        symbols_per_request: 50,
        line_bytes: 200,
        json_line_bytes: 400,
    }
}
