//! OTLP requests, written by the generated messages of the public protocol. What real SDKs write is in the journeys.

use crate::http::{Answer, Broken, Http};
pub use plimsoll_proto::opentelemetry::*;
use prost::Message;

/// Where OTLP's metrics go.
pub const PATH: &str = "/v1/metrics";

/// The headers of a binary request.
pub const HEADERS: [(&str, &str); 1] = [("Content-Type", "application/x-protobuf")];

/// Delta or cumulative.
pub use AggregationTemporality::{Cumulative, Delta};

/// From when to when, in nanoseconds since the epoch.
pub type Times = (u64, u64);

/// A text attribute.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value) }
}

/// A point of a counter.
pub fn whole(value: i64, (start, end): Times, attributes: &[(&str, &str)]) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: end,
        value: Some(number_data_point::Value::AsInt(value)),
        attributes: attributes.iter().map(|(key, value)| attribute(key, value)).collect(),
        ..Default::default()
    }
}

/// A counter.
pub fn counter(name: &str, temporality: AggregationTemporality, points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points: points, aggregation_temporality: temporality.into(), is_monotonic: true };
    metric(name, metric::Data::Sum(sum))
}

/// A histogram with bounds, of one point.
pub fn histogram(
    name: &str,
    temporality: AggregationTemporality,
    (start, end): Times,
    counts: &[u64],
    bounds: &[f64],
) -> Metric {
    let point = HistogramDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: end,
        count: counts.iter().sum(),
        sum: Some(counts.iter().sum::<u64>() as f64),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..Default::default()
    };
    let data = Histogram { data_points: vec![point], aggregation_temporality: temporality.into() };
    metric(name, metric::Data::Histogram(data))
}

/// An exponential histogram of one point, with buckets from `offset` on.
pub fn exponential(
    name: &str,
    temporality: AggregationTemporality,
    (start, end): Times,
    offset: i32,
    counts: &[u64],
) -> Metric {
    let positive = exponential_histogram_data_point::Buckets { offset, bucket_counts: counts.to_vec() };
    let point = ExponentialHistogramDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: end,
        count: counts.iter().sum(),
        sum: Some(counts.iter().sum::<u64>() as f64),
        scale: 3,
        positive: Some(positive),
        ..Default::default()
    };
    let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: temporality.into() };
    metric(name, metric::Data::ExponentialHistogram(data))
}

/// A metric.
pub fn metric(name: &str, data: metric::Data) -> Metric {
    Metric { name: name.to_owned(), data: Some(data), ..Default::default() }
}

/// A request of one resource.
pub fn request(resource: &[(&str, &str)], metrics: Vec<Metric>) -> Vec<u8> {
    let attributes = resource.iter().map(|(key, value)| attribute(key, value)).collect();
    let resource = Resource { attributes, ..Default::default() };
    let scopes = vec![ScopeMetrics { metrics, ..Default::default() }];
    let of_resource =
        ResourceMetrics { resource: Some(resource), scope_metrics: scopes, ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }.encode_to_vec()
}

/// Sends a binary request.
pub fn send(http: &Http, body: &[u8]) -> Result<Answer, Broken> {
    http.post(PATH, &HEADERS, body)
}

/// What a binary answer says was rejected, and why.
pub fn rejected(answer: &Answer) -> (i64, String) {
    let read = ExportMetricsServiceResponse::decode(&answer.body[..]);
    let read = read.unwrap_or_else(|e| panic!("not an answer of OTLP ({e}): {}", answer.text()));
    read.partial_success.map_or((0, String::new()), |p| (p.rejected_data_points, p.error_message))
}
