use plimsoll_model::{Histogram, Labels, Timestamp};
use std::sync::Arc;

/// One sample on its way to a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series, its name under `__name__`. Cloned labels share their bytes.
    pub labels: Labels,
    /// Milliseconds since the Unix epoch.
    pub timestamp: Timestamp,
    /// The value.
    pub value: SampleValue,
}

/// What a sample holds.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

impl Sample {
    /// A float sample.
    pub fn float(labels: Labels, timestamp: Timestamp, value: f64) -> Self {
        Self { labels, timestamp, value: SampleValue::Float(value) }
    }

    /// A native-histogram sample.
    pub fn histogram(labels: Labels, timestamp: Timestamp, histogram: Histogram) -> Self {
        Self { labels, timestamp, value: SampleValue::Histogram(Arc::new(histogram)) }
    }

    /// Bytes that this sample is charged with while it waits: its struct and its label bytes, as if no other
    /// sample shared them, and its histogram.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.labels.as_bytes().len() + self.histogram_bytes()
    }

    fn histogram_bytes(&self) -> usize {
        match &self.value {
            SampleValue::Float(_) => 0,
            SampleValue::Histogram(h) => {
                let spans = h.positive_spans.len() + h.negative_spans.len();
                let counts = h.positive_buckets.len() + h.negative_buckets.len() + h.custom_values.len();
                size_of::<Histogram>() + 8 * (spans + counts)
            }
        }
    }
}
