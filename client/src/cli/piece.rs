//! Samples of one series in memory, between the formats of export and import.

use plimsoll_model::{Histogram, Labels, Samples, Timestamp, is_stale};
use plimsoll_proto::exposition::write_series;
use plimsoll_proto::ingest::{self, Limits, RawLabels, Refusal, Sink, write_json_line};
use std::sync::Arc;

/// Samples of one series, as many as a line or a chunk of the source holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Piece {
    pub labels: Labels,
    pub floats: Vec<(Timestamp, f64)>,
    pub histograms: Vec<(Timestamp, Arc<Histogram>)>,
}

impl Piece {
    /// The piece on a line of JSON.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let mut pieces = Pieces::default();
        let decoded = ingest::json_lines(line, 1, &limits(), 0, &mut pieces).map_err(|e| e.to_string())?;
        if let Some((reason, _, example)) = decoded.refused.iter().next() {
            return Err(format!("{}: {example}", reason.name()));
        }
        match <[Self; 1]>::try_from(pieces.all) {
            Ok([piece]) => Ok(piece),
            Err(_) => Err("there is no series on the line".into()),
        }
    }

    /// Appends the piece as a line of JSON.
    pub fn write_line(self, out: &mut Vec<u8>) {
        let (timestamps, values) = self.floats.into_iter().unzip();
        let mut samples = Samples { histograms: self.histograms, ..Samples::default() };
        samples.floats.timestamps = Arc::new(timestamps);
        samples.floats.values = values;
        write_json_line(out, &self.labels, &samples);
    }

    /// The series as the text format has it; names beyond the old charset are quoted.
    pub fn text(&self) -> String {
        let mut out = String::new();
        write_series(&mut out, &self.labels);
        out
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.floats.len() + self.histograms.len()
    }

    /// Leaves what lies from `start` to `end`, both included.
    pub fn cut(&mut self, start: Timestamp, end: Timestamp) {
        self.floats.retain(|(at, _)| (start..=end).contains(at));
        self.histograms.retain(|(at, _)| (start..=end).contains(at));
    }
}

/// Collects what a decoder of the node's reads.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub all: Vec<Piece>,
    /// Series that are none; their samples are counted by the decoder.
    skipping: bool,
}

impl Sink for Pieces {
    fn series(&mut self, _: u128, labels: &dyn RawLabels) -> Result<(), Refusal> {
        self.skipping = true;
        let labels = labels.parse()?;
        self.skipping = false;
        if self.all.last().is_none_or(|last| last.labels != labels) {
            self.all.push(Piece { labels, ..Piece::default() });
        }
        Ok(())
    }

    fn float(&mut self, timestamp: Timestamp, value: f64) -> Result<(), Refusal> {
        if let Some(piece) = self.all.last_mut().filter(|_| !self.skipping) {
            piece.floats.push((timestamp, value));
        }
        Ok(())
    }

    fn histogram(&mut self, timestamp: Timestamp, histogram: Histogram) -> Result<(), Refusal> {
        if let Some(piece) = self.all.last_mut().filter(|_| !self.skipping) {
            piece.histograms.push((timestamp, Arc::new(histogram)));
        }
        Ok(())
    }
}

/// What is read here comes from a node, or goes to one that judges it by limits of its own.
pub(super) fn limits() -> Limits {
    Limits {
        decoded_bytes: 256 << 20,
        json_line_bytes: 256 << 20,
        labels_per_series: 1_000,
        label_name_bytes: 1 << 20,
        label_value_bytes: 1 << 20,
        samples_per_request: 50_000_000,
        ..Limits::default()
    }
}

/// Reads a value as all formats of text here write it: numbers, NaN, infinities, and the stale marker by its name.
pub(super) fn value_of(text: &str) -> Option<f64> {
    match text {
        STALE => Some(plimsoll_model::stale_nan()),
        _ => text.parse().ok(),
    }
}

/// `value` so that [`value_of`] reads it back bit for bit, but for the bits of a NaN.
pub(super) fn value_text(value: f64) -> String {
    if is_stale(value) {
        return STALE.to_owned();
    }
    let mut out = String::new();
    plimsoll_proto::exposition::write_value(&mut out, value);
    out
}

/// The stale marker in text.
const STALE: &str = "StaleNaN";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_are_refused_with_a_reason() {
        for line in ["", "[]", r#"{"metric":{}, "values":[1], "timestamps":[]}"#, r#"{"values":[]}"#] {
            assert!(Piece::parse(line.as_bytes()).is_err(), "{line}");
        }
        let line = br#"{"metric":{"__name__":"b"},"values":[null,"StaleNaN"],"timestamps":[5,6]}"#;
        let piece = Piece::parse(line).expect("a line");
        assert!(piece.floats[0].1.is_nan() && is_stale(piece.floats[1].1));
    }

    #[test]
    fn a_piece_is_written_as_it_was_read() {
        let line = concat!(
            r#"{"metric":{"__name__":"h","a":"\"\n"},"values":[1.5,"StaleNaN"],"timestamps":[-5,6],"histograms":"#,
            r#"[{"timestamp":7,"reset_hint":"gauge","schema":3,"zero_threshold":0.001,"zero_count":1.0,"count":3.0,"#,
            r#""sum":4.5,"positive_spans":[[0,1]],"negative_spans":[],"positive_buckets":[2.0],"#,
            r#""negative_buckets":[],"custom_values":[]}]}"#
        );
        let piece = Piece::parse(line.as_bytes()).expect("a line");
        assert_eq!((piece.floats.len(), piece.histograms.len()), (2, 1));
        let mut out = Vec::new();
        piece.clone().write_line(&mut out);
        assert_eq!(format!("{:?}", Piece::parse(&out)), format!("{:?}", Ok::<_, String>(piece)));
    }
}
