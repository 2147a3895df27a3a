//! JSON lines, one series a line, as VictoriaMetrics exports and imports them:
//! `{"metric":{"__name__":"up"},"values":[1,0],"timestamps":[1000,2000]}`.
//!
//! A line that cannot be read is refused with its number, and the rest is taken.

use super::intake::{Current, Intake};
use super::json_text::{Elements, integer_of, members, number_of, text_of, unescape};
use super::key::{Format, Keys};
use super::text::{lines, message};
use super::{DecodeError, Decoded, Limits, RawLabels, Refusal, Sink, json_histogram};
use crate::escape::push_json;
use plimsoll_model::{Histogram, Labels, Samples, is_stale, stale_nan};
use std::cell::Cell;

/// Decodes lines of JSON. A long text may be cut at ends of lines and decoded piece by piece; `first_line` is the
/// number that messages give to its first line, from 1 on.
pub fn json_lines<S: Sink + ?Sized>(
    body: &[u8],
    first_line: u64,
    limits: &Limits,
    seed: u64,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    if body.len() > limits.decoded_bytes {
        return Err(DecodeError::TooLarge { size: body.len() as u64, limit: limits.decoded_bytes });
    }
    let keys = Keys::new(seed, Format::JsonLines);
    let mut intake = Intake::new(sink, limits);
    for (number, line) in (first_line..).zip(lines(body)) {
        if line.is_empty() {
            continue;
        }
        match Line::read(line, limits) {
            Ok(content) => content.take(number, limits, &keys, &mut intake)?,
            Err(why) => intake.decoded.refused.add(Refusal::BadLine, 1, || message(line, number, why)),
        }
    }
    Ok(intake.decoded)
}

/// The parts of a line.
struct Line<'a> {
    metric: &'a [u8],
    values: Elements<'a>,
    timestamps: Elements<'a>,
    histograms: Elements<'a>,
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8], limits: &Limits) -> Result<Self, &'static str> {
        if line.len() > limits.json_line_bytes {
            return Err("the line is longer than allowed; cut the series into several lines");
        }
        let (mut metric, mut values, mut timestamps, mut histograms) =
            (None, &b"[]"[..], &b"[]"[..], &b"[]"[..]);
        members(line, |key, value| {
            match key {
                b"metric" => metric = Some(value),
                b"values" => values = value,
                b"timestamps" => timestamps = value,
                b"histograms" => histograms = value,
                _ => {}
            }
            Ok(())
        })?;
        let metric = metric.ok_or("the line has no \"metric\"")?;
        let (values, timestamps) = (Elements::of(values)?, Elements::of(timestamps)?);
        // Checked before anything is taken: in columns of different length no value is sure of its time.
        if count(&values)? != count(&timestamps)? {
            return Err("\"values\" and \"timestamps\" have different lengths");
        }
        let histograms = Elements::of(histograms)?;
        count(&histograms)?;
        Ok(Self { metric, values, timestamps, histograms })
    }

    fn take<S: Sink + ?Sized>(
        self,
        number: u64,
        limits: &Limits,
        keys: &Keys,
        intake: &mut Intake<'_, S>,
    ) -> Result<(), DecodeError> {
        let raw = JsonLabels { metric: self.metric, number, limits, why: Cell::new("the series is") };
        let mut current: Option<Current<'_>> = None;
        let key = keys.of(self.metric);
        for (value, timestamp) in self.values.zip(self.timestamps) {
            let sample = value.and_then(|v| Ok((read_value(v)?, integer_of(timestamp?)?)));
            match sample {
                Ok((value, timestamp)) => {
                    let current = current.get_or_insert_with(|| intake.series(key, &raw));
                    intake.float(current, timestamp, value)?;
                }
                Err(why) => {
                    let refused = &mut intake.decoded.refused;
                    refused.add(Refusal::BadLine, 1, || message(self.metric, number, why));
                }
            }
        }
        for object in self.histograms {
            match object.and_then(|o| json_histogram::read(o, limits)) {
                Ok((timestamp, h)) => {
                    let current = current.get_or_insert_with(|| intake.series(key, &raw));
                    intake.histogram(current, timestamp, Ok::<Histogram, String>(h))?;
                }
                Err(why) => {
                    let refused = &mut intake.decoded.refused;
                    refused.add(Refusal::BadHistogram, 1, || message(self.metric, number, why));
                }
            }
        }
        Ok(())
    }
}

fn count(elements: &Elements<'_>) -> Result<usize, &'static str> {
    elements.clone().try_fold(0, |n, value| value.map(|_| n + 1))
}

/// A value: a number, `null` for NaN, or a string for what JSON has no number for.
pub(super) fn read_value(value: &[u8]) -> Result<f64, &'static str> {
    match value {
        b"null" => Ok(f64::NAN),
        b"\"StaleNaN\"" => Ok(stale_nan()),
        [b'"', ..] => super::text::number(&text_of(value)?).ok_or("a value is not a number"),
        _ => number_of(value),
    }
}

/// The object of labels.
struct JsonLabels<'a> {
    metric: &'a [u8],
    number: u64,
    limits: &'a Limits,
    /// Why the labels could not be read, for the message.
    why: Cell<&'static str>,
}

impl RawLabels for JsonLabels<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        let read = members(self.metric, |key, value| {
            visit(&unescape(key)?, &text_of(value)?);
            Ok(())
        });
        read.map_err(|why| {
            self.why.set(why);
            Refusal::BadLine
        })
    }

    fn limits(&self) -> &Limits {
        self.limits
    }

    fn describe(&self) -> String {
        message(self.metric, self.number, self.why.get())
    }
}

/// Appends the line of a series, as [`json_lines`] reads it. Nothing is written for a series without samples.
///
/// Numbers come back bit for bit, and so do stale markers; other NaNs come back as a NaN.
pub fn write_json_line(out: &mut Vec<u8>, labels: &Labels, samples: &Samples) {
    if samples.is_empty() {
        return;
    }
    out.extend_from_slice(b"{\"metric\":{");
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_json(out, name);
        out.push(b':');
        push_json(out, value);
    }
    out.push(b'}');
    if !samples.floats.values.is_empty() {
        write_list(out, "values", &samples.floats.values, |out, v| write_value(out, *v));
        write_list(out, "timestamps", samples.floats.timestamps.iter(), |out, t| {
            out.extend_from_slice(t.to_string().as_bytes());
        });
    }
    if !samples.histograms.is_empty() {
        write_list(out, "histograms", &samples.histograms, |out, (t, h)| json_histogram::write(out, *t, h));
    }
    out.extend_from_slice(b"}\n");
}

fn write_list<T>(
    out: &mut Vec<u8>,
    key: &str,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.extend_from_slice(format!(",\"{key}\":[").as_bytes());
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

pub(super) fn write_value(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        let mut buffer = ryu::Buffer::new();
        let text = buffer.format_finite(value);
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    } else {
        out.extend_from_slice(match value {
            v if is_stale(v) => b"\"StaleNaN\"",
            v if v.is_nan() => b"null",
            v if v > 0.0 => b"\"Infinity\"",
            _ => b"\"-Infinity\"",
        });
    }
}
