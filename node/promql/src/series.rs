//! The language of series in tests: `name{label="value"} 1 2+3x4 _ stale {{schema:1 buckets:[1 2]}}`.
//!
//! Grammar: <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series>

use crate::ast::Span;
use crate::error::ParseError;
use crate::hist::{HistogramMath, Total};
use crate::parse::{duration_length, duration_ms, number_length, parse_number, unquote};
use plimsoll_model::{Histogram, Labels, LabelsBuilder, METRIC_NAME, ResetHint, Span as Buckets, stale_nan};
use std::sync::Arc;

/// Values that one description may stand for: more is a mistake in the test.
const MAX_VALUES: u64 = 1_000_000;

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Described {
    /// `_`: no sample.
    Omitted,
    /// A number or `stale`.
    Float(f64),
    /// A histogram; the flag tells whether its counter reset hint was written.
    Histogram(Arc<Histogram>, bool),
}

/// A series with its values, one a step.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesDescription {
    /// The labels.
    pub labels: Labels,
    /// The values.
    pub values: Vec<Described>,
}

/// Milliseconds of a duration such as `1h30m`.
pub fn parse_duration(text: &str) -> Option<i64> {
    duration_ms(text)
}

/// Parses the description of a series.
pub fn parse_series(input: &str) -> Result<SeriesDescription, ParseError> {
    let mut cursor = Cursor { input, at: 0 };
    let labels = cursor.metric()?;
    let mut values = Vec::new();
    loop {
        let blank = cursor.skip_blank();
        if cursor.rest().is_empty() {
            return Ok(SeriesDescription { labels, values });
        }
        if !blank {
            return Err(cursor.error("unexpected text in series values, expected a space"));
        }
        cursor.item(&mut values)?;
        if values.len() as u64 > MAX_VALUES {
            return Err(cursor.error("too many values in a series"));
        }
    }
}

struct Cursor<'a> {
    input: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.input[self.at..]
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.input, Span { start: self.at, end: self.input.len() }, message)
    }

    fn skip_blank(&mut self) -> bool {
        let rest = self.rest();
        let n = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.at += n;
        n > 0
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), ParseError> {
        if self.accept(text) { Ok(()) } else { Err(self.error(format!("expected {text:?}"))) }
    }

    fn word(&mut self, more: &[char]) -> &'a str {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && !more.contains(&c))
            .unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn literal(&mut self) -> Result<String, ParseError> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        let quote = quote.ok_or_else(|| self.error("expected a string"))?;
        let mut escaped = false;
        for (i, c) in rest.char_indices().skip(1) {
            if escaped {
                escaped = false;
            } else if c == '\\' && quote != '`' {
                escaped = true;
            } else if c == quote {
                let bytes = unquote(&rest[..=i]).map_err(|e| self.error(e))?;
                self.at += i + 1;
                return String::from_utf8(bytes).map_err(|_| self.error("string is not valid UTF-8"));
            }
        }
        Err(self.error("unterminated quoted string"))
    }

    fn metric(&mut self) -> Result<Labels, ParseError> {
        self.skip_blank();
        let mut labels = LabelsBuilder::default();
        let name = self.word(&[':']);
        labels.push(METRIC_NAME, name);
        if self.accept("{") {
            loop {
                self.skip_blank();
                if self.accept("}") {
                    break;
                }
                let quoted = self.rest().starts_with(['"', '\'', '`']);
                let label = if quoted { self.literal()? } else { self.word(&[]).to_owned() };
                self.skip_blank();
                if self.accept("=") {
                    self.skip_blank();
                    let value = self.literal()?;
                    labels.push(&label, &value);
                } else if quoted {
                    labels.push(METRIC_NAME, &label);
                } else {
                    return Err(self.error("unexpected text in label set, expected \"=\""));
                }
                self.skip_blank();
                if !self.accept(",") && !self.rest().starts_with('}') {
                    return Err(self.error("unexpected text in label set, expected \",\" or \"}\""));
                }
            }
        }
        labels.finish().map_err(|e| self.error(e.to_string()))
    }

    fn number(&mut self) -> Result<f64, ParseError> {
        let negative = self.accept("-");
        if !negative {
            self.accept("+");
        }
        let rest = self.rest();
        let lower = rest.get(..3).unwrap_or("").to_ascii_lowercase();
        let value = if lower == "inf" || lower == "nan" {
            self.at += 3;
            if lower == "inf" { f64::INFINITY } else { f64::NAN }
        } else {
            let until = rest.find('x').unwrap_or(rest.len());
            let text = &rest.as_bytes()[..until];
            if let Some(n) = number_length(text) {
                self.at += n;
                parse_number(&rest[..n]).ok_or_else(|| self.error("error parsing number"))?
            } else if let Some(n) = duration_length(text) {
                self.at += n;
                duration_ms(&rest[..n]).ok_or_else(|| self.error("not a valid duration"))? as f64 / 1000.0
            } else {
                return Err(self.error("unexpected text in series values, expected number or \"stale\""));
            }
        };
        Ok(if negative { -value } else { value })
    }

    fn count(&mut self) -> Result<u64, ParseError> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let text = &self.rest()[..digits];
        self.at += digits;
        text.parse::<u64>()
            .ok()
            .filter(|n| *n <= MAX_VALUES)
            .ok_or_else(|| self.error("invalid repetition in series values"))
    }

    fn item(&mut self, out: &mut Vec<Described>) -> Result<(), ParseError> {
        if self.accept("_") {
            let times = if self.accept("x") { self.count()? } else { 1 };
            out.extend((0..times).map(|_| Described::Omitted));
            return Ok(());
        }
        if self.rest().starts_with("{{") {
            return self.histograms(out);
        }
        if self.accept("stale") {
            let times = if self.accept("x") { self.count()? + 1 } else { 1 };
            out.extend((0..times).map(|_| Described::Float(stale_nan())));
            return Ok(());
        }
        let mut value = self.number()?;
        if self.accept("x") {
            let times = self.count()?;
            out.extend((0..=times).map(|_| Described::Float(value)));
        } else if self.rest().starts_with(['+', '-']) {
            let step = self.number()?;
            self.expect("x")?;
            for _ in 0..=self.count()? {
                out.push(Described::Float(value));
                value += step;
            }
        } else {
            out.push(Described::Float(value));
        }
        Ok(())
    }

    fn histograms(&mut self, out: &mut Vec<Described>) -> Result<(), ParseError> {
        let (first, hinted) = self.histogram()?;
        let sign = if self.accept("+") { Some(true) } else { self.accept("-").then_some(false) };
        let Some(plus) = sign else {
            let times = if self.accept("x") { self.count()? + 1 } else { 1 };
            let h = Arc::new(first);
            out.extend((0..times).map(|_| Described::Histogram(Arc::clone(&h), hinted)));
            return Ok(());
        };
        let (step, hinted) = self.histogram()?;
        self.expect("x")?;
        let times = self.count()?;
        let mut current = first;
        out.push(Described::Histogram(Arc::new(current.clone()), hinted));
        for _ in 0..times {
            if current.is_custom() != step.is_custom() || current.schema > step.schema {
                return Err(self.error("error combining histograms: schemas do not fit"));
            }
            let mut total = Total::of(&current);
            let joined = if plus { total.add(&step) } else { total.subtract(&step) };
            joined.map_err(|_| self.error("error combining histograms"))?;
            current = total.finish();
            out.push(Described::Histogram(Arc::new(current.clone()), hinted));
        }
        Ok(())
    }

    /// `{{key:value ...}}`, and whether the counter reset hint was given.
    fn histogram(&mut self) -> Result<(Histogram, bool), ParseError> {
        self.expect("{{")?;
        let mut h = Histogram::default();
        let mut hinted = false;
        let (mut offset, mut negative_offset) = (0, 0);
        let mut seen: Vec<&str> = Vec::new();
        loop {
            self.skip_blank();
            if self.accept("}}") {
                break;
            }
            let key = self.word(&[]);
            if seen.contains(&key) {
                return Err(self.error(format!("duplicate key {key:?} in histogram")));
            }
            seen.push(key);
            self.expect(":")?;
            match key {
                "schema" => h.schema = self.number()? as i32,
                "sum" => h.sum = self.number()?,
                "count" => h.count = self.number()?,
                "z_bucket" => h.zero_count = self.number()?,
                "z_bucket_w" => h.zero_threshold = self.number()?,
                "offset" => offset = self.number()? as i32,
                "n_offset" => negative_offset = self.number()? as i32,
                "buckets" => h.positive_buckets = self.list()?,
                "n_buckets" => h.negative_buckets = self.list()?,
                "custom_values" => h.custom_values = self.list()?,
                "counter_reset_hint" => {
                    hinted = true;
                    h.reset_hint = match self.word(&[]) {
                        "unknown" => ResetHint::Unknown,
                        "reset" => ResetHint::Yes,
                        "not_reset" => ResetHint::No,
                        "gauge" => ResetHint::Gauge,
                        other => return Err(self.error(format!("unknown counter reset hint {other:?}"))),
                    };
                }
                other => return Err(self.error(format!("bad histogram descriptor found: {other:?}"))),
            }
        }
        let spans = |offset: i32, counts: &[f64]| {
            let whole = Buckets { offset, length: counts.len() as u32 };
            if counts.is_empty() { Vec::new() } else { vec![whole] }
        };
        h.positive_spans = spans(offset, &h.positive_buckets);
        h.negative_spans = spans(negative_offset, &h.negative_buckets);
        Ok((h, hinted))
    }

    fn list(&mut self) -> Result<Vec<f64>, ParseError> {
        self.expect("[")?;
        let mut out = Vec::new();
        loop {
            self.skip_blank();
            if self.accept("]") {
                return Ok(out);
            }
            out.push(self.number()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_repeat_and_rise_as_described() {
        let s = parse_series("x{a=\"b\"} 1 2x1 3+2x2 _ _x2 stale -1-1x1 0.5 Inf").expect("a series");
        assert_eq!(s.labels.to_string(), "x{a=\"b\"}");
        let shown: Vec<String> = s
            .values
            .iter()
            .map(|v| match v {
                Described::Omitted => "_".into(),
                Described::Float(v) if plimsoll_model::is_stale(*v) => "stale".into(),
                Described::Float(v) => v.to_string(),
                Described::Histogram(..) => "h".into(),
            })
            .collect();
        assert_eq!(shown.join(" "), "1 2 2 3 5 7 _ _ _ stale -1 -2 0.5 inf");
    }

    #[test]
    fn histograms_are_described_by_their_parts() {
        let text = "{{schema:1 count:3 sum:5 buckets:[1 2] offset:-1 counter_reset_hint:gauge}}+{{schema:1 count:1 buckets:[1] offset:-1}}x1";
        let s = parse_series(&format!("x {text}")).expect("a series");
        let [Described::Histogram(a, _), Described::Histogram(b, _)] = s.values.as_slice() else {
            panic!("two histograms")
        };
        assert_eq!((a.count, b.count), (3.0, 4.0));
        assert_eq!(b.positive_buckets, vec![2.0, 2.0]);
        assert_eq!(b.positive_spans[0].offset, -1);
    }

    #[test]
    fn what_is_no_series_is_refused_with_its_place() {
        for bad in ["x 1q", "x{a} 1", "x{a=\"b\" 1", "x {{foo:1}}", "x 1x99999999999", "x {{", "x 1 2 +"] {
            assert!(parse_series(bad).is_err(), "{bad}");
        }
    }
}
