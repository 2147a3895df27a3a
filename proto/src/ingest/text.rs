//! Prometheus' text exposition format, pushed:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! A line that cannot be read is refused with its number, and the rest is taken.

use super::intake::Intake;
use super::key::{Format, Keys};
use super::text_comment::Comments;
use super::text_series::{LineLabels, split_series};
use super::{DecodeError, Decoded, Limits, Refusal, Sink};
use plimsoll_model::Timestamp;

/// What a timestamp at the end of a line means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextDialect {
    /// Whole milliseconds, as in format 0.0.4.
    #[default]
    Prometheus,
    /// Seconds, perhaps with a fraction, as in OpenMetrics. Exemplars are passed over.
    OpenMetrics,
}

impl TextDialect {
    /// The dialect that a `Content-Type` header names.
    pub fn from_content_type(value: Option<&str>) -> Self {
        let kind = value.unwrap_or("").split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }
}

/// Decodes lines of text. Samples without a timestamp get `default_timestamp`. A long text may be cut at ends of
/// lines and decoded piece by piece; `first_line` is the number that messages give to its first line, from 1 on.
pub fn text<S: Sink + ?Sized>(
    body: &[u8],
    dialect: TextDialect,
    default_timestamp: Timestamp,
    first_line: u64,
    limits: &Limits,
    seed: u64,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    if body.len() > limits.decoded_bytes {
        return Err(DecodeError::TooLarge { size: body.len() as u64, limit: limits.decoded_bytes });
    }
    let keys = Keys::new(seed, Format::Text);
    let mut reader = Reader {
        dialect,
        default_timestamp,
        limits,
        keys,
        intake: Intake::new(sink, limits),
        comments: Comments::default(),
    };
    for (number, line) in (first_line..).zip(lines(body)) {
        reader.line(line, number)?;
    }
    reader.comments.flush(reader.intake.sink);
    Ok(reader.intake.decoded)
}

/// The lines of `body`, without their ends and without blanks around them.
pub(super) fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let text = rest?;
        let line = match memchr::memchr(b'\n', text) {
            Some(at) => {
                rest = Some(&text[at + 1..]);
                &text[..at]
            }
            None => {
                rest = None;
                text
            }
        };
        Some(line.trim_ascii())
    })
}

struct Reader<'a, 's, S: ?Sized> {
    dialect: TextDialect,
    default_timestamp: Timestamp,
    limits: &'a Limits,
    keys: Keys,
    intake: Intake<'s, S>,
    comments: Comments<'a>,
}

impl<'a, S: Sink + ?Sized> Reader<'a, '_, S> {
    fn line(&mut self, line: &'a [u8], number: u64) -> Result<(), DecodeError> {
        if line.is_empty() {
            return Ok(());
        }
        if line.len() > self.limits.line_bytes {
            self.bad_line(line, number, "the line is longer than allowed");
            return Ok(());
        }
        if line[0] == b'#' {
            self.comments.line(line, self.intake.sink);
            return Ok(());
        }
        match self.sample(line) {
            Ok((series, value, timestamp)) => {
                let raw = LineLabels::new(series, number, self.limits);
                let mut current = self.intake.series(self.keys.of(series), &raw);
                self.intake.float(&mut current, timestamp, value)
            }
            Err(why) => {
                self.bad_line(line, number, why);
                Ok(())
            }
        }
    }

    fn sample(&self, line: &'a [u8]) -> Result<(&'a [u8], f64, Timestamp), &'static str> {
        let (series, rest) = split_series(line)?;
        let mut words = rest.split(|b| matches!(b, b' ' | b'\t')).filter(|w| !w.is_empty());
        let value = number(words.next().ok_or("there is no value")?).ok_or("the value is not a number")?;
        let timestamp = match words.next() {
            None => self.default_timestamp,
            Some(b"#") if self.dialect == TextDialect::OpenMetrics => {
                return Ok((series, value, self.default_timestamp));
            }
            Some(word) => self.timestamp(word)?,
        };
        match words.next() {
            None => Ok((series, value, timestamp)),
            Some(b"#") if self.dialect == TextDialect::OpenMetrics => Ok((series, value, timestamp)),
            Some(_) => Err("there is more after the timestamp"),
        }
    }

    fn timestamp(&self, word: &[u8]) -> Result<Timestamp, &'static str> {
        let text = std::str::from_utf8(word).map_err(|_| "the timestamp is not a number")?;
        match self.dialect {
            TextDialect::Prometheus => text.parse().map_err(|_| "the timestamp is not in whole milliseconds"),
            TextDialect::OpenMetrics => {
                let ms = text.parse::<f64>().map_err(|_| "the timestamp is not a number")? * 1000.0;
                // Beyond 2^63 or NaN there is no such millisecond.
                if ms.abs() < i64::MAX as f64 {
                    Ok(ms.round() as i64)
                } else {
                    Err("the timestamp is out of range")
                }
            }
        }
    }

    #[cold]
    fn bad_line(&mut self, line: &[u8], number: u64, why: &str) {
        self.intake.decoded.refused.add(Refusal::BadLine, 1, || message(line, number, why));
    }
}

/// What is wrong with a line, and its beginning.
pub(super) fn message(line: &[u8], number: u64, why: &str) -> String {
    let start = String::from_utf8_lossy(&line[..line.len().min(120)]);
    format!("line {number}: {why}: {}", start.escape_debug())
}

/// A number as Prometheus reads one: decimal, `NaN`, `Inf` with or without a sign.
pub(super) fn number(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
