//! Bytes that mean harm: no decoder panics or takes more memory than its limits, whatever it is given.

mod support;

use plimsoll_model::{Labels, Timestamp};
use plimsoll_proto::ingest::{self, Encoding, Limits, OtlpOptions, Scratch, TextDialect};
use plimsoll_proto::prometheus::{v1, v2};
use plimsoll_proto::v1 as own;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use support::{Collect, small_limits};

/// Gives the bytes to every decoder, compressed in every way.
fn feed(bytes: &[u8]) {
    let limits = small_limits();
    let mut scratch = Scratch::default();
    let sink = || Collect { wants_exemplars: true, ..Collect::default() };
    let _ = ingest::remote_write_v1(bytes, &limits, 7, &mut scratch, &mut sink());
    let _ = ingest::remote_write_v2(bytes, &limits, 7, &mut scratch, &mut sink());
    let _ = ingest::remote_write_v1_message(bytes, &limits, 7, &mut scratch, &mut sink());
    let _ = ingest::remote_write_v2_message(bytes, &limits, 7, &mut scratch, &mut sink());
    for dialect in [TextDialect::Prometheus, TextDialect::OpenMetrics] {
        let _ = ingest::text(bytes, dialect, 0, 1, &limits, 7, &mut sink());
    }
    let _ = ingest::json_lines(bytes, 1, &limits, 7, &mut sink());
    let options = OtlpOptions { scope_labels: true, ..OtlpOptions::default() };
    let _ = ingest::otlp_message(bytes, &options, &limits, 7, &mut scratch, &mut sink());
    for json in [false, true] {
        for encoding in [Encoding::Identity, Encoding::Gzip] {
            let _ = ingest::otlp(bytes, (encoding, json), &options, (&limits, 7), &mut scratch, &mut sink());
        }
    }
    let mut buffer = Vec::new();
    let _ = ingest::decompress(Encoding::Gzip, bytes, &limits, &mut buffer);
    if let Ok(request) = own::WriteRequest::decode(bytes) {
        let _ = ingest::native(&request, &limits, 7, &mut scratch, &mut sink());
    }
}

fn any_label() -> impl Strategy<Value = (String, String)> {
    (prop_oneof!["__name__", "[a-c]", ".{0,3}"], ".{0,5}")
}

fn any_histogram() -> impl Strategy<Value = v1::Histogram> {
    let spans = || vec((-3i32..4, 0u32..3), 0..3);
    let numbers = (any::<i64>(), -5i32..10, 0u64..9, any::<f64>(), 0i32..4);
    (numbers, spans(), vec(-2i64..9, 0..4), spans(), vec(0f64..9.0, 0..4), any::<bool>()).prop_map(
        |((timestamp, schema, count, sum, reset_hint), positive, deltas, negative, counts, float)| {
            let spans = |s: Vec<(i32, u32)>| {
                s.into_iter().map(|(offset, length)| v1::BucketSpan { offset, length }).collect()
            };
            v1::Histogram {
                count: Some(if float {
                    v1::histogram::Count::CountFloat(count as f64)
                } else {
                    v1::histogram::Count::CountInt(count)
                }),
                sum,
                schema,
                positive_spans: spans(positive),
                negative_spans: spans(negative),
                positive_deltas: deltas,
                positive_counts: counts,
                reset_hint,
                timestamp,
                ..Default::default()
            }
        },
    )
}

fn any_series() -> impl Strategy<Value = v1::TimeSeries> {
    let samples = vec((any::<i64>(), any::<u64>()), 0..4);
    let exemplars = vec((any_label(), any::<i64>()), 0..2);
    (vec(any_label(), 0..5), samples, vec(any_histogram(), 0..2), exemplars).prop_map(
        |(labels, samples, histograms, exemplars)| {
            let label = |(name, value)| v1::Label { name, value };
            v1::TimeSeries {
                labels: labels.into_iter().map(label).collect(),
                samples: samples
                    .into_iter()
                    .map(|(timestamp, bits)| v1::Sample { value: f64::from_bits(bits), timestamp })
                    .collect(),
                histograms,
                exemplars: exemplars
                    .into_iter()
                    .map(|(l, timestamp)| v1::Exemplar { labels: vec![label(l)], value: 1.0, timestamp })
                    .collect(),
            }
        },
    )
}

/// A request of OTLP with a point of each kind.
fn otlp_request(temporality: i32) -> Vec<u8> {
    use plimsoll_proto::opentelemetry::*;
    let text = |text: &str| AnyValue { value: Some(any_value::Value::StringValue(text.into())) };
    let attribute = |key: &str| KeyValue { key: key.into(), value: Some(text("x")) };
    let number = NumberDataPoint {
        attributes: vec![attribute("a.b")],
        start_time_unix_nano: 1,
        time_unix_nano: 2_000_000,
        value: Some(number_data_point::Value::AsDouble(1.5)),
        exemplars: vec![Exemplar::default()],
        ..Default::default()
    };
    let buckets = HistogramDataPoint {
        time_unix_nano: 2_000_000,
        count: 3,
        sum: Some(1.0),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![0.5],
        ..Default::default()
    };
    let positive = exponential_histogram_data_point::Buckets { offset: -2, bucket_counts: vec![1, 0, 2] };
    let native =
        ExponentialHistogramDataPoint { count: 3, scale: 9, positive: Some(positive), ..Default::default() };
    let quantile = summary_data_point::ValueAtQuantile { quantile: 0.5, value: 1.0 };
    let summary = SummaryDataPoint { quantile_values: vec![quantile], ..Default::default() };
    let metric =
        |data| Metric { name: "m.n".into(), unit: "By/s".into(), data: Some(data), ..Default::default() };
    let aggregation_temporality = temporality;
    let metrics = vec![
        metric(metric::Data::Sum(Sum {
            data_points: vec![number],
            aggregation_temporality,
            is_monotonic: true,
        })),
        metric(metric::Data::Histogram(Histogram { data_points: vec![buckets], aggregation_temporality })),
        metric(metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![native],
            aggregation_temporality,
        })),
        metric(metric::Data::Summary(Summary { data_points: vec![summary] })),
    ];
    let resource =
        Resource { attributes: vec![attribute("service.name"), attribute("z")], ..Default::default() };
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    let of_resource = ResourceMetrics { resource: Some(resource), scope_metrics, ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }.encode_to_vec()
}

fn any_request() -> impl Strategy<Value = v1::WriteRequest> {
    vec(any_series(), 0..5).prop_map(|timeseries| v1::WriteRequest { timeseries, metadata: vec![] })
}

/// The same request in version 2.
fn as_v2(request: &v1::WriteRequest) -> v2::Request {
    let mut symbols = vec![String::new()];
    let mut refs = |labels: &[v1::Label]| {
        let mut refs = Vec::new();
        for text in labels.iter().flat_map(|l| [&l.name, &l.value]) {
            refs.push(symbols.iter().position(|s| s == text).unwrap_or(symbols.len()) as u32);
            if refs.last() == Some(&(symbols.len() as u32)) {
                symbols.push(text.clone());
            }
        }
        refs
    };
    let mut timeseries = Vec::new();
    for s in &request.timeseries {
        // The two histogram messages have the same numbers, so the bytes of one are the bytes of the other.
        let histogram =
            |h: &v1::Histogram| v2::Histogram::decode(&h.encode_to_vec()[..]).expect("same numbers");
        timeseries.push(v2::TimeSeries {
            labels_refs: refs(&s.labels),
            samples: s
                .samples
                .iter()
                .map(|s| v2::Sample { value: s.value, timestamp: s.timestamp, start_timestamp: 0 })
                .collect(),
            histograms: s.histograms.iter().map(histogram).collect(),
            exemplars: s
                .exemplars
                .iter()
                .map(|e| v2::Exemplar {
                    labels_refs: refs(&e.labels),
                    value: e.value,
                    timestamp: e.timestamp,
                })
                .collect(),
            ..Default::default()
        });
    }
    v2::Request { symbols, timeseries }
}

/// What should arrive of a request: decoded by prost, judged in the plainest way.
fn expected(request: &v1::WriteRequest) -> Vec<(String, Timestamp, u64)> {
    let mut out = Vec::new();
    for s in &request.timeseries {
        let pairs: Vec<_> = s.labels.iter().map(|l| (&l.name, &l.value)).collect();
        let doubled = pairs.iter().enumerate().any(|(i, p)| pairs[..i].iter().any(|q| p.0 == q.0));
        let odd = pairs.iter().any(|(n, _)| n.is_empty() || n.contains('\0') || n.len() > 20);
        let labels = Labels::from_pairs(pairs).ok().filter(|l| !doubled && !odd && l.metric_name().is_some());
        if let Some(labels) = labels {
            out.extend(s.samples.iter().map(|s| (labels.to_string(), s.timestamp, s.value.to_bits())));
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        feed(&bytes);
    }

    #[test]
    fn random_text_does_no_harm(text in "([a-z_]{1,5}|[{}\",=\\\\# \t\n:\\[\\]]|[0-9.e-]{1,4}|NaN|\"metric\"|\"values\"){0,60}") {
        feed(text.as_bytes());
    }

    #[test]
    fn valid_messages_arrive_in_both_versions(request in any_request()) {
        let want = expected(&request);
        let samples: usize = request.timeseries.iter().map(|s| s.samples.len()).sum();
        let mut scratch = Scratch::default();
        let limits = Limits { label_name_bytes: 20, ..Limits::default() };
        let (mut first, mut second) = (Collect::default(), Collect::default());
        let a = ingest::remote_write_v1_message(&request.encode_to_vec(), &limits, 7, &mut scratch, &mut first);
        let b = ingest::remote_write_v2_message(&as_v2(&request).encode_to_vec(), &limits, 7, &mut scratch, &mut second);
        let (a, b) = (a.expect("valid"), b.expect("valid"));
        prop_assert_eq!(&first.floats, &want);
        prop_assert_eq!(&second.floats, &want);
        prop_assert_eq!(a.histograms, b.histograms);
        prop_assert_eq!(a.refused.total(), b.refused.total());
        prop_assert!(a.floats as usize + a.refused.total() as usize >= samples);
    }

    #[test]
    fn flipped_and_cut_messages_do_no_harm(
        request in any_request(),
        flips in vec((any::<prop::sample::Index>(), 0u8..8), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for message in [request.encode_to_vec(), as_v2(&request).encode_to_vec(), otlp_request(1), otlp_request(2)] {
            let compressed = snap::raw::Encoder::new().compress_vec(&message).expect("short enough");
            for mut bytes in [message, compressed] {
                for (at, bit) in &flips {
                    if !bytes.is_empty() {
                        let at = at.index(bytes.len());
                        bytes[at] ^= 1 << bit;
                    }
                }
                feed(&bytes);
                feed(&bytes[..cut.index(bytes.len() + 1)]);
            }
        }
    }
}

#[test]
fn every_cut_of_a_valid_message_is_refused_or_a_shorter_message() {
    let series = v1::TimeSeries {
        labels: vec![v1::Label { name: "__name__".into(), value: "m".repeat(200) }],
        samples: vec![v1::Sample { value: 1.5, timestamp: 1_760_000_000_000 }],
        ..Default::default()
    };
    let message = v1::WriteRequest { timeseries: vec![series; 3], metadata: vec![] }.encode_to_vec();
    for n in 0..message.len() {
        let mut sink = Collect::default();
        let got = ingest::remote_write_v1_message(
            &message[..n],
            &Limits::default(),
            7,
            &mut Scratch::default(),
            &mut sink,
        );
        assert_eq!(got.is_ok(), n % (message.len() / 3) == 0, "cut at {n}");
    }
}

#[test]
fn huge_labels_are_refused_without_being_copied() {
    let labels = vec![v1::Label { name: "__name__".into(), value: "x".repeat(20 << 20) }];
    let series = v1::TimeSeries {
        labels,
        samples: vec![v1::Sample { value: 1.0, timestamp: 1 }],
        ..Default::default()
    };
    let message = v1::WriteRequest { timeseries: vec![series], metadata: vec![] }.encode_to_vec();
    let mut sink = Collect::default();
    let got =
        ingest::remote_write_v1_message(&message, &Limits::default(), 7, &mut Scratch::default(), &mut sink);
    let got = got.expect("the frame is valid");
    assert_eq!(support::refusals(&got), [("label_value_too_long", 1)]);
    assert!(got.refused.to_text().len() < 1000);
}

#[test]
fn a_line_without_an_end_and_a_body_over_the_limit_are_refused() {
    let limits = small_limits();
    let long = vec![b'a'; 2 << 20];
    let got = ingest::text(&long, TextDialect::Prometheus, 0, 1, &limits, 7, &mut Collect::default());
    assert_eq!(got.expect_err("too large").http_status(), 413);
    let got = ingest::json_lines(&long, 1, &limits, 7, &mut Collect::default());
    assert_eq!(got.expect_err("too large").http_status(), 413);
    let got =
        ingest::text(&long[..1 << 20], TextDialect::Prometheus, 0, 1, &limits, 7, &mut Collect::default());
    assert_eq!(support::refusals(&got.expect("one bad line")), [("bad_line", 1)]);
}
