//! Prometheus' protobuf exposition, scraped: `io.prometheus.client.MetricFamily` messages, each after its length
//! (<https://github.com/prometheus/client_model>). The only exposition with native histograms.
//!
//! Histograms and summaries come apart into the series that the text format has for them.

use super::intake::Intake;
use super::key::{Format, Keys};
use super::wire::{Fields, Wire, take_varint};
use super::{DecodeError, Decoded, Limits, Metadata, MetricType, RawLabels, Refusal, Sink, wire_histogram};
use crate::exposition::write_value;
use plimsoll_model::{ResetHint, Timestamp};

/// Decodes families of metrics. Samples without a timestamp get `default_timestamp`; `classic` says whether the
/// classic buckets of a native histogram are wanted too.
pub fn exposition_proto<S: Sink + ?Sized>(
    mut body: &[u8],
    default_timestamp: Timestamp,
    classic: bool,
    limits: &Limits,
    seed: u64,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    let keys = Keys::new(seed, Format::Exposition);
    let intake = Intake::new(sink, limits);
    let mut reader = Reader { limits, keys, intake, default_timestamp, classic, key: Vec::new() };
    while !body.is_empty() {
        let length = take_varint(&mut body)?;
        if length > body.len() as u64 {
            return Err(DecodeError::Malformed("a family of metrics is cut off"));
        }
        let (family, rest) = body.split_at(length as usize);
        body = rest;
        reader.family(family)?;
    }
    Ok(reader.intake.decoded)
}

struct Reader<'a, 's, S: ?Sized> {
    limits: &'a Limits,
    keys: Keys,
    intake: Intake<'s, S>,
    default_timestamp: Timestamp,
    classic: bool,
    /// The bytes that stand for a series, put together for its key.
    key: Vec<u8>,
}

/// The number that a family's type has on the wire.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Summary,
    Untyped,
    Histogram,
    GaugeHistogram,
}

/// One metric of a family: its labels as they stand there, and its content.
#[derive(Clone, Copy)]
struct Metric<'a> {
    family: &'a [u8],
    message: &'a [u8],
    timestamp: Timestamp,
}

impl<S: Sink + ?Sized> Reader<'_, '_, S> {
    fn family(&mut self, family: &[u8]) -> Result<(), DecodeError> {
        let (mut texts, mut kind) = ([&b""[..]; 3], Kind::Counter);
        let mut fields = Fields::new(family);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => texts[0] = value.bytes()?,
                2 => texts[1] = value.bytes()?,
                5 => texts[2] = value.bytes()?,
                3 => kind = Kind::of(value.varint()?)?,
                _ => {}
            }
        }
        let [name, ..] = texts;
        if let [Ok(name), Ok(help), Ok(unit)] = texts.map(std::str::from_utf8)
            && !name.is_empty()
        {
            self.intake.sink.metadata(Metadata { name, metric_type: kind.metric_type(), help, unit });
        }
        let mut fields = Fields::new(family);
        while let Some((number, value)) = fields.next()? {
            if number == 4 {
                self.metric(name, kind, value.bytes()?)?;
            }
        }
        Ok(())
    }

    fn metric(&mut self, family: &[u8], kind: Kind, message: &[u8]) -> Result<(), DecodeError> {
        let mut metric = Metric { family, message, timestamp: self.default_timestamp };
        let mut content = None;
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                2 | 3 | 4 | 5 | 7 => content = Some((number, value.bytes()?)),
                6 => match value.varint()? as i64 {
                    0 => {}
                    at => metric.timestamp = at,
                },
                _ => {}
            }
        }
        match content {
            Some((4, summary)) => self.summary(metric, summary),
            Some((7, histogram)) => self.histogram(metric, kind, histogram),
            Some((_, number)) => {
                let mut value = 0.0;
                let mut fields = Fields::new(number);
                while let Some((number, field)) = fields.next()? {
                    if number == 1 {
                        value = field.double()?;
                    }
                }
                self.float(metric, "", None, value)
            }
            None => Ok(()),
        }
    }

    fn summary(&mut self, metric: Metric<'_>, summary: &[u8]) -> Result<(), DecodeError> {
        let (mut count, mut sum) = (0, 0.0);
        let mut fields = Fields::new(summary);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => count = value.varint()?,
                2 => sum = value.double()?,
                3 => {
                    let (mut at, mut quantile) = (0.0, 0.0);
                    let mut fields = Fields::new(value.bytes()?);
                    while let Some((number, field)) = fields.next()? {
                        match number {
                            1 => at = field.double()?,
                            2 => quantile = field.double()?,
                            _ => {}
                        }
                    }
                    self.float(metric, "", Some(("quantile", &bound(at))), quantile)?;
                }
                _ => {}
            }
        }
        self.float(metric, "_sum", None, sum)?;
        self.float(metric, "_count", None, count as f64)
    }

    fn histogram(&mut self, metric: Metric<'_>, kind: Kind, message: &[u8]) -> Result<(), DecodeError> {
        let native = is_native(message)?;
        if native {
            self.native_histogram(metric, kind, message)?;
        }
        if native && !self.classic {
            return Ok(());
        }
        let (mut count, mut sum, mut has_last) = (0.0, 0.0, false);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => count = f64::max(count, value.varint()? as f64),
                4 => count = f64::max(count, value.double()?),
                2 => sum = value.double()?,
                3 => {
                    let (up_to, cumulative) = read_bucket(value.bytes()?)?;
                    has_last |= up_to == f64::INFINITY;
                    self.float(metric, "_bucket", Some(("le", &bound(up_to))), cumulative)?;
                }
                _ => {}
            }
        }
        if !has_last {
            self.float(metric, "_bucket", Some(("le", "+Inf")), count)?;
        }
        self.float(metric, "_sum", None, sum)?;
        self.float(metric, "_count", None, count)
    }

    fn native_histogram(
        &mut self,
        metric: Metric<'_>,
        kind: Kind,
        message: &[u8],
    ) -> Result<(), DecodeError> {
        let mut read = wire_histogram::read_exposed(message, self.limits)?;
        if kind == Kind::GaugeHistogram
            && let Ok(histogram) = &mut read.histogram
        {
            histogram.reset_hint = ResetHint::Gauge;
        }
        let raw = Raw { metric, suffix: "", extra: None, limits: self.limits };
        let mut current = self.intake.series(raw.key(&self.keys, &mut self.key)?, &raw);
        self.intake.histogram(&mut current, metric.timestamp, read.histogram)
    }

    fn float(
        &mut self,
        metric: Metric<'_>,
        suffix: &str,
        extra: Option<(&str, &str)>,
        value: f64,
    ) -> Result<(), DecodeError> {
        let raw = Raw { metric, suffix, extra, limits: self.limits };
        let mut current = self.intake.series(raw.key(&self.keys, &mut self.key)?, &raw);
        self.intake.float(&mut current, metric.timestamp, value)
    }
}

impl Kind {
    fn of(number: u64) -> Result<Self, DecodeError> {
        Ok(match number {
            0 => Self::Counter,
            1 => Self::Gauge,
            2 => Self::Summary,
            3 => Self::Untyped,
            4 => Self::Histogram,
            5 => Self::GaugeHistogram,
            _ => return Err(DecodeError::Malformed("a family of metrics has an unknown type")),
        })
    }

    fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Summary => MetricType::Summary,
            Self::Untyped => MetricType::Unknown,
            Self::Histogram => MetricType::Histogram,
            Self::GaugeHistogram => MetricType::GaugeHistogram,
        }
    }
}

/// A histogram is native when it has anything but classic buckets.
fn is_native(message: &[u8]) -> Result<bool, DecodeError> {
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        let native = match number {
            6 | 8 => value.double()? > 0.0,
            7 => value.varint()? > 0,
            9..=14 => true,
            _ => false,
        };
        if native {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Upper bound and cumulative count.
fn read_bucket(bucket: &[u8]) -> Result<(f64, f64), DecodeError> {
    let (mut up_to, mut count) = (0.0, 0.0);
    let mut fields = Fields::new(bucket);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => count = f64::max(count, value.varint()? as f64),
            2 => up_to = value.double()?,
            4 => count = f64::max(count, value.double()?),
            _ => {}
        }
    }
    Ok((up_to, count))
}

/// A bound as OpenMetrics writes it: a whole number has `.0`.
fn bound(value: f64) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    if value.is_finite() && !out.contains(['.', 'e']) {
        out.push_str(".0");
    }
    out
}

/// The labels of a series that a metric comes to.
struct Raw<'a> {
    metric: Metric<'a>,
    suffix: &'a str,
    extra: Option<(&'a str, &'a str)>,
    limits: &'a Limits,
}

impl Raw<'_> {
    fn key(&self, keys: &Keys, buffer: &mut Vec<u8>) -> Result<u128, DecodeError> {
        buffer.clear();
        let (name, value) = self.extra.unwrap_or(("", ""));
        for part in [self.metric.family, self.suffix.as_bytes(), name.as_bytes(), value.as_bytes()] {
            buffer.extend_from_slice(part);
            buffer.push(0xff);
        }
        let mut fields = Fields::new(self.metric.message);
        while let Some((number, value)) = fields.next()? {
            if number == 1 {
                let label = value.bytes()?;
                // with its length, so that two labels are never taken for another two
                buffer.extend_from_slice(&(label.len() as u64).to_le_bytes());
                buffer.extend_from_slice(label);
            }
        }
        Ok(keys.of(buffer))
    }
}

impl RawLabels for Raw<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        visit(b"__name__", &[self.metric.family, self.suffix.as_bytes()].concat());
        if let Some((name, value)) = self.extra {
            visit(name.as_bytes(), value.as_bytes());
        }
        let bad = |_| Refusal::MalformedLabels;
        let mut fields = Fields::new(self.metric.message);
        while let Some((number, value)) = fields.next().map_err(bad)? {
            if number == 1 {
                let Wire::Bytes(label) = value else { return Err(Refusal::MalformedLabels) };
                let (name, value) = super::remote_write_v1::read_label(label).map_err(bad)?;
                visit(name, value);
            }
        }
        Ok(())
    }

    fn limits(&self) -> &Limits {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{Histogram, Labels, varint};

    #[derive(Default)]
    struct Told(Vec<String>, Vec<Histogram>, Option<Labels>);

    impl Sink for Told {
        fn series(&mut self, _: u128, labels: &dyn RawLabels) -> Result<(), Refusal> {
            self.2 = Some(labels.parse()?);
            Ok(())
        }

        fn float(&mut self, timestamp: Timestamp, value: f64) -> Result<(), Refusal> {
            self.0.push(format!("{} {value} {timestamp}", self.2.as_ref().expect("a series")));
            Ok(())
        }

        fn histogram(&mut self, timestamp: Timestamp, histogram: Histogram) -> Result<(), Refusal> {
            self.0.push(format!("{} native {timestamp}", self.2.as_ref().expect("a series")));
            self.1.push(histogram);
            Ok(())
        }
    }

    fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        varint::put(&mut out, u64::from(number << 3 | 2));
        varint::put(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    }

    fn double(number: u32, value: f64) -> Vec<u8> {
        [&[(number << 3 | 1) as u8][..], &value.to_le_bytes()].concat()
    }

    fn whole(number: u32, value: u64) -> Vec<u8> {
        let mut out = vec![(number << 3) as u8];
        varint::put(&mut out, value);
        out
    }

    fn family(name: &str, kind: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
        let metrics: Vec<u8> = metrics.iter().flat_map(|m| field(4, m)).collect();
        let message = [field(1, name.as_bytes()), whole(3, kind), metrics].concat();
        let mut out = vec![];
        varint::put(&mut out, message.len() as u64);
        out.extend_from_slice(&message);
        out
    }

    fn told(body: &[u8], classic: bool) -> Result<Told, DecodeError> {
        let mut told = Told::default();
        exposition_proto(body, -1, classic, &Limits::default(), 7, &mut told)?;
        Ok(told)
    }

    fn label(name: &str, value: &str) -> Vec<u8> {
        field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
    }

    #[test]
    fn metrics_come_apart_into_the_series_of_the_text_format() {
        let counter = [label("a", "b"), field(3, &double(1, 4.5)), whole(6, 77)].concat();
        let quantile = field(3, &[double(1, 0.5), double(2, 9.0)].concat());
        let summary = field(4, &[whole(1, 3), double(2, 6.0), quantile].concat());
        let buckets = [(1.0, 2), (2.5, 5)].map(|(le, n)| field(3, &[whole(1, n), double(2, le)].concat()));
        let histogram = field(7, &[whole(1, 6), double(2, 8.0), buckets.concat()].concat());
        let body =
            [family("c", 0, &[counter]), family("s", 2, &[summary]), family("h", 4, &[histogram])].concat();
        assert_eq!(
            told(&body, false).expect("a good body").0,
            [
                "c{a=\"b\"} 4.5 77",
                "s{quantile=\"0.5\"} 9 -1",
                "s_sum 6 -1",
                "s_count 3 -1",
                "h_bucket{le=\"1.0\"} 2 -1",
                "h_bucket{le=\"2.5\"} 5 -1",
                "h_bucket{le=\"+Inf\"} 6 -1",
                "h_sum 8 -1",
                "h_count 6 -1",
            ]
        );
    }

    #[test]
    fn a_native_histogram_is_one_sample_and_its_classic_form_comes_when_it_is_wanted() {
        let span = field(12, &[whole(1, 2), whole(2, 2)].concat());
        let deltas = field(13, &[2, 2]);
        let content =
            [whole(1, 4), double(2, 5.5), whole(5, 6), double(6, 0.001), whole(7, 1), span, deltas].concat();
        let body = family("h", 4, &[field(7, &content)]);
        let native = told(&body, false).expect("a good body");
        assert_eq!(native.0, ["h native -1"]);
        let h = &native.1[0];
        assert_eq!((h.schema, h.count, h.sum, h.zero_count), (3, 4.0, 5.5, 1.0));
        assert_eq!((h.positive_spans[0].offset, h.positive_spans[0].length), (1, 2));
        assert_eq!(h.positive_buckets, [1.0, 2.0]);
        assert_eq!(told(&body, true).expect("a good body").0.len(), 4);
        let gauge = told(&family("h", 5, &[field(7, &content)]), false).expect("a good body");
        assert_eq!(gauge.1[0].reset_hint, ResetHint::Gauge);
    }

    #[test]
    fn a_body_that_is_cut_is_an_error_and_no_bytes_panic() {
        let body = family("c", 0, &[field(3, &double(1, 4.5))]);
        for end in 1..body.len() {
            assert!(told(&body[..end], false).is_err(), "cut at {end}");
        }
        for at in 0..body.len() {
            for bits in [0x80u8, 0xff, 1] {
                let mut bad = body.clone();
                bad[at] ^= bits;
                let _ = told(&bad, true);
            }
        }
    }
}
