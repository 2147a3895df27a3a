//! The bytes of messages are frozen: a change of a field's number or type breaks old clients.

use plimsoll_proto::prometheus::{v1 as prw1, v2 as prw2};
use plimsoll_proto::v1;
use prost::Message;

fn hex(message: &impl Message) -> String {
    message.encode_to_vec().iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_write_over_grpc_has_these_bytes() {
    let histogram = v1::Histogram {
        reset_hint: v1::histogram::ResetHint::Gauge.into(),
        schema: -1,
        zero_threshold: 0.5,
        zero_count: 1.0,
        count: 2.0,
        sum: 3.0,
        positive_spans: vec![v1::BucketSpan { offset: -2, length: 1 }],
        negative_spans: vec![v1::BucketSpan { offset: 2, length: 1 }],
        positive_buckets: vec![1.0],
        negative_buckets: vec![2.0],
        custom_values: vec![4.0],
    };
    let request = v1::WriteRequest {
        series: vec![v1::Series {
            labels: vec![v1::Label { name: "a".into(), value: "b".into() }],
            timestamps: vec![-1, 300],
            values: vec![1.0, -0.0],
            histograms: vec![v1::HistogramSample { timestamp: 7, histogram: Some(histogram) }],
        }],
        metadata: vec![v1::Metadata {
            metric_name: "m".into(),
            r#type: v1::metadata::Type::StateSet.into(),
            help: "h".into(),
            unit: "u".into(),
        }],
    };
    assert_eq!(
        hex(&request),
        concat!(
            "0a770a060a0161120162120301d8041a10000000000000f03f00000000000000802256080e1252080310011900",
            "0000000000e03f21000000000000f03f2900000000000000403100000000000008403a04080310014204080410",
            "014a08000000000000f03f520800000000000000405a080000000000001040120b0a016d10071a0168220175",
        )
    );
}

#[test]
fn a_range_query_over_grpc_has_these_bytes() {
    let request = v1::QueryRangeRequest {
        query: "up".into(),
        start: 1000,
        end: 2000,
        step_ms: 15,
        lookback_ms: Some(0),
        limits: Some(v1::Limits { timeout_ms: 1, max_samples: 2, max_series: 3, allow_partial: true }),
    };
    assert_eq!(hex(&request), "0a02757010d00f18a01f200f280032080801100218032001");
}

#[test]
fn remote_write_has_the_bytes_of_its_specification() {
    let label = prw1::Label { name: "a".into(), value: "b".into() };
    let one = prw1::WriteRequest {
        timeseries: vec![prw1::TimeSeries {
            labels: vec![label.clone()],
            samples: vec![prw1::Sample { value: 1.0, timestamp: 300 }],
            exemplars: vec![prw1::Exemplar { labels: vec![label], value: 2.0, timestamp: 1 }],
            histograms: vec![prw1::Histogram {
                count: Some(prw1::histogram::Count::CountInt(1)),
                timestamp: 5,
                ..Default::default()
            }],
        }],
        metadata: vec![],
    };
    assert_eq!(
        hex(&one),
        concat!(
            "0a310a060a0161120162120c09000000000000f03f10ac021a130a060a01611201621100000000000000401801",
            "220408017805",
        )
    );
    let two = prw2::Request {
        symbols: vec!["".into(), "a".into()],
        timeseries: vec![prw2::TimeSeries {
            labels_refs: vec![1, 1],
            samples: vec![prw2::Sample { value: 1.0, timestamp: 300, start_timestamp: 2 }],
            metadata: Some(prw2::Metadata { r#type: 2, help_ref: 1, unit_ref: 1 }),
            ..Default::default()
        }],
    };
    assert_eq!(hex(&two), "22002201612a1c0a020101120e09000000000000f03f10ac0218022a06080218012001");
}
