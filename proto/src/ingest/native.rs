//! Plimsoll's own gRPC write. The message has been decoded by the gRPC library; labels are still looked up by a hash.

use super::compression::clear;
use super::intake::Intake;
use super::key::{Format, Keys};
use super::wire::{Fields, Wire};
use super::{DecodeError, Decoded, Limits, Metadata, MetricType, RawLabels, Refusal, Scratch, Sink};
use crate::v1;
use plimsoll_model::Histogram;

/// Hands on the samples of a [`v1::WriteRequest`].
pub fn native<S: Sink + ?Sized>(
    request: &v1::WriteRequest,
    limits: &Limits,
    seed: u64,
    scratch: &mut Scratch,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    let keys = Keys::new(seed, Format::Native);
    let mut intake = Intake::new(sink, limits);
    for series in &request.series {
        take_series(series, limits, &keys, &mut scratch.labels, &mut intake)?;
    }
    for m in &request.metadata {
        if !m.metric_name.is_empty() {
            intake.sink.metadata(Metadata {
                name: &m.metric_name,
                metric_type: MetricType::from_number(u64::try_from(m.r#type).unwrap_or(0)),
                help: &m.help,
                unit: &m.unit,
            });
        }
    }
    Ok(intake.decoded)
}

fn take_series<S: Sink + ?Sized>(
    series: &v1::Series,
    limits: &Limits,
    keys: &Keys,
    buffer: &mut Vec<u8>,
    intake: &mut Intake<'_, S>,
) -> Result<(), DecodeError> {
    let raw = StringLabels { labels: &series.labels, limits };
    let floats = series.timestamps.len().max(series.values.len());
    if series.timestamps.len() != series.values.len() {
        // No value is sure of its time.
        intake.decoded.refused.add(Refusal::UnevenColumns, floats as u64, || raw.describe());
    }
    let paired = series.timestamps.len() == series.values.len() && floats > 0;
    if !paired && series.histograms.is_empty() {
        return Ok(());
    }
    raw.gather(buffer);
    let mut current = intake.series(keys.of(buffer), &raw);
    if paired {
        for (timestamp, value) in series.timestamps.iter().zip(&series.values) {
            intake.float(&mut current, *timestamp, *value)?;
        }
    }
    for sample in &series.histograms {
        let histogram = match &sample.histogram {
            Some(h) if h.buckets() <= limits.buckets_per_histogram => Histogram::try_from(h),
            Some(_) => {
                Err(format!("histogram has more than {} buckets or spans", limits.buckets_per_histogram))
            }
            None => Err("histogram is missing".to_owned()),
        };
        intake.histogram(&mut current, sample.timestamp, histogram)?;
    }
    Ok(())
}

/// Most memory, in bytes, that a [`v1::WriteRequest`] with these bytes takes once it is decoded.
pub fn write_request_weight(message: &[u8]) -> Result<usize, DecodeError> {
    let mut weight = 0usize;
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        let field = value.bytes()?;
        weight = weight.saturating_add(match number {
            1 => 2 * size_of::<v1::Series>() + series_weight(field)?,
            2 => 2 * size_of::<v1::Metadata>() + field.len(),
            _ => 0,
        });
    }
    Ok(weight)
}

/// Vectors grow by doubling, so an item costs up to twice its size.
fn series_weight(series: &[u8]) -> Result<usize, DecodeError> {
    let mut weight = 0usize;
    let mut fields = Fields::new(series);
    while let Some((number, value)) = fields.next()? {
        let bytes = if let Wire::Bytes(bytes) = value { bytes.len() } else { 8 };
        weight = weight.saturating_add(match number {
            1 => 2 * size_of::<v1::Label>() + bytes,
            // Packed: the numbers are the bytes without a continuation bit, each of which becomes eight.
            2 => match value {
                Wire::Bytes(packed) => 16 * packed.iter().filter(|b| **b < 0x80).count(),
                _ => 16,
            },
            3 => 2 * bytes,
            // A span has two bytes at least and takes eight, with its own tag and length four.
            4 => 2 * size_of::<v1::HistogramSample>() + 4 * bytes,
            _ => 0,
        });
    }
    Ok(weight)
}

impl v1::Histogram {
    /// Length of its longest column.
    fn buckets(&self) -> usize {
        [
            self.positive_spans.len(),
            self.negative_spans.len(),
            self.positive_buckets.len(),
            self.negative_buckets.len(),
            self.custom_values.len(),
        ]
        .into_iter()
        .max()
        .unwrap_or(0)
    }
}

struct StringLabels<'a> {
    labels: &'a [v1::Label],
    limits: &'a Limits,
}

impl StringLabels<'_> {
    /// Writes all labels into one slice, each text behind its length, so that no two sets look alike.
    fn gather(&self, buffer: &mut Vec<u8>) {
        clear(buffer);
        for text in self.labels.iter().flat_map(|l| [&l.name, &l.value]) {
            buffer.extend_from_slice(&(text.len() as u32).to_le_bytes());
            buffer.extend_from_slice(text.as_bytes());
        }
    }
}

impl RawLabels for StringLabels<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        for l in self.labels {
            visit(l.name.as_bytes(), l.value.as_bytes());
        }
        Ok(())
    }

    fn limits(&self) -> &Limits {
        self.limits
    }
}
