//! Between the words of the model and the messages of the gRPC API.

use crate::ingest::Decoded;
use crate::v1;
use plimsoll_model::{Histogram, Labels, LabelsError, MatchOp, Matcher, ResetHint, Samples, Span};

impl From<&Labels> for v1::LabelSet {
    fn from(labels: &Labels) -> Self {
        let label = |(n, v): (&str, &str)| v1::Label { name: n.to_owned(), value: v.to_owned() };
        Self { labels: labels.iter().map(label).collect() }
    }
}

impl v1::LabelSet {
    /// The labels, in canonical form.
    pub fn to_labels(&self) -> Result<Labels, LabelsError> {
        labels_of(&self.labels)
    }
}

/// The labels of a message, in canonical form.
pub fn labels_of(labels: &[v1::Label]) -> Result<Labels, LabelsError> {
    Labels::from_pairs(labels.iter().map(|l| (&l.name, &l.value)))
}

impl v1::Series {
    /// A series with its samples.
    pub fn new(labels: &Labels, samples: &Samples) -> Self {
        let histogram = |(t, h): &(i64, std::sync::Arc<Histogram>)| v1::HistogramSample {
            timestamp: *t,
            histogram: Some(v1::Histogram::from(&**h)),
        };
        Self {
            labels: v1::LabelSet::from(labels).labels,
            timestamps: samples.floats.timestamps.to_vec(),
            values: samples.floats.values.clone(),
            histograms: samples.histograms.iter().map(histogram).collect(),
        }
    }
}

impl From<&Histogram> for v1::Histogram {
    fn from(h: &Histogram) -> Self {
        let spans = |spans: &[Span]| {
            spans.iter().map(|s| v1::BucketSpan { offset: s.offset, length: s.length }).collect()
        };
        Self {
            // The numbers are the same on both sides.
            reset_hint: h.reset_hint as i32,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: h.zero_count,
            count: h.count,
            sum: h.sum,
            positive_spans: spans(&h.positive_spans),
            negative_spans: spans(&h.negative_spans),
            positive_buckets: h.positive_buckets.clone(),
            negative_buckets: h.negative_buckets.clone(),
            custom_values: h.custom_values.clone(),
        }
    }
}

/// The histogram of a message; it is not validated.
impl TryFrom<&v1::Histogram> for Histogram {
    type Error = String;

    fn try_from(h: &v1::Histogram) -> Result<Self, String> {
        let spans = |spans: &[v1::BucketSpan]| {
            spans.iter().map(|s| Span { offset: s.offset, length: s.length }).collect()
        };
        Ok(Self {
            reset_hint: match h.reset_hint {
                0 => ResetHint::Unknown,
                1 => ResetHint::Yes,
                2 => ResetHint::No,
                3 => ResetHint::Gauge,
                other => return Err(format!("histogram reset hint {other} is not known")),
            },
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: h.zero_count,
            count: h.count,
            sum: h.sum,
            positive_spans: spans(&h.positive_spans),
            negative_spans: spans(&h.negative_spans),
            positive_buckets: h.positive_buckets.clone(),
            negative_buckets: h.negative_buckets.clone(),
            custom_values: h.custom_values.clone(),
        })
    }
}

impl From<&Matcher> for v1::Matcher {
    fn from(m: &Matcher) -> Self {
        let op = match m.op {
            MatchOp::Equal => v1::matcher::Op::Equal,
            MatchOp::NotEqual => v1::matcher::Op::NotEqual,
            MatchOp::Regex => v1::matcher::Op::Regex,
            MatchOp::NotRegex => v1::matcher::Op::NotRegex,
        };
        Self { name: m.name.clone(), op: op.into(), value: m.value.clone() }
    }
}

impl TryFrom<&v1::Matcher> for Matcher {
    type Error = String;

    fn try_from(m: &v1::Matcher) -> Result<Self, String> {
        let op = match v1::matcher::Op::try_from(m.op) {
            Ok(v1::matcher::Op::Equal) => MatchOp::Equal,
            Ok(v1::matcher::Op::NotEqual) => MatchOp::NotEqual,
            Ok(v1::matcher::Op::Regex) => MatchOp::Regex,
            Ok(v1::matcher::Op::NotRegex) => MatchOp::NotRegex,
            Err(_) => return Err(format!("matcher operator {} is not known", m.op)),
        };
        Ok(Self::new(&m.name, op, &m.value))
    }
}

impl From<&Decoded> for v1::WriteResponse {
    fn from(decoded: &Decoded) -> Self {
        let refused = decoded.refused.iter().map(|(reason, samples, example)| v1::Refused {
            reason: reason.name().to_owned(),
            samples,
            example: format!("{reason}; first: {example}"),
        });
        Self {
            accepted: Some(v1::Accepted {
                series: decoded.series,
                floats: decoded.floats,
                histograms: decoded.histograms,
            }),
            refused: refused.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_and_matchers_come_back() {
        let h = Histogram {
            reset_hint: ResetHint::Gauge,
            schema: 3,
            zero_threshold: 0.1,
            zero_count: 1.0,
            count: 4.0,
            sum: -2.5,
            positive_spans: vec![Span { offset: -3, length: 1 }],
            negative_spans: vec![Span { offset: 7, length: 2 }],
            positive_buckets: vec![1.0],
            negative_buckets: vec![1.0, 1.0],
            custom_values: vec![9.0],
        };
        assert_eq!(Histogram::try_from(&v1::Histogram::from(&h)), Ok(h));
        for op in [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex] {
            let m = Matcher::new("a", op, "b");
            assert_eq!(Matcher::try_from(&v1::Matcher::from(&m)), Ok(m));
        }
        assert!(Matcher::try_from(&v1::Matcher { op: 9, ..Default::default() }).is_err());
        assert!(Histogram::try_from(&v1::Histogram { reset_hint: 9, ..Default::default() }).is_err());
    }
}
