//! A line of export and import: `{"metric":{..},"values":[..],"timestamps":[..]}`, timestamps in milliseconds.

use crate::answer::WireLabels;
use plimsoll_model::{Labels, Timestamp};
use plimsoll_proto::exposition::write_series;
use serde_json::value::RawValue;

/// The samples of one series on one line.
#[derive(Debug)]
pub(super) struct Line {
    pub labels: Labels,
    pub floats: Vec<(Timestamp, f64)>,
    /// Native histograms on the line, which have no form in CSV and text.
    pub histogram_count: usize,
}

#[derive(serde::Deserialize)]
struct Wire<'a> {
    metric: WireLabels,
    #[serde(default)]
    values: Vec<Option<crate::answer::Number>>,
    #[serde(default)]
    timestamps: Vec<Timestamp>,
    #[serde(borrow, default)]
    histograms: Option<Vec<&'a RawValue>>,
}

impl Line {
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let wire: Wire<'_> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        if wire.values.len() != wire.timestamps.len() && wire.histograms.is_none() {
            return Err(format!("{} values but {} timestamps", wire.values.len(), wire.timestamps.len()));
        }
        // `null` stands for NaN where a writer knows no other way.
        let value = |v: Option<crate::answer::Number>| v.map_or(f64::NAN, |n| n.0);
        let floats = wire.timestamps.into_iter().zip(wire.values.into_iter().map(value)).collect();
        let histogram_count = wire.histograms.map_or(0, |h| h.len());
        Ok(Self { labels: wire.metric.0, floats, histogram_count })
    }

    /// The series as the text format has it; names beyond the old charset are quoted.
    pub fn text(&self) -> String {
        let mut out = String::new();
        write_series(&mut out, &self.labels);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_are_refused_with_a_reason() {
        for line in ["", "[]", r#"{"metric":{}, "values":[1], "timestamps":[]}"#, r#"{"values":[]}"#] {
            assert!(Line::parse(line.as_bytes()).is_err(), "{line}");
        }
        let line = Line::parse(br#"{"metric":{"a":"b"},"values":[null],"timestamps":[5]}"#).expect("a line");
        assert!(line.floats[0].1.is_nan());
    }
}
