use serde::{Deserialize, Serialize};

/// What is known about a counter reset between a histogram sample and the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ResetHint {
    /// Nothing is known; a reader compares the two.
    #[default]
    Unknown = 0,
    /// The counter was reset.
    Yes = 1,
    /// The counter was not reset.
    No = 2,
    /// Not a counter.
    Gauge = 3,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Buckets skipped since the end of the span before (for the first span: index of its first bucket).
    pub offset: i32,
    /// Buckets in the run.
    pub length: u32,
}

/// A native histogram with float counts, as Prometheus' `FloatHistogram`.
///
/// Exponential schemas are -4..=8, each bucket `2^(2^-schema)` wide; schema -53 has custom bounds in
/// `custom_values` (upper inclusive bounds, the last bucket is +Inf) and uses positive buckets alone.
/// Integer histograms are held as floats: counts are exact up to 2^53.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Reset information of this sample.
    pub reset_hint: ResetHint,
    /// Resolution, or -53 for custom bounds.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observations; a stale marker here marks the sample stale.
    pub sum: f64,
    /// Where the positive buckets lie.
    pub positive_spans: Vec<Span>,
    /// Where the negative buckets lie.
    pub negative_spans: Vec<Span>,
    /// Absolute counts of the positive buckets.
    pub positive_buckets: Vec<f64>,
    /// Absolute counts of the negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds of custom buckets, ascending, without +Inf.
    pub custom_values: Vec<f64>,
}

impl Histogram {
    /// The schema number that stands for custom bucket bounds.
    pub const CUSTOM_SCHEMA: i32 = -53;

    /// Whether the sample is a stale marker.
    pub fn is_stale(&self) -> bool {
        crate::is_stale(self.sum)
    }

    /// Checks what a reader relies on: schema known, spans and buckets agree, counts are not negative.
    ///
    /// The error says what is wrong, for the sender.
    pub fn validate(&self) -> Result<(), String> {
        let custom = self.schema == Self::CUSTOM_SCHEMA;
        if !custom && !(-4..=8).contains(&self.schema) {
            return Err(format!("histogram schema {} is not in -4..=8 and not -53", self.schema));
        }
        if custom {
            let rising = self.custom_values.windows(2).all(|w| w[0] < w[1]);
            if !rising || self.custom_values.iter().any(|v| v.is_nan()) {
                return Err("histogram custom bounds are not ascending".into());
            }
            if self.zero_count != 0.0 || !self.negative_spans.is_empty() || !self.negative_buckets.is_empty()
            {
                return Err("histogram with custom bounds has a zero bucket or negative buckets".into());
            }
        } else if !self.custom_values.is_empty() {
            return Err("histogram with an exponential schema has custom bounds".into());
        }
        Self::check_side("positive", &self.positive_spans, &self.positive_buckets)?;
        Self::check_side("negative", &self.negative_spans, &self.negative_buckets)?;
        if custom {
            let last = span_end(&self.positive_spans);
            if last > self.custom_values.len() as i64 + 1 {
                return Err("histogram has more buckets than custom bounds".into());
            }
        }
        if self.zero_threshold < 0.0 || self.zero_threshold.is_nan() {
            return Err("histogram zero threshold is negative or NaN".into());
        }
        if self.zero_count < 0.0 || self.count < 0.0 {
            return Err("histogram count is negative".into());
        }
        Ok(())
    }

    fn check_side(side: &str, spans: &[Span], buckets: &[f64]) -> Result<(), String> {
        let mut total = 0u64;
        for (i, s) in spans.iter().enumerate() {
            if i > 0 && s.offset < 0 {
                return Err(format!("histogram {side} span {i} has a negative offset"));
            }
            total += u64::from(s.length);
        }
        if span_end(spans) > i64::from(i32::MAX) {
            return Err(format!("histogram {side} spans reach beyond the last possible bucket"));
        }
        if total != buckets.len() as u64 {
            return Err(format!("histogram {side} spans name {total} buckets, {} are there", buckets.len()));
        }
        if buckets.iter().any(|b| *b < 0.0 || b.is_nan()) {
            return Err(format!("histogram {side} bucket count is negative or NaN"));
        }
        Ok(())
    }
}

/// Index one past the last bucket of `spans`.
fn span_end(spans: &[Span]) -> i64 {
    spans.iter().map(|s| i64::from(s.offset) + i64::from(s.length)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_histograms_are_refused_with_a_reason() {
        let good = Histogram {
            positive_spans: vec![Span { offset: 0, length: 2 }],
            positive_buckets: vec![1.0, 2.0],
            count: 3.0,
            ..Histogram::default()
        };
        assert_eq!(good.validate(), Ok(()));
        let cases: [(&str, Histogram); 5] = [
            ("schema", Histogram { schema: 9, ..good.clone() }),
            ("spans name", Histogram { positive_buckets: vec![1.0], ..good.clone() }),
            ("custom bounds", Histogram { custom_values: vec![1.0], ..good.clone() }),
            ("negative", Histogram { positive_buckets: vec![1.0, -2.0], ..good.clone() }),
            ("ascending", Histogram { schema: -53, custom_values: vec![2.0, 1.0], ..good.clone() }),
        ];
        for (reason, h) in cases {
            let text = h.validate().expect_err(reason);
            assert!(text.contains(reason), "{text}");
        }
    }
}
