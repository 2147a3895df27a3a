//! OTLP: what becomes of every kind of data point.

mod support;

use plimsoll_model::{Increase, Interval};
use plimsoll_proto::ingest::{self, DecodeError, Decoded, Limits, Naming, OtlpOptions, Scratch};
use plimsoll_proto::opentelemetry::metric::Data;
use plimsoll_proto::opentelemetry::*;
use prost::Message;
use support::{Collect, refusals, small_limits};

const START: u64 = 1_760_000_000_000_000_000;
const END: u64 = START + 60_000_000_000;
const END_MS: i64 = 1_760_000_060_000;

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value) }
}

fn request(resource: &[(&str, &str)], metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let attributes = resource.iter().map(|(k, v)| attribute(k, v)).collect();
    let scope = InstrumentationScope {
        name: "lib".into(),
        version: "1".into(),
        attributes: vec![attribute("kind.of", "x")],
        ..Default::default()
    };
    let scope_metrics = ScopeMetrics { scope: Some(scope), metrics, schema_url: "https://x/1".into() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_metrics: vec![scope_metrics],
            ..Default::default()
        }],
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.into(), description: "Help.".into(), unit: unit.into(), data: Some(data) }
}

fn number(value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: START,
        time_unix_nano: END,
        value: Some(number_data_point::Value::AsDouble(value)),
        attributes,
        ..Default::default()
    }
}

fn sum(points: Vec<NumberDataPoint>, temporality: AggregationTemporality) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: temporality.into(), is_monotonic: true })
}

fn decode(request: &ExportMetricsServiceRequest, options: &OtlpOptions, sink: &mut Collect) -> Decoded {
    let (limits, mut scratch) = (Limits::default(), Scratch::default());
    let bytes = request.encode_to_vec();
    ingest::otlp_message(&bytes, options, &limits, 7, &mut scratch, sink).expect("a sound request")
}

fn collect(request: &ExportMetricsServiceRequest) -> (Collect, Decoded) {
    let mut sink = Collect::default();
    let decoded = decode(request, &OtlpOptions::default(), &mut sink);
    (sink, decoded)
}

#[test]
fn gauges_and_sums_become_series_with_job_instance_and_target_info() {
    let resource = [
        ("service.name", "api"),
        ("service.namespace", "shop"),
        ("service.instance.id", "i-1"),
        ("host.name", "h"),
    ];
    let points = vec![number(1.5, vec![attribute("http.method", "GET"), attribute("empty", "")])];
    let whole = NumberDataPoint { value: Some(number_data_point::Value::AsInt(-7)), ..number(0.0, vec![]) };
    let metrics = vec![
        metric("queue.length", "{item}", Data::Gauge(Gauge { data_points: vec![whole] })),
        metric("http.requests", "{request}", sum(points, AggregationTemporality::Cumulative)),
    ];
    let (sink, decoded) = collect(&request(&resource, metrics));
    assert_eq!(
        sink.floats_as_text(),
        [
            format!("queue_length{{instance=\"i-1\", job=\"shop/api\"}} -7 {END_MS}"),
            format!(
                "http_requests_total{{http_method=\"GET\", instance=\"i-1\", job=\"shop/api\"}} 1.5 {END_MS}"
            ),
            format!("target_info{{host_name=\"h\", instance=\"i-1\", job=\"shop/api\"}} 1 {END_MS}"),
        ]
    );
    assert_eq!(
        sink.metadata,
        [r#"queue_length gauge "Help." """#, r#"http_requests_total counter "Help." """#]
    );
    assert_eq!((decoded.points, decoded.refused_points, decoded.floats), (2, 0, 3));
}

#[test]
fn settings_promote_resource_attributes_and_scopes_and_leave_names_alone() {
    let resource = [("service.name", "api"), ("k8s.cluster.name", "c1"), ("host.name", "h")];
    let points = vec![number(1.0, vec![attribute("host.name", "own")])];
    let metrics = vec![metric("http.requests", "s", sum(points, AggregationTemporality::Cumulative))];
    let options = OtlpOptions {
        naming: Naming::Untouched,
        promote: vec!["k8s.cluster.name".into(), "host.name".into()],
        scope_labels: true,
        target_info: false,
        ..OtlpOptions::default()
    };
    let mut sink = Collect::default();
    decode(&request(&resource, metrics), &options, &mut sink);
    assert_eq!(sink.known.len(), 1);
    let labels = sink.known.values().next().expect("one");
    let labels: Vec<_> = labels.iter().collect();
    assert_eq!(
        labels,
        [
            ("__name__", "http.requests"),
            ("host.name", "own"),
            ("job", "api"),
            ("k8s.cluster.name", "c1"),
            ("otel_scope_kind.of", "x"),
            ("otel_scope_name", "lib"),
            ("otel_scope_schema_url", "https://x/1"),
            ("otel_scope_version", "1"),
        ]
    );
}

fn histogram(temporality: AggregationTemporality) -> Data {
    Data::Histogram(Histogram {
        data_points: vec![HistogramDataPoint {
            start_time_unix_nano: START,
            time_unix_nano: END,
            count: 6,
            sum: Some(4.5),
            bucket_counts: vec![1, 2, 3],
            explicit_bounds: vec![0.005, 5.0],
            ..Default::default()
        }],
        aggregation_temporality: temporality.into(),
    })
}

#[test]
fn a_histogram_becomes_its_classic_series() {
    let data = histogram(AggregationTemporality::Cumulative);
    let (sink, decoded) = collect(&request(&[], vec![metric("d", "s", data)]));
    assert_eq!(
        sink.floats_as_text(),
        [
            format!("d_seconds_count 6 {END_MS}"),
            format!("d_seconds_sum 4.5 {END_MS}"),
            format!("d_seconds_bucket{{le=\"0.005\"}} 1 {END_MS}"),
            format!("d_seconds_bucket{{le=\"5\"}} 3 {END_MS}"),
            format!("d_seconds_bucket{{le=\"+Inf\"}} 6 {END_MS}"),
        ]
    );
    assert_eq!(
        (decoded.points, sink.metadata),
        (1, vec![r#"d_seconds histogram "Help." "seconds""#.to_owned()])
    );
}

#[test]
fn a_delta_keeps_its_interval_and_a_histogram_is_one_point_with_the_count_first() {
    let counter = sum(vec![number(3.0, vec![])], AggregationTemporality::Delta);
    let metrics = vec![metric("c", "", counter), metric("d", "", histogram(AggregationTemporality::Delta))];
    let (sink, decoded) = collect(&request(&[], metrics));
    let seen: Vec<_> = sink
        .increases
        .iter()
        .map(|(series, _, increase, leads)| match increase {
            Increase::Float(v) => format!("{series} {v} {leads}"),
            Increase::Histogram(_) => unreachable!("none was sent"),
        })
        .collect();
    assert_eq!(
        seen,
        [
            "c_total 3 true",
            "d_count 6 true",
            "d_sum 4.5 false",
            "d_bucket{le=\"0.005\"} 1 false",
            "d_bucket{le=\"5\"} 3 false",
            "d_bucket{le=\"+Inf\"} 6 false",
        ]
    );
    let interval = Interval { start_ns: START as i64, end_ns: END as i64 };
    assert!(sink.increases.iter().all(|(_, i, ..)| *i == interval));
    assert_eq!((decoded.points, decoded.floats, sink.floats.len()), (2, 6, 0));

    let off = OtlpOptions { delta: false, ..OtlpOptions::default() };
    let metrics = vec![metric("d", "", histogram(AggregationTemporality::Delta))];
    let mut sink = Collect::default();
    let decoded = decode(&request(&[], metrics), &off, &mut sink);
    assert_eq!((refusals(&decoded), decoded.refused_points), (vec![("delta_off", 1)], 1));
}

#[test]
fn exponential_histograms_become_native_ones_and_fine_scales_are_made_coarser() {
    use exponential_histogram_data_point::Buckets;
    let point = |scale: i32| ExponentialHistogramDataPoint {
        start_time_unix_nano: START,
        time_unix_nano: END,
        count: 21,
        sum: Some(9.0),
        scale,
        zero_count: 1,
        positive: Some(Buckets { offset: -1, bucket_counts: vec![2, 3, 0, 0, 0, 4] }),
        negative: Some(Buckets { offset: 5, bucket_counts: vec![11] }),
        ..Default::default()
    };
    let data = |points| {
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        })
    };
    let (sink, decoded) =
        collect(&request(&[], vec![metric("e", "", data(vec![point(3), point(10), point(-5)]))]));
    let of = |i: usize| {
        let h = &sink.histograms[i].2;
        let spans = |s: &[plimsoll_model::Span]| s.iter().map(|s| (s.offset, s.length)).collect::<Vec<_>>();
        (h.schema, spans(&h.positive_spans), h.positive_buckets.clone(), spans(&h.negative_spans))
    };
    // (base^-1, 1] is bucket 0 here, and so on
    assert_eq!(of(0), (3, vec![(0, 2), (3, 1)], vec![2.0, 3.0, 4.0], vec![(6, 1)]));
    // four of scale 10 are one of scale 8: indexes -1 0 4 become -1 0 1, each named by its end
    assert_eq!(of(1), (8, vec![(0, 3)], vec![2.0, 3.0, 4.0], vec![(2, 1)]));
    assert_eq!(sink.histograms[0].2.count, 21.0);
    assert_eq!((refusals(&decoded), decoded.refused_points), (vec![("bad_histogram", 1)], 1));
}

#[test]
fn summaries_and_gaps() {
    use summary_data_point::ValueAtQuantile;
    let point = SummaryDataPoint {
        time_unix_nano: END,
        count: 2,
        sum: 3.0,
        quantile_values: vec![ValueAtQuantile { quantile: 0.99, value: 2.0 }],
        ..Default::default()
    };
    let gap = NumberDataPoint { value: None, flags: 1, ..number(0.0, vec![]) };
    let metrics = vec![
        metric("s", "", Data::Summary(Summary { data_points: vec![point] })),
        metric("g", "", Data::Gauge(Gauge { data_points: vec![gap] })),
    ];
    let (sink, _) = collect(&request(&[], metrics));
    let text = sink.floats_as_text();
    assert_eq!(
        text[..3],
        [
            format!("s_count 2 {END_MS}"),
            format!("s_sum 3 {END_MS}"),
            format!("s{{quantile=\"0.99\"}} 2 {END_MS}")
        ]
    );
    assert_eq!(sink.floats[3].2, plimsoll_model::STALE_NAN_BITS);
}

#[test]
fn a_point_that_contradicts_itself_is_refused_and_the_rest_is_taken() {
    let none = NumberDataPoint { value: None, ..number(0.0, vec![]) };
    let backwards = NumberDataPoint { start_time_unix_nano: END + 1, ..number(1.0, vec![]) };
    let delta = vec![number(-1.0, vec![]), number(f64::NAN, vec![]), backwards, number(1.0, vec![])];
    let mut uneven =
        HistogramDataPoint { bucket_counts: vec![1], explicit_bounds: vec![1.0], ..Default::default() };
    uneven.time_unix_nano = END;
    let metrics = vec![
        metric("c", "", sum(vec![none], AggregationTemporality::Cumulative)),
        metric("u", "", sum(vec![number(1.0, vec![])], AggregationTemporality::Unspecified)),
        metric("d", "", sum(delta, AggregationTemporality::Delta)),
        metric("h", "", Data::Histogram(Histogram { data_points: vec![uneven], aggregation_temporality: 2 })),
        metric("...", "", Data::Gauge(Gauge { data_points: vec![number(1.0, vec![])] })),
    ];
    let (sink, decoded) = collect(&request(&[], metrics));
    assert_eq!(refusals(&decoded), [("no_metric_name", 1), ("bad_histogram", 1), ("bad_point", 5)]);
    assert_eq!((decoded.points, decoded.refused_points), (8, 7));
    assert_eq!((sink.increases.len(), sink.floats.len()), (1, 0));
}

#[test]
fn labels_are_read_once_a_series_and_order_of_fields_does_not_matter() {
    let points = vec![number(1.0, vec![attribute("a", "1")]), number(2.0, vec![attribute("a", "2")])];
    let metrics = vec![metric("c", "", sum(points, AggregationTemporality::Cumulative))];
    let one = request(&[("service.name", "x")], metrics);
    let mut sink = Collect::default();
    for _ in 0..3 {
        decode(&one, &OtlpOptions::default(), &mut sink);
    }
    assert_eq!((sink.parses, sink.floats.len(), sink.metadata.len()), (2, 6, 1));

    // the resource behind its scopes, the attributes of a point strewn over it
    let rm = &one.resource_metrics[0];
    let point = [
        &[0x3a, 10, 0x0a, 1, b'a', 0x12, 3, 0x0a, 1, b'1'][..10],
        &[0x19][..],
        &END.to_le_bytes(),
        &[0x3a, 10, 0x0a, 1, b'b', 0x12, 3, 0x0a, 1, b'2'][..10],
        &[0x21],
        &1.0f64.to_le_bytes(),
    ];
    let mut point = point.concat();
    point[1] = 8;
    point[20] = 8;
    let mut gauge = vec![0x0a, point.len() as u8];
    gauge.extend_from_slice(&point);
    let mut metric = vec![0x2a, gauge.len() as u8];
    metric.extend_from_slice(&gauge);
    metric.extend_from_slice(&[0x0a, 1, b'm']);
    let mut scope = vec![0x12, metric.len() as u8];
    scope.extend_from_slice(&metric);
    let resource = rm.resource.as_ref().expect("there is one").encode_to_vec();
    let mut all = vec![0x12, scope.len() as u8];
    all.extend_from_slice(&scope);
    all.extend_from_slice(&[0x0a, resource.len() as u8]);
    all.extend_from_slice(&resource);
    let mut message = vec![0x0a, all.len() as u8];
    message.extend_from_slice(&all);
    let mut sink = Collect::default();
    let (limits, mut scratch) = (Limits::default(), Scratch::default());
    ingest::otlp_message(&message, &OtlpOptions::default(), &limits, 7, &mut scratch, &mut sink)
        .expect("legal");
    assert_eq!(sink.floats_as_text(), [format!("m{{a=\"1\", b=\"2\", job=\"x\"}} 1 {END_MS}")]);
}

#[test]
fn what_would_grow_without_bound_is_refused() {
    let mut scratch = Scratch::default();
    let mut decode = |request: &ExportMetricsServiceRequest, limits: &Limits| {
        let bytes = request.encode_to_vec();
        let mut sink = Collect::default();
        ingest::otlp_message(&bytes, &OtlpOptions::default(), limits, 7, &mut scratch, &mut sink)
    };
    let bounds: Vec<f64> = (0..4000).map(f64::from).collect();
    let long = "x".repeat(4000);
    let point = |n: usize| HistogramDataPoint {
        time_unix_nano: END,
        bucket_counts: vec![0; bounds.len() + 1],
        explicit_bounds: bounds.clone(),
        attributes: vec![attribute("a", &long), attribute("b", &n.to_string())],
        ..Default::default()
    };
    let data = |points| Data::Histogram(Histogram { data_points: points, aggregation_temporality: 2 });
    // 70 KB a point that would become 16 MB of labels
    let limits = Limits { decoded_bytes: 1 << 20, ..Limits::default() };
    let growing = request(&[], vec![metric("h", "", data((0..10).map(point).collect()))]);
    assert!(matches!(decode(&growing, &limits), Err(DecodeError::TooLarge { .. })));
    let samples = request(&[], vec![metric("h", "", data(vec![point(1)]))]);
    let limits = small_limits();
    let decoded = decode(&samples, &limits).expect("the point is refused, not the request");
    assert_eq!(refusals(&decoded), [("bad_histogram", 1)]);
    let many = vec![number(1.0, vec![]); 101];
    let many = request(&[], vec![metric("c", "", sum(many, AggregationTemporality::Cumulative))]);
    assert_eq!(decode(&many, &limits).err(), Some(DecodeError::TooManySamples { limit: 100 }));
    let wide: Vec<(String, String)> = (0..300).map(|i| (format!("k{i}"), "v".to_owned())).collect();
    let wide: Vec<(&str, &str)> = wide.iter().map(|(k, v)| (&**k, &**v)).collect();
    let data = sum(vec![number(1.0, vec![])], AggregationTemporality::Cumulative);
    let decoded = decode(&request(&wide, vec![metric("c", "", data)]), &Limits::default()).expect("sound");
    assert_eq!(decoded.refused_points, 1);
}
