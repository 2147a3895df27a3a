//! Writes a first corpus for the targets, so that a fuzzer does not have to invent protobuf.

use plimsoll_model::{BatchBuilder, Histogram, Labels, SeriesRef, Target};
use plimsoll_proto::opentelemetry as otel;
use plimsoll_proto::prometheus::{v1, v2};
use plimsoll_proto::v1 as own;
use prost::Message;
use std::io::Result;
use std::path::Path;

fn main() -> Result<()> {
    let one = request_v1().encode_to_vec();
    let two = request_v2().encode_to_vec();
    put("remote_write_v1", &[&one])?;
    put("remote_write_v2", &[&two])?;
    let compress = |m: &[u8]| snap::raw::Encoder::new().compress_vec(m).expect("short enough");
    put("snappy", &[&compress(&one), &compress(&two)])?;
    put("native", &[&own_request().encode_to_vec()])?;
    put("text", &[b"# HELP a b\n# TYPE a counter\na{b=\"c\\n\",\"d.e\"=\"f\"} 1.5 7 # {} 1\n{\"odd\"} NaN\n"])?;
    put(
        "json_lines",
        &[br#"{"metric":{"__name__":"a","b":"\u00e9"},"values":[1,null,"Infinity"],"timestamps":[1,2,3],"histograms":[{"timestamp":1,"schema":0,"positive_spans":[[0,1]],"positive_buckets":[1]}]}"#],
    )?;
    put("gzip", &[b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"])?;
    put("otlp", &[&otlp().encode_to_vec()])?;
    put(
        "otlp_json",
        &[br#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeMetrics":[{"scope":{"name":"s"},"metrics":[{"name":"m","unit":"s","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"asInt":"3","startTimeUnixNano":"1","timeUnixNano":"2","attributes":[{"key":"k","value":{"arrayValue":{"values":[{"doubleValue":0.5}]}}}]}]}},{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"3","scale":12,"positive":{"offset":-2,"bucketCounts":["1",2]}}]}}]}]}]}"#],
    )?;
    put("labels", &[labels().as_bytes(), b"U__a_2E_b__c"])?;
    put("batch", &[&batch()])?;
    put(
        "promql",
        &[
            b"sum by (a) (rate(http_requests_total{code=~\"5..\",a!=\"b\"}[5m] offset 1m)) / on (a) group_left x > bool 2",
            b"histogram_quantile(0.9, sum without (le) (a_bucket)) and max_over_time(b[1h:5m] @ end()) or -1 ^ Inf",
            b"label_replace({\"odd.name\", \"x.y\"=\"z\"}, \"d\", \"$1\", \"s\", '(.*)') unless topk(3, a) # comment",
        ],
    )
}

fn put(target: &str, seeds: &[&[u8]]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    for (i, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i}")), seed)?;
    }
    Ok(())
}

fn labels() -> Labels {
    Labels::from_pairs([("__name__", "m"), ("job", "é")]).expect("valid labels")
}

fn request_v1() -> v1::WriteRequest {
    let label = |n: &str, v: &str| v1::Label { name: n.into(), value: v.into() };
    let series = v1::TimeSeries {
        labels: vec![label("__name__", "m"), label("job", "x")],
        samples: vec![v1::Sample { value: 1.5, timestamp: 1_760_000_000_000 }],
        exemplars: vec![v1::Exemplar { labels: vec![label("t", "1")], value: 1.0, timestamp: 2 }],
        histograms: vec![v1::Histogram {
            count: Some(v1::histogram::Count::CountInt(3)),
            positive_spans: vec![v1::BucketSpan { offset: -1, length: 2 }],
            positive_deltas: vec![1, 1],
            timestamp: 3,
            ..Default::default()
        }],
    };
    let plain = v1::TimeSeries { exemplars: vec![], histograms: vec![], ..series.clone() };
    let metadata = v1::MetricMetadata { r#type: 1, metric_family_name: "m".into(), help: "h".into(), unit: "s".into() };
    v1::WriteRequest { timeseries: vec![plain, series], metadata: vec![metadata] }
}

fn request_v2() -> v2::Request {
    let symbols = ["", "__name__", "m", "job", "x", "h"].map(str::to_owned).to_vec();
    let series = v2::TimeSeries {
        labels_refs: vec![1, 2, 3, 4],
        samples: vec![v2::Sample { value: 1.5, timestamp: 1_760_000_000_000, start_timestamp: 5 }],
        histograms: vec![v2::Histogram {
            count: Some(v2::histogram::Count::CountFloat(3.0)),
            positive_spans: vec![v2::BucketSpan { offset: 0, length: 2 }],
            positive_counts: vec![1.0, 2.0],
            timestamp: 3,
            ..Default::default()
        }],
        exemplars: vec![v2::Exemplar { labels_refs: vec![3, 4], value: 1.0, timestamp: 2 }],
        metadata: Some(v2::Metadata { r#type: 1, help_ref: 5, unit_ref: 0 }),
        created_timestamp: 4,
    };
    v2::Request { symbols, timeseries: vec![series] }
}

fn own_request() -> own::WriteRequest {
    let h = Histogram { count: 1.0, zero_count: 1.0, ..Histogram::default() };
    let series = own::Series {
        labels: vec![own::Label { name: "__name__".into(), value: "m".into() }],
        timestamps: vec![1, 2],
        values: vec![1.0, 2.0],
        histograms: vec![own::HistogramSample { timestamp: 1, histogram: Some(own::Histogram::from(&h)) }],
    };
    own::WriteRequest { series: vec![series], metadata: vec![] }
}

fn otlp() -> otel::ExportMetricsServiceRequest {
    let attribute = |key: &str| otel::KeyValue {
        key: key.into(),
        value: Some(otel::AnyValue { value: Some(otel::any_value::Value::StringValue("x".into())) }),
    };
    let number = otel::NumberDataPoint {
        attributes: vec![attribute("a.b")],
        start_time_unix_nano: 1,
        time_unix_nano: 1_760_000_000_000_000_000,
        value: Some(otel::number_data_point::Value::AsInt(7)),
        ..Default::default()
    };
    let buckets = otel::HistogramDataPoint {
        time_unix_nano: 1_760_000_000_000_000_000,
        count: 3,
        sum: Some(1.0),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![0.5],
        ..Default::default()
    };
    let metric = |name: &str, data| otel::Metric { name: name.into(), unit: "s".into(), data: Some(data), ..Default::default() };
    let metrics = vec![
        metric("c", otel::metric::Data::Sum(otel::Sum { data_points: vec![number], aggregation_temporality: 1, is_monotonic: true })),
        metric("h", otel::metric::Data::Histogram(otel::Histogram { data_points: vec![buckets], aggregation_temporality: 1 })),
    ];
    let resource = otel::Resource { attributes: vec![attribute("service.name"), attribute("host.name")], ..Default::default() };
    let scopes = vec![otel::ScopeMetrics { metrics, ..Default::default() }];
    otel::ExportMetricsServiceRequest {
        resource_metrics: vec![otel::ResourceMetrics { resource: Some(resource), scope_metrics: scopes, ..Default::default() }],
    }
}

fn batch() -> Vec<u8> {
    let mut b = BatchBuilder::default();
    let d = b.define(&labels());
    b.float(Target::Defined(d), 1000, 1.5);
    b.float(Target::Known(SeriesRef(7)), 2000, -0.0);
    b.histogram(Target::Known(SeriesRef(7)), 5, &Histogram::default());
    b.finish()
}
