//! Remote write 1.0 and 2.0: what the decoders hand on equals what the messages say, and what cannot be taken is
//! refused alone.

mod support;

use plimsoll_model::{Histogram, STALE_NAN_BITS, Span};
use plimsoll_proto::ingest::{self, DecodeError, Decoded, Limits, Scratch};
use plimsoll_proto::prometheus::{v1, v2};
use prost::Message;
use support::{Collect, refusals, small_limits};

fn label(name: &str, value: &str) -> v1::Label {
    v1::Label { name: name.into(), value: value.into() }
}

fn series_v1(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> v1::TimeSeries {
    v1::TimeSeries {
        labels: labels.iter().map(|(n, v)| label(n, v)).collect(),
        samples: samples.iter().map(|&(timestamp, value)| v1::Sample { value, timestamp }).collect(),
        ..Default::default()
    }
}

fn decode_v1(request: &v1::WriteRequest, limits: &Limits) -> (Result<Decoded, DecodeError>, Collect) {
    decode_v1_bytes(&request.encode_to_vec(), limits)
}

fn decode_v1_bytes(message: &[u8], limits: &Limits) -> (Result<Decoded, DecodeError>, Collect) {
    let mut sink = Collect { wants_exemplars: true, oldest: Some(i64::MIN + 1), ..Collect::default() };
    let body = snap::raw::Encoder::new().compress_vec(message).expect("short enough");
    let got = ingest::remote_write_v1(&body, limits, 7, &mut Scratch::default(), &mut sink);
    (got, sink)
}

fn decode_v2(request: &v2::Request, limits: &Limits) -> (Result<Decoded, DecodeError>, Collect) {
    let mut sink = Collect { wants_exemplars: true, ..Collect::default() };
    let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).expect("short enough");
    let got = ingest::remote_write_v2(&body, limits, 7, &mut Scratch::default(), &mut sink);
    (got, sink)
}

fn int_histogram() -> v1::Histogram {
    v1::Histogram {
        count: Some(v1::histogram::Count::CountInt(12)),
        sum: 18.5,
        schema: 1,
        zero_threshold: 0.001,
        zero_count: Some(v1::histogram::ZeroCount::ZeroCountInt(2)),
        positive_spans: vec![
            v1::BucketSpan { offset: -1, length: 2 },
            v1::BucketSpan { offset: 3, length: 1 },
        ],
        positive_deltas: vec![4, -1, 1],
        negative_spans: vec![v1::BucketSpan { offset: 2, length: 1 }],
        negative_deltas: vec![-0],
        reset_hint: 2,
        timestamp: 5000,
        ..Default::default()
    }
}

#[test]
fn floats_arrive_bit_for_bit_at_every_timestamp() {
    let stale = f64::from_bits(STALE_NAN_BITS);
    let samples = [
        (1000, 1.5),
        (-5, stale),
        (i64::MAX, f64::from_bits(0xfff8_dead_beef_0001)),
        (0, f64::INFINITY),
        (2, f64::from_bits(1)),
    ];
    let request = v1::WriteRequest {
        timeseries: vec![series_v1(&[("__name__", "up"), ("job", "é")], &samples)],
        metadata: vec![],
    };
    let (got, sink) = decode_v1(&request, &Limits::default());
    let want: Vec<_> = samples.iter().map(|(t, v)| ("up{job=\"é\"}".to_owned(), *t, v.to_bits())).collect();
    assert_eq!(sink.floats, want);
    let got = got.expect("valid");
    assert_eq!((got.series, got.floats, got.refused.total()), (1, 5, 0));
}

#[test]
fn equal_raw_labels_are_parsed_once_and_other_orders_mean_the_same_series() {
    let a = [("__name__", "up"), ("job", "x")];
    let b = [("job", "x"), ("__name__", "up")];
    let request = v1::WriteRequest {
        timeseries: vec![
            series_v1(&a, &[(1, 1.0)]),
            series_v1(&a, &[(2, 2.0), (3, 3.0)]),
            series_v1(&b, &[(4, 4.0)]),
            series_v1(&a, &[]),
        ],
        metadata: vec![],
    };
    let (got, sink) = decode_v1(&request, &Limits::default());
    assert_eq!((sink.parses, got.expect("valid").series), (2, 3));
    assert!(sink.floats.iter().all(|f| f.0 == "up{job=\"x\"}"));
}

#[test]
fn bad_series_and_samples_are_refused_and_the_rest_is_taken() {
    let long = "x".repeat(31);
    let name = ("__name__", "m");
    let mut timeseries: Vec<_> = [
        vec![name],
        vec![("job", "nameless")],
        vec![name, ("a", "1"), ("a", "2")],
        vec![name, ("", "1")],
        vec![name, ("nul\0", "1")],
        vec![name, ("a", &long)],
        vec![name, (&long, "1")],
        vec![name, ("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")],
        vec![("__name__", "")],
    ]
    .iter()
    .map(|labels| series_v1(labels, &[(1, 1.0), (2, 2.0)]))
    .collect();
    timeseries.push(series_v1(&[name, ("last", "yes"), ("empty", "")], &[(i64::MIN, 1.0), (5, 5.0)]));
    let (got, sink) = decode_v1(&v1::WriteRequest { timeseries, metadata: vec![] }, &small_limits());
    let got = got.expect("the frame is valid");
    assert_eq!(sink.floats_as_text(), ["m 1 1", "m 2 2", "m{last=\"yes\"} 5 5"]);
    assert_eq!(
        refusals(&got),
        [
            ("too_old", 1),
            ("too_many_labels", 2),
            ("label_name_too_long", 2),
            ("label_value_too_long", 2),
            ("invalid_name", 4),
            ("duplicate_label", 2),
            ("no_metric_name", 4),
        ]
    );
    assert!(got.refused.to_text().contains("first: {job=\"nameless\"} at 1"), "{}", got.refused.to_text());
}

#[test]
fn labels_that_are_not_utf8_are_refused() {
    let good = series_v1(&[("__name__", "m")], &[(1, 1.0)]);
    let mut bad = series_v1(&[("__name__", "m"), ("a", "??")], &[(2, 1.0)]).encode_to_vec();
    let at = bad.windows(2).position(|w| w == b"??").expect("it is there");
    bad[at] = 0xff;
    let mut message = v1::WriteRequest { timeseries: vec![good], metadata: vec![] }.encode_to_vec();
    message.extend([0x0a, bad.len() as u8]);
    message.extend(bad);
    let (got, sink) = decode_v1_bytes(&message, &Limits::default());
    assert_eq!(refusals(&got.expect("the frame is valid")), [("not_utf8", 1)]);
    assert_eq!(sink.floats.len(), 1);
}

#[test]
fn labels_strewn_over_a_series_are_found() {
    let a = series_v1(&[("__name__", "m")], &[(1, 1.0)]).encode_to_vec();
    let b = series_v1(&[("z", "2")], &[(2, 2.0)]).encode_to_vec();
    let mut message = vec![0x0a, (a.len() + b.len()) as u8];
    message.extend([a, b].concat());
    let (got, sink) = decode_v1_bytes(&message, &Limits::default());
    assert_eq!(sink.floats_as_text(), ["m{z=\"2\"} 1 1", "m{z=\"2\"} 2 2"]);
    assert_eq!(got.expect("valid").series, 1);
}

#[test]
fn integer_and_float_histograms_become_absolute_counts() {
    let int = int_histogram();
    let float = v1::Histogram {
        count: Some(v1::histogram::Count::CountFloat(2.5)),
        schema: -53,
        positive_spans: vec![v1::BucketSpan { offset: 0, length: 2 }],
        positive_counts: vec![1.0, 1.5],
        custom_values: vec![0.5],
        timestamp: 6000,
        ..Default::default()
    };
    let mut series = series_v1(&[("__name__", "h")], &[]);
    series.histograms = vec![int, float];
    let (got, sink) =
        decode_v1(&v1::WriteRequest { timeseries: vec![series], metadata: vec![] }, &Limits::default());
    assert_eq!(got.expect("valid").histograms, 2);
    let (_, t, h) = &sink.histograms[0];
    assert_eq!(*t, 5000);
    assert_eq!(
        *h,
        Histogram {
            reset_hint: plimsoll_model::ResetHint::No,
            schema: 1,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 12.0,
            sum: 18.5,
            positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 3, length: 1 }],
            positive_buckets: vec![4.0, 3.0, 4.0],
            negative_spans: vec![Span { offset: 2, length: 1 }],
            negative_buckets: vec![0.0],
            custom_values: vec![],
        }
    );
    assert_eq!(
        (sink.histograms[1].2.positive_buckets.clone(), sink.histograms[1].2.count),
        (vec![1.0, 1.5], 2.5)
    );
}

#[test]
fn histograms_that_contradict_themselves_are_refused() {
    let good = int_histogram();
    let bad = [
        v1::Histogram { schema: 9, ..good.clone() },
        v1::Histogram { schema: i32::MIN, ..good.clone() },
        v1::Histogram { positive_deltas: vec![4], ..good.clone() },
        v1::Histogram { positive_deltas: vec![4, -9, 1], ..good.clone() },
        v1::Histogram { positive_deltas: vec![i64::MAX, i64::MAX, 1], ..good.clone() },
        v1::Histogram { reset_hint: 9, ..good.clone() },
        v1::Histogram { positive_deltas: vec![1; 9], ..good.clone() },
        v1::Histogram {
            positive_spans: vec![v1::BucketSpan { offset: 0, length: u32::MAX }; 8],
            ..good.clone()
        },
        v1::Histogram { positive_spans: vec![v1::BucketSpan { offset: 0, length: 0 }; 9], ..good.clone() },
        v1::Histogram { custom_values: vec![1.0; 9], ..good.clone() },
    ];
    let count = bad.len() as u64;
    let mut series = series_v1(&[("__name__", "h")], &[]);
    series.histograms = bad.into_iter().chain([good]).collect();
    let (got, sink) =
        decode_v1(&v1::WriteRequest { timeseries: vec![series], metadata: vec![] }, &small_limits());
    assert_eq!(refusals(&got.expect("the frame is valid")), [("bad_histogram", count)]);
    assert_eq!(sink.histograms.len(), 1);
}

#[test]
fn metadata_and_exemplars_are_handed_on_when_wanted() {
    let mut series = series_v1(&[("__name__", "m")], &[(1, 1.0)]);
    series.exemplars =
        vec![v1::Exemplar { labels: vec![label("trace_id", "abc")], value: 9.0, timestamp: 77 }];
    let metadata = |name: &str| v1::MetricMetadata {
        r#type: 1,
        metric_family_name: name.into(),
        help: "Helps.".into(),
        unit: "s".into(),
    };
    let request = v1::WriteRequest { timeseries: vec![series], metadata: vec![metadata("m"), metadata("")] };
    let (got, sink) = decode_v1(&request, &Limits::default());
    assert_eq!(got.expect("valid").exemplars, 1);
    assert_eq!(sink.exemplars, [("m".to_owned(), 77, 9.0, "{trace_id=\"abc\"}".to_owned())]);
    assert_eq!(sink.metadata, ["m counter \"Helps.\" \"s\""]);

    let mut sink = Collect::default();
    let got = ingest::remote_write_v1_message(
        &request.encode_to_vec(),
        &Limits::default(),
        7,
        &mut Scratch::default(),
        &mut sink,
    )
    .expect("valid");
    assert_eq!((got.exemplars, got.exemplars_ignored, sink.exemplars.len()), (0, 1, 0));
}

#[test]
fn a_request_with_more_samples_than_allowed_is_refused_as_a_whole() {
    let samples: Vec<_> = (0..101).map(|t| (t, 1.0)).collect();
    let request =
        v1::WriteRequest { timeseries: vec![series_v1(&[("__name__", "m")], &samples)], metadata: vec![] };
    let e = decode_v1(&request, &small_limits()).0.expect_err("101 samples");
    assert_eq!((e.http_status(), e), (413, DecodeError::TooManySamples { limit: 100 }));
}

fn request_v2() -> v2::Request {
    let symbols = ["", "__name__", "m", "job", "x", "Helps.", "trace_id", "abc", "other"];
    v2::Request {
        symbols: symbols.map(str::to_owned).to_vec(),
        timeseries: vec![
            v2::TimeSeries {
                labels_refs: vec![1, 2, 3, 4],
                samples: vec![
                    v2::Sample { value: 1.0, timestamp: 10, start_timestamp: 3 },
                    v2::Sample { value: 2.0, timestamp: 20, start_timestamp: 0 },
                ],
                exemplars: vec![v2::Exemplar { labels_refs: vec![6, 7], value: 5.0, timestamp: 9 }],
                metadata: Some(v2::Metadata { r#type: 1, help_ref: 5, unit_ref: 0 }),
                created_timestamp: 4,
                ..Default::default()
            },
            v2::TimeSeries {
                labels_refs: vec![1, 2, 3, 8],
                histograms: vec![v2::Histogram {
                    count: Some(v2::histogram::Count::CountInt(1)),
                    positive_spans: vec![v2::BucketSpan { offset: 0, length: 1 }],
                    positive_deltas: vec![1],
                    timestamp: 30,
                    start_timestamp: 5,
                    ..Default::default()
                }],
                metadata: Some(v2::Metadata { r#type: 1, help_ref: 5, unit_ref: 0 }),
                ..Default::default()
            },
        ],
    }
}

#[test]
fn version_2_hands_on_all_that_it_has() {
    let (got, sink) = decode_v2(&request_v2(), &Limits::default());
    let got = got.expect("valid");
    assert_eq!((got.series, got.floats, got.histograms, got.exemplars), (2, 2, 1, 1));
    assert_eq!(sink.floats_as_text(), ["m{job=\"x\"} 1 10", "m{job=\"x\"} 2 20"]);
    assert_eq!((sink.histograms[0].0.as_str(), sink.histograms[0].1), ("m{job=\"other\"}", 30));
    assert_eq!(sink.exemplars, [("m{job=\"x\"}".to_owned(), 9, 5.0, "{trace_id=\"abc\"}".to_owned())]);
    assert_eq!(sink.starts, [3, 4, 5]);
    assert_eq!(sink.metadata, ["m counter \"Helps.\" \"\""], "once a metric");
}

#[test]
fn the_key_of_version_2_does_not_depend_on_the_table_of_symbols() {
    let mut sink = Collect::default();
    let mut scratch = Scratch::default();
    let a = request_v2();
    let mut b = a.clone();
    b.symbols.reverse();
    let last = b.symbols.len() as u32 - 1;
    for s in &mut b.timeseries {
        s.labels_refs.iter_mut().for_each(|r| *r = last - *r);
    }
    for request in [&a, &b] {
        let message = request.encode_to_vec();
        ingest::remote_write_v2_message(&message, &Limits::default(), 7, &mut scratch, &mut sink)
            .expect("valid");
    }
    assert_eq!((sink.parses, sink.floats.len()), (2, 4));
}

#[test]
fn symbols_behind_the_series_are_found() {
    let request = request_v2();
    let series = v2::Request { symbols: vec![], ..request.clone() };
    let symbols = v2::Request { timeseries: vec![], ..request };
    let message = [series.encode_to_vec(), symbols.encode_to_vec()].concat();
    let mut sink = Collect::default();
    let got =
        ingest::remote_write_v2_message(&message, &Limits::default(), 7, &mut Scratch::default(), &mut sink);
    assert_eq!(got.expect("valid").floats, 2);
}

#[test]
fn references_to_nothing_are_refused_and_the_rest_is_taken() {
    let mut request = request_v2();
    let series = |labels_refs| v2::TimeSeries {
        labels_refs,
        samples: vec![v2::Sample { value: 1.0, timestamp: 10, start_timestamp: 0 }],
        ..Default::default()
    };
    request.timeseries.extend([
        series(vec![1, 2, 3]),
        series(vec![1, 99]),
        series(vec![1, u32::MAX]),
        series(vec![]),
        series([1, 2].repeat(6)),
        series(vec![1, 2, 1, 4]),
        series(vec![0, 2]),
    ]);
    let (got, sink) = decode_v2(&request, &small_limits());
    let got = got.expect("the frame is valid");
    assert_eq!(
        refusals(&got),
        [
            ("too_many_labels", 1),
            ("invalid_name", 1),
            ("duplicate_label", 1),
            ("no_metric_name", 1),
            ("bad_reference", 3),
        ]
    );
    assert_eq!(sink.floats.len(), 2);
}

#[test]
fn a_table_of_too_many_symbols_is_refused() {
    let request = v2::Request { symbols: vec![String::new(); 51], timeseries: vec![] };
    let e = decode_v2(&request, &small_limits()).0.expect_err("51 symbols");
    assert_eq!((e.http_status(), e), (413, DecodeError::TooManySymbols { limit: 50 }));
}

#[test]
fn frames_that_are_no_frames_are_refused_as_a_whole() {
    let label_beyond = [0x0a, 0x02, 0x0a, 0x7f];
    for message in
        [&[0x0a, 0x05, 0x01][..], &[0x00], &[0x0b], &[0x08, 0x01], &[0x0a, 0x80], &label_beyond, &[0xff; 12]]
    {
        let (got, sink) = decode_v1_bytes(message, &Limits::default());
        let e = got.expect_err("malformed");
        assert!(matches!(e, DecodeError::Malformed(_)), "{message:?}: {e}");
        assert_eq!((e.http_status(), sink.floats.len()), (400, 0));
    }
    let mut scratch = Scratch::default();
    for body in [&b""[..], b"\x05", b"not snappy at all"] {
        let got = ingest::remote_write_v1(body, &Limits::default(), 7, &mut scratch, &mut Collect::default());
        assert!(matches!(got, Err(DecodeError::Compression { encoding: "snappy", .. })), "{got:?}");
    }
}
