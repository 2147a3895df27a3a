//! What the fuzz targets have in common: a sink that looks at everything it is given.

use plimsoll_model::{Histogram, Increase, Interval, Labels, Timestamp};
use plimsoll_proto::ingest::{Decoded, Limits, Metadata, RawLabels, Refusal, Sink};

/// Small enough that a fuzzer reaches them.
pub const LIMITS: Limits = Limits {
    decoded_bytes: 1 << 16,
    labels_per_series: 5,
    label_name_bytes: 20,
    label_value_bytes: 30,
    samples_per_request: 1000,
    buckets_per_histogram: 8,
    symbols_per_request: 100,
    line_bytes: 1000,
    json_line_bytes: 2000,
};

/// Checks what a decoder promises to its sink.
#[derive(Default)]
pub struct Check {
    inside: bool,
    samples: u64,
}

impl Check {
    /// Checks the account of a whole request.
    pub fn done(self, decoded: &Decoded) {
        assert_eq!(self.samples, decoded.samples());
        assert!(decoded.refused.to_text().len() < 15 * 1200);
        assert_eq!(decoded.refused.is_empty(), decoded.refused.iter().next().is_none());
    }
}

impl Sink for Check {
    fn series(&mut self, _: u128, labels: &dyn RawLabels) -> Result<(), Refusal> {
        self.inside = false;
        assert!(labels.describe().len() < 1000);
        let parsed = labels.parse()?;
        assert!(parsed.len() <= LIMITS.labels_per_series && parsed.metric_name().is_some());
        assert_eq!(Labels::from_bytes(parsed.as_bytes()).as_ref(), Ok(&parsed));
        self.inside = true;
        Ok(())
    }

    fn float(&mut self, timestamp: Timestamp, _: f64) -> Result<(), Refusal> {
        assert!(self.inside, "a sample of a refused series");
        if timestamp < 0 {
            return Err(Refusal::TooOld);
        }
        self.samples += 1;
        Ok(())
    }

    fn histogram(&mut self, _: Timestamp, histogram: Histogram) -> Result<(), Refusal> {
        assert!(self.inside, "a sample of a refused series");
        assert_eq!(histogram.validate(), Ok(()));
        self.samples += 1;
        Ok(())
    }

    fn increase(&mut self, interval: Interval, increase: Increase, _: bool) -> Result<(), Refusal> {
        assert!(self.inside, "an increase of a refused series");
        assert!(interval.start_ns < interval.end_ns && interval.start() < interval.end());
        match increase {
            Increase::Float(v) => assert!(v.is_finite()),
            Increase::Histogram(h) => assert_eq!(h.validate(), Ok(())),
        }
        if interval.end() > 4_000_000_000_000 {
            return Err(Refusal::TooFarInFuture);
        }
        self.samples += 1;
        Ok(())
    }

    fn wants_exemplars(&self) -> bool {
        true
    }

    fn exemplar(&mut self, _: Timestamp, _: f64, labels: &dyn RawLabels) -> Result<(), Refusal> {
        labels.parse_nameless().map(|_| ())
    }

    fn metadata(&mut self, metadata: Metadata<'_>) {
        assert!(!metadata.name.is_empty());
    }
}
