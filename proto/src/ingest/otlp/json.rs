//! The JSON form of OTLP, written as the binary one: then there is one reader for both.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: keys in lowerCamelCase, numbers of 64 bits as strings
//! or numbers, enumerations as numbers. Keys as the .proto files have them and names of enumerations are taken as well.

use super::json_schema::{Field, Kind, request};
use crate::ingest::json_text::{Elements, members, number_of, text_of, unescape};
use crate::ingest::{DecodeError, Limits};
use plimsoll_model::varint;
use std::borrow::Cow;

type Result<T> = std::result::Result<T, DecodeError>;

/// Objects in one another. Eight lead to an attribute's value, the rest is for lists and maps within it.
const DEPTH: usize = 32;

/// The binary form of a request in JSON.
pub fn otlp_from_json(body: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let mut writer = Writer { out: Vec::with_capacity(body.len() / 2), most: limits.decoded_bytes };
    writer.message(body.trim_ascii(), request(), DEPTH)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    most: usize,
}

impl Writer {
    fn message(&mut self, object: &[u8], fields: &'static [Field], depth: usize) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(DecodeError::Malformed("objects are nested too deep"));
        };
        let mut failed = None;
        members(object, |key, value| {
            let key = unescape(key)?;
            let known = fields.iter().find(|(name, ..)| is(&key, name));
            if let (Some((_, number, kind)), None, false) = (known, &failed, value == b"null") {
                failed = self.field(value, *number, *kind, depth).err();
            }
            Ok(())
        })
        .map_err(DecodeError::Malformed)?;
        failed.map_or(Ok(()), Err)
    }

    /// A field, or several of them where the value is a list.
    fn field(&mut self, value: &[u8], number: u32, kind: Kind, depth: usize) -> Result<()> {
        if value.first() != Some(&b'[') {
            return self.one(value, number, kind, depth);
        }
        for item in Elements::of(value).map_err(DecodeError::Malformed)? {
            self.one(item.map_err(DecodeError::Malformed)?, number, kind, depth)?;
        }
        Ok(())
    }

    fn one(&mut self, value: &[u8], number: u32, kind: Kind, depth: usize) -> Result<()> {
        if self.out.len() > self.most {
            return Err(DecodeError::TooLarge { size: self.out.len() as u64, limit: self.most });
        }
        match kind {
            Kind::Message(fields) => {
                self.tag(number, 2);
                let start = self.out.len();
                self.message(value, fields(), depth)?;
                let mut length = Vec::with_capacity(4);
                varint::put(&mut length, (self.out.len() - start) as u64);
                self.out.splice(start..start, length);
            }
            Kind::Text => self.sized(number, &text_of(value).map_err(DecodeError::Malformed)?),
            Kind::Base64 => {
                let text = text_of(value).map_err(DecodeError::Malformed)?;
                self.sized(number, &from_base64(&text)?);
            }
            Kind::Bool => {
                let on = match value {
                    b"true" => 1,
                    b"false" => 0,
                    _ => return Err(DecodeError::Malformed("true or false is expected")),
                };
                self.whole(number, on);
            }
            Kind::Whole => self.whole(number, whole_of(value)?),
            Kind::Signed => self.whole(number, varint::zigzag(whole_of(value)? as i64)),
            Kind::Temporality => self.whole(number, temporality_of(value)?),
            Kind::Fixed => self.fixed(number, whole_of(value)?),
            Kind::Double => self.fixed(number, double_of(value)?.to_bits()),
        }
        Ok(())
    }

    fn tag(&mut self, number: u32, wire: u32) {
        varint::put(&mut self.out, u64::from(number << 3 | wire));
    }

    fn sized(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        varint::put(&mut self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    fn whole(&mut self, number: u32, value: u64) {
        self.tag(number, 0);
        varint::put(&mut self.out, value);
    }

    fn fixed(&mut self, number: u32, bits: u64) {
        self.tag(number, 1);
        self.out.extend_from_slice(&bits.to_le_bytes());
    }
}

/// Whether a key is this name, in lowerCamelCase or with underscores.
fn is(key: &[u8], name: &str) -> bool {
    key == name.as_bytes() || {
        let mut letters = key.iter().filter(|b| **b != b'_').map(u8::to_ascii_lowercase);
        key.contains(&b'_')
            && name.bytes().all(|b| letters.next() == Some(b.to_ascii_lowercase()))
            && letters.next().is_none()
    }
}

/// The text of a number, in quotes or not.
fn digits(value: &[u8]) -> Result<Cow<'_, [u8]>> {
    if value.first() == Some(&b'"') {
        return text_of(value).map_err(DecodeError::Malformed);
    }
    Ok(Cow::Borrowed(value))
}

/// A whole number of 64 bits, negative ones as their two's complement.
fn whole_of(value: &[u8]) -> Result<u64> {
    let digits = digits(value)?;
    let text = std::str::from_utf8(&digits).map_err(|_| WHOLE)?;
    if let Ok(n) = text.parse::<u64>() {
        return Ok(n);
    }
    if let Ok(n) = text.parse::<i64>() {
        return Ok(n as u64);
    }
    // 1e3, which JSON allows as well
    let v = number_of(&digits).map_err(|_| WHOLE)?;
    let fits = v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0;
    if fits { Ok(v as i64 as u64) } else { Err(WHOLE) }
}

const WHOLE: DecodeError = DecodeError::Malformed("a whole number of 64 bits is expected");

fn double_of(value: &[u8]) -> Result<f64> {
    match &*digits(value)? {
        b"NaN" => Ok(f64::NAN),
        b"Infinity" => Ok(f64::INFINITY),
        b"-Infinity" => Ok(f64::NEG_INFINITY),
        digits => number_of(digits).map_err(DecodeError::Malformed),
    }
}

fn temporality_of(value: &[u8]) -> Result<u64> {
    match &*digits(value)? {
        b"AGGREGATION_TEMPORALITY_DELTA" => Ok(1),
        b"AGGREGATION_TEMPORALITY_CUMULATIVE" => Ok(2),
        b"AGGREGATION_TEMPORALITY_UNSPECIFIED" => Ok(0),
        _ => whole_of(value),
    }
}

/// Undoes base64 of both alphabets, padded or not.
fn from_base64(text: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut n) = (0u32, 0);
    for b in text.iter().filter(|b| **b != b'=') {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return Err(DecodeError::Malformed("a bytes value is not base64")),
        };
        bits = bits << 6 | u32::from(six);
        n += 6;
        if n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opentelemetry as otel;
    use prost::Message as _;

    fn read(json: &str) -> Result<otel::ExportMetricsServiceRequest> {
        let bytes = otlp_from_json(json.as_bytes(), &Limits::default())?;
        Ok(otel::ExportMetricsServiceRequest::decode(&bytes[..]).expect("the writer writes protobuf"))
    }

    const SUM: &str = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a\u00e9"}},
        {"key":"list","value":{"arrayValue":{"values":[{"intValue":"-3"},{"bytesValue":"AQID"},{"boolValue":true}]}}}],"droppedAttributesCount":0},
        "scopeMetrics":[{"scope":{"name":"s","unknown":[1,{"x":null}]},"metrics":[{"name":"m","unit":"By","sum":{
        "aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA","isMonotonic":true,"dataPoints":[
        {"asInt":"-7","start_time_unix_nano":"1","timeUnixNano":1760000000000000000,"flags":1,"exemplars":[{"asDouble":1}]},
        {"asDouble":"Infinity"}, {"asDouble":1.5e3, "asInt": null}]}},
        {"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","scale":-1,
        "positive":{"offset":-2,"bucketCounts":["1",2]}}]}}]}]}]}"#;

    #[test]
    fn json_becomes_the_same_message() {
        let request = read(SUM).expect("sound JSON");
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let Some(otel::metric::Data::Sum(sum)) = &metrics[0].data else { panic!("a sum: {metrics:?}") };
        assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (1, true));
        use otel::number_data_point::Value;
        let values: Vec<_> = sum.data_points.iter().map(|p| p.value).collect();
        assert_eq!(
            values,
            vec![Some(Value::AsInt(-7)), Some(Value::AsDouble(f64::INFINITY)), Some(Value::AsDouble(1500.0))]
        );
        let first = &sum.data_points[0];
        assert_eq!((first.start_time_unix_nano, first.time_unix_nano), (1, 1_760_000_000_000_000_000));
        assert_eq!((first.flags, first.exemplars.len()), (1, 1));
        let Some(otel::metric::Data::ExponentialHistogram(e)) = &metrics[1].data else {
            panic!("{metrics:?}")
        };
        let point = &e.data_points[0];
        assert_eq!((point.count, point.scale), (3, -1));
        let positive = point.positive.as_ref().expect("buckets");
        assert_eq!((positive.offset, &positive.bucket_counts[..]), (-2, &[1, 2][..]));
        let attributes = &request.resource_metrics[0].resource.as_ref().expect("a resource").attributes;
        assert!(format!("{attributes:?}").contains("IntValue(-3)"), "{attributes:?}");
        assert!(format!("{attributes:?}").contains("[1, 2, 3]"), "{attributes:?}");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for json in [
            "",
            "[]",
            "{",
            r#"{"resourceMetrics":1}"#,
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":1}]}]}]}"#,
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"isMonotonic":"yes"}}]}]}]}"#,
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"dataPoints":[{"timeUnixNano":"x"}]}}]}]}]}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(read("{}").is_ok_and(|r| r.resource_metrics.is_empty()));
        let deep = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"k","value":{}1{}}}]}}}}]}}"#,
            r#"{"arrayValue":{"values":["#.repeat(1000),
            "]}}".repeat(1000)
        );
        assert_eq!(read(&deep), Err(DecodeError::Malformed("objects are nested too deep")));
    }

    #[test]
    fn what_grows_beyond_the_limit_is_cut_off() {
        let bounds = "1,".repeat(100_000);
        let json = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"histogram":{{"dataPoints":[{{"explicitBounds":[{}1]}}]}}}}]}}]}}]}}"#,
            bounds
        );
        let limits = Limits { decoded_bytes: 300_000, ..Limits::default() };
        assert!(matches!(otlp_from_json(json.as_bytes(), &limits), Err(DecodeError::TooLarge { .. })));
    }
}
