//! What queries answer: the Prometheus API's JSON as types.

use plimsoll_model::{Labels, Timestamp};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The answer of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The values.
    pub data: Data,
    /// What makes the values less than whole (missing shards, cut lists).
    pub warnings: Vec<String>,
    /// Remarks about the expression.
    pub infos: Vec<String>,
}

/// The four shapes of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A number without labels.
    Scalar(Timestamp, f64),
    /// A text.
    String(Timestamp, String),
    /// One value a series.
    Vector(Vec<InstantSeries>),
    /// Values over time.
    Matrix(Vec<RangeSeries>),
}

/// A series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantSeries {
    /// Its labels.
    pub labels: Labels,
    /// When.
    pub timestamp: Timestamp,
    /// The value.
    pub value: Value,
}

/// A series over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RangeSeries {
    /// Its labels.
    pub labels: Labels,
    /// Float values in time order.
    pub floats: Vec<(Timestamp, f64)>,
    /// Native histograms in time order.
    pub histograms: Vec<(Timestamp, HistogramValue)>,
}

/// A value of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(HistogramValue),
}

/// A native histogram as the API shows it: its buckets with their bounds worked out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramValue {
    /// All observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The buckets that hold something, from the lowest.
    pub buckets: Vec<Bucket>,
}

/// A bucket of a [`HistogramValue`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Which bounds belong to it: 0 upper, 1 lower, 2 none, 3 both.
    pub bounds: u8,
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
    /// Observations in it.
    pub count: f64,
}

impl Data {
    /// Series in the answer; a scalar or a string counts as one.
    pub fn len(&self) -> usize {
        match self {
            Self::Scalar(..) | Self::String(..) => 1,
            Self::Vector(v) => v.len(),
            Self::Matrix(m) => m.len(),
        }
    }

    /// Whether no series answered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The envelope of every answer of the API.
#[derive(serde::Deserialize)]
pub(crate) struct Envelope<T> {
    pub data: T,
    #[serde(default)]
    pub warnings: Vec<String>,
    #[serde(default)]
    pub infos: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum WireData {
    Scalar(WirePoint<Number>),
    String(WirePoint<String>),
    Vector(Vec<WireInstant>),
    Matrix(Vec<WireRange>),
}

#[derive(serde::Deserialize)]
struct WireInstant {
    #[serde(default)]
    metric: WireLabels,
    value: Option<WirePoint<Number>>,
    histogram: Option<WirePoint<WireHistogram>>,
}

#[derive(serde::Deserialize)]
struct WireRange {
    #[serde(default)]
    metric: WireLabels,
    #[serde(default)]
    values: Vec<WirePoint<Number>>,
    #[serde(default)]
    histograms: Vec<WirePoint<WireHistogram>>,
}

#[derive(serde::Deserialize)]
struct WirePoint<T>(Seconds, T);

#[derive(serde::Deserialize)]
struct WireHistogram {
    count: Number,
    sum: Number,
    #[serde(default)]
    buckets: Vec<(u8, Number, Number, Number)>,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match WireData::deserialize(d)? {
            WireData::Scalar(WirePoint(at, v)) => Self::Scalar(at.0, v.0),
            WireData::String(WirePoint(at, v)) => Self::String(at.0, v),
            WireData::Vector(all) => {
                let all: Result<_, _> = all.into_iter().map(InstantSeries::try_from).collect();
                Self::Vector(all.map_err(de::Error::custom)?)
            }
            WireData::Matrix(all) => Self::Matrix(all.into_iter().map(RangeSeries::from).collect()),
        })
    }
}

impl TryFrom<WireInstant> for InstantSeries {
    type Error = &'static str;

    fn try_from(wire: WireInstant) -> Result<Self, Self::Error> {
        let labels = wire.metric.0;
        match (wire.value, wire.histogram) {
            (Some(WirePoint(at, v)), _) => Ok(Self { labels, timestamp: at.0, value: Value::Float(v.0) }),
            (None, Some(WirePoint(at, h))) => {
                Ok(Self { labels, timestamp: at.0, value: Value::Histogram(h.into()) })
            }
            (None, None) => Err("a series of a vector has neither value nor histogram"),
        }
    }
}

impl From<WireRange> for RangeSeries {
    fn from(wire: WireRange) -> Self {
        Self {
            labels: wire.metric.0,
            floats: wire.values.into_iter().map(|WirePoint(at, v)| (at.0, v.0)).collect(),
            histograms: wire.histograms.into_iter().map(|WirePoint(at, h)| (at.0, h.into())).collect(),
        }
    }
}

impl From<WireHistogram> for HistogramValue {
    fn from(wire: WireHistogram) -> Self {
        let bucket = |(bounds, lower, upper, count): (u8, Number, Number, Number)| Bucket {
            bounds,
            lower: lower.0,
            upper: upper.0,
            count: count.0,
        };
        Self { count: wire.count.0, sum: wire.sum.0, buckets: wire.buckets.into_iter().map(bucket).collect() }
    }
}

/// A set of labels as a JSON object.
#[derive(Default)]
pub(crate) struct WireLabels(pub Labels);

impl<'de> Deserialize<'de> for WireLabels {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = WireLabels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of label names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireLabels, A::Error> {
                let mut labels = plimsoll_model::LabelsBuilder::default();
                while let Some((name, value)) =
                    map.next_entry::<std::borrow::Cow<'de, str>, std::borrow::Cow<'de, str>>()?
                {
                    labels.push(&name, &value);
                }
                labels.finish().map(WireLabels).map_err(de::Error::custom)
            }
        }
        d.deserialize_map(Pairs)
    }
}

/// Seconds with a fraction, kept as milliseconds.
struct Seconds(Timestamp);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // `as` saturates: a clock beyond i64 milliseconds is shown as the end of time.
        f64::deserialize(d).map(|s| Self((s * 1000.0).round() as Timestamp))
    }
}

/// A number as the API writes it: text, so that NaN and the infinities have a form. Tolerates a bare number.
pub(crate) struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text")
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<Number, E> {
                // Rust reads "NaN", "+Inf" and "-Inf" as Prometheus writes them.
                v.parse().map(Number).map_err(|_| E::custom(format_args!("{v:?} is not a number")))
            }

            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Number, E> {
                Ok(Number(v))
            }

            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }

            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Number, A::Error> {
                Err(de::Error::custom("a list stands where a number belongs"))
            }
        }
        d.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Data {
        serde_json::from_str::<Envelope<Data>>(json).expect(json).data
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).expect("labels")
    }

    #[test]
    fn a_scalar_and_a_string_are_read() {
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#;
        assert_eq!(read(scalar), Data::Scalar(4000, 2.0));
        let text = r#"{"data":{"resultType":"string","result":[1.5,"hi"]}}"#;
        assert_eq!(read(text), Data::String(1500, "hi".into()));
    }

    #[test]
    fn a_vector_with_infinities_and_histograms_is_read() {
        let json = r#"{"data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","job":"\u00e9\n"},"value":[1700000000.123,"+Inf"]},
            {"metric":{},"histogram":[1,{"count":"3","sum":"4.5","buckets":[[3,"-1","1","1"],[0,"1","2","2"]]}]}
        ]}}"#;
        let Data::Vector(all) = read(json) else { panic!("not a vector") };
        assert_eq!(all[0].labels, labels(&[("__name__", "up"), ("job", "é\n")]));
        assert_eq!((all[0].timestamp, &all[0].value), (1_700_000_000_123, &Value::Float(f64::INFINITY)));
        let Value::Histogram(h) = &all[1].value else { panic!("not a histogram") };
        assert_eq!((h.count, h.sum, h.buckets.len()), (3.0, 4.5, 2));
        assert_eq!(h.buckets[1], Bucket { bounds: 0, lower: 1.0, upper: 2.0, count: 2.0 });
    }

    #[test]
    fn a_matrix_with_nan_is_read() {
        let json = r#"{"data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"NaN"],[2,"1e-3"]]}]},
            "warnings":["w"]}"#;
        let Data::Matrix(all) = read(json) else { panic!("not a matrix") };
        assert!(all[0].floats[0].1.is_nan());
        assert_eq!(all[0].floats[1], (2000, 0.001));
    }

    #[test]
    fn other_shapes_are_refused_with_a_reason() {
        for json in [
            r#"{"data":{"resultType":"cube","result":[]}}"#,
            r#"{"data":{"resultType":"scalar","result":[1,"x"]}}"#,
            r#"{"data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
            r#"{"data":{"resultType":"vector","result":[{"metric":{"":"x"},"value":[1,"1"]}]}}"#,
            r#"[]"#,
        ] {
            assert!(serde_json::from_str::<Envelope<Data>>(json).is_err(), "{json}");
        }
    }
}
