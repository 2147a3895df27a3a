//! Text and JSON lines: what stands there arrives, what cannot be read is refused with the number of its line, and
//! what is written comes back.

mod support;

use plimsoll_model::{FloatColumn, Histogram, Labels, ResetHint, STALE_NAN_BITS, Samples, Span};
use plimsoll_proto::ingest::{self, Decoded, Limits, TextDialect};
use plimsoll_proto::{exposition, v1};
use proptest::prelude::*;
use std::sync::Arc;
use support::{Collect, refusals, small_limits};

fn read_text(text: &str, dialect: TextDialect, limits: &Limits) -> (Decoded, Collect) {
    let mut sink = Collect::default();
    let got = ingest::text(text.as_bytes(), dialect, 1000, 1, limits, 7, &mut sink);
    (got.expect("text is never malformed as a whole"), sink)
}

fn read_json(text: &str, limits: &Limits) -> (Decoded, Collect) {
    let mut sink = Collect::default();
    let got = ingest::json_lines(text.as_bytes(), 1, limits, 7, &mut sink);
    (got.expect("JSON lines are never malformed as a whole"), sink)
}

#[test]
fn lines_of_text_are_read_as_prometheus_reads_them() {
    for (line, want) in [
        ("up 1", "up 1 1000"),
        ("up{} 1", "up 1 1000"),
        ("  up\t{a=\"b\"}  1.5e3   -7 \r", "up{a=\"b\"} 1500 -7"),
        ("up{a=\"b\",}1", "up{a=\"b\"} 1 1000"),
        ("up { a = \"b\" , c = \"}\" } 2", "up{a=\"b\", c=\"}\"} 2 1000"),
        ("a:b{c=\"x\\\\y\\\"z\\n\"} 3", "a:b{c=\"x\\\\y\\\"z\\n\"} 3 1000"),
        ("{\"odd.name\",\"odd.label\"=\"v\"} 4 5", "odd.name{odd.label=\"v\"} 4 5"),
        ("{a=\"b\",\"n\"} +Inf", "n{a=\"b\"} inf 1000"),
        ("n -Inf 9223372036854775807", "n -inf 9223372036854775807"),
        ("n NaN", "n NaN 1000"),
        ("n{empty=\"\"} 1", "n 1 1000"),
    ] {
        let (got, sink) = read_text(line, TextDialect::Prometheus, &Limits::default());
        assert_eq!(
            (sink.floats_as_text(), got.refused.to_text()),
            (vec![want.to_owned()], String::new()),
            "{line}"
        );
    }
}

#[test]
fn bad_lines_are_refused_with_their_number_and_the_others_taken() {
    let long = format!("n{{a=\"{}\"}} 1", "x".repeat(300));
    for (line, reason, part) in [
        ("n", "bad_line", "line 2: there is no value"),
        ("n x", "bad_line", "line 2: the value is not a number"),
        ("n 1 1.5", "bad_line", "whole milliseconds"),
        ("n 1 99999999999999999999", "bad_line", "whole milliseconds"),
        ("n 1 2 3", "bad_line", "more after the timestamp"),
        ("n{a=\"b\" 1", "bad_line", "not closed"),
        ("n{a=\"b} 1", "bad_line", "not closed"),
        ("n{a=\"b\\", "bad_line", "not closed"),
        ("n{a=\"b\\ ", "bad_line", "not closed"),
        ("n{a=b} 1", "bad_line", "line 2: a label value must stand in double quotes"),
        ("n{a=\"b\"c=\"d\"} 1", "bad_line", "separated by commas"),
        ("n{,} 1", "bad_line", "has no ="),
        ("n{a} 1", "bad_line", "has no ="),
        ("n{1a=\"b\"} 1", "bad_line", "must stand in quotes"),
        ("odd.name 1", "bad_line", "must stand in quotes"),
        ("<html> 1", "bad_line", "must stand in quotes"),
        ("{a=\"b\"} 1", "no_metric_name", "line 2: the series is"),
        ("n{a=\"b\",a=\"b\"} 1", "duplicate_label", "line 2"),
        ("n{__name__=\"m\"} 1", "duplicate_label", "line 2"),
        ("{\"n\",\"m\"} 1", "duplicate_label", "line 2"),
        (&long, "bad_line", "longer than allowed"),
    ] {
        let text = format!("first 1\n{line}\n\nlast 2\n");
        let (got, sink) = read_text(&text, TextDialect::Prometheus, &small_limits());
        assert_eq!(sink.floats_as_text(), ["first 1 1000", "last 2 1000"], "{line}");
        assert_eq!(refusals(&got), [(reason, 1)], "{line}: {}", got.refused.to_text());
        assert!(got.refused.to_text().contains(part), "{line}: {}", got.refused.to_text());
    }
}

#[test]
fn comments_describe_metrics() {
    let text = "# HELP up Is it\\nup? \n# TYPE up gauge\nup 1\n# just a comment\n#\n# TYPE\n# TYPE c counter\n\
                # UNIT c seconds\n# HELP \"odd\\\"name\" Odd.\n# TYPE u strange\n# EOF\n";
    let (got, sink) = read_text(text, TextDialect::Prometheus, &Limits::default());
    assert_eq!((got.floats, got.refused.total()), (1, 0));
    assert_eq!(
        sink.metadata,
        [
            "up gauge \"Is it\\nup?\" \"\"",
            "c counter \"\" \"seconds\"",
            "odd\"name unknown \"Odd.\" \"\"",
            "u unknown \"\" \"\"",
        ]
    );
}

#[test]
fn openmetrics_has_seconds_and_exemplars() {
    let text = "a_total 1 1.5\nb_bucket{le=\"1\"} 2 # {trace_id=\"x\"} 0.5 7\nb_bucket{le=\"2\"} 3 2 # {} 1\nc 1 1e300\nd 1 NaN\n# EOF\n";
    let (got, sink) = read_text(text, TextDialect::OpenMetrics, &Limits::default());
    assert_eq!(
        sink.floats_as_text(),
        ["a_total 1 1500", "b_bucket{le=\"1\"} 2 1000", "b_bucket{le=\"2\"} 3 2000"]
    );
    assert_eq!(refusals(&got), [("bad_line", 2)]);
    let kind = TextDialect::from_content_type(Some("application/openmetrics-text; version=1.0.0"));
    assert_eq!(kind, TextDialect::OpenMetrics);
    assert_eq!(TextDialect::from_content_type(Some("text/plain")), TextDialect::Prometheus);
}

#[test]
fn a_known_series_of_text_or_json_is_not_parsed_again() {
    let (_, sink) = read_text("n{a=\"b\"} 1\nn{a=\"b\"} 2\n", TextDialect::Prometheus, &Limits::default());
    assert_eq!((sink.parses, sink.floats.len()), (1, 2));
    let line = r#"{"metric":{"__name__":"n"},"values":[1],"timestamps":[2]}"#;
    let (_, sink) = read_json(&format!("{line}\n{line}"), &Limits::default());
    assert_eq!((sink.parses, sink.floats.len()), (1, 2));
}

#[test]
fn lines_of_json_are_read_in_any_order_of_members() {
    let text = r#"
        {"metric":{"__name__":"up","job":"x\u00e9"},"values":[1,-0.5e3,null,"Infinity","-Inf"],"timestamps":[1,2,3,4,-5]}
        { "timestamps" : [ 1 ] , "unknown": {"a":[[]]}, "values" : [ 7 ] , "metric" : { "__name__" : "n" } }
        {"metric":{"__name__":"nothing"}}"#;
    let (got, sink) = read_json(text, &Limits::default());
    assert_eq!(
        sink.floats_as_text(),
        [
            "up{job=\"xé\"} 1 1",
            "up{job=\"xé\"} -500 2",
            "up{job=\"xé\"} NaN 3",
            "up{job=\"xé\"} inf 4",
            "up{job=\"xé\"} -inf -5",
            "n 7 1",
        ]
    );
    assert_eq!((got.series, got.refused.total()), (2, 0));
}

#[test]
fn bad_lines_of_json_are_refused_with_their_number_and_the_others_taken() {
    let long = format!(r#"{{"metric":{{"__name__":"{}"}}}}"#, "x".repeat(500));
    for (line, reason, part) in [
        ("{", "bad_line", "line 2: a string must begin"),
        ("[]", "bad_line", "must begin with {"),
        (r#"{"values":[1],"timestamps":[1]}"#, "bad_line", "no \"metric\""),
        (r#"{"metric":{"__name__":"n"},"values":[1,2],"timestamps":[1]}"#, "bad_line", "different lengths"),
        (r#"{"metric":{"__name__":"n"},"values":{},"timestamps":[]}"#, "bad_line", "array"),
        (
            r#"{"metric":{"__name__":"n"},"values":[true],"timestamps":[1]}"#,
            "bad_line",
            "a number is expected",
        ),
        (r#"{"metric":{"__name__":"n"},"values":[1],"timestamps":[1.5]}"#, "bad_line", "whole number"),
        (r#"{"metric":{"__name__":1},"values":[1],"timestamps":[1]}"#, "bad_line", "stand in quotes"),
        (r#"{"metric":[],"values":[1],"timestamps":[1]}"#, "bad_line", "must begin with {"),
        (r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1]}"#, "no_metric_name", "line 2"),
        (r#"{"metric":{"__name__":"n"},"histograms":[{"schema":1}]}"#, "bad_histogram", "no timestamp"),
        (
            r#"{"metric":{"__name__":"n"},"histograms":[{"timestamp":1,"schema":99}]}"#,
            "bad_histogram",
            "schema 99",
        ),
        (
            r#"{"metric":{"__name__":"n"},"histograms":[{"timestamp":1,"positive_spans":[[1]]}]}"#,
            "bad_histogram",
            "span",
        ),
        (&long, "bad_line", "longer than allowed"),
    ] {
        let good = |n| format!(r#"{{"metric":{{"__name__":"g"}},"values":[{n}],"timestamps":[{n}]}}"#);
        let (got, sink) = read_json(&format!("{}\n{line}\n{}", good(1), good(2)), &small_limits());
        assert_eq!(sink.floats_as_text(), ["g 1 1", "g 2 2"], "{line}");
        assert_eq!(refusals(&got), [(reason, 1)], "{line}: {}", got.refused.to_text());
        assert!(got.refused.to_text().contains(part), "{line}: {}", got.refused.to_text());
    }
}

#[test]
fn an_exported_series_is_imported_again() {
    let labels = Labels::from_pairs([("__name__", "a.b"), ("c", "\"\\\n\u{1}é")]).expect("labels");
    let values =
        vec![1.0, -0.0, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::from_bits(STALE_NAN_BITS), 0.1];
    let timestamps: Vec<_> = (0..values.len() as i64).map(|i| i - 3).collect();
    let h = Histogram {
        reset_hint: ResetHint::Yes,
        schema: 2,
        zero_threshold: 1e-128,
        zero_count: 1.0,
        count: 6.0,
        sum: f64::from_bits(STALE_NAN_BITS),
        positive_spans: vec![Span { offset: -7, length: 2 }],
        negative_spans: vec![Span { offset: 1, length: 1 }],
        positive_buckets: vec![1.0, 2.0],
        negative_buckets: vec![2.0],
        custom_values: vec![],
    };
    let samples = Samples {
        floats: FloatColumn { timestamps: Arc::new(timestamps.clone()), values: values.clone() },
        histograms: vec![(99, Arc::new(h.clone()))],
    };
    let mut out = Vec::new();
    ingest::write_json_line(&mut out, &labels, &samples);
    ingest::write_json_line(&mut out, &labels, &Samples::default());
    let text = String::from_utf8(out).expect("UTF-8");
    let (got, sink) = read_json(&text, &Limits::default());
    assert_eq!(got.refused.to_text(), "");
    let series = labels.to_string();
    let want: Vec<_> =
        timestamps.iter().zip(&values).map(|(t, v)| (series.clone(), *t, v.to_bits())).collect();
    assert_eq!(sink.floats, want);
    let (_, t, back) = &sink.histograms[0];
    assert_eq!((*t, back.sum.to_bits()), (99, STALE_NAN_BITS));
    assert_eq!(Histogram { sum: 0.0, ..back.clone() }, Histogram { sum: 0.0, ..h });
}

#[test]
fn the_own_api_is_checked_like_the_others() {
    let label = |n: &str, v: &str| v1::Label { name: n.into(), value: v.into() };
    let series = |labels, timestamps, values| v1::Series { labels, timestamps, values, histograms: vec![] };
    let histogram = |h: Option<v1::Histogram>| v1::HistogramSample { timestamp: 5, histogram: h };
    let mut with_histograms = series(vec![label("__name__", "h")], vec![], vec![]);
    with_histograms.histograms = vec![
        histogram(Some(v1::Histogram { count: 1.0, zero_count: 1.0, ..Default::default() })),
        histogram(None),
        histogram(Some(v1::Histogram { positive_buckets: vec![1.0; 9], ..Default::default() })),
    ];
    let request = v1::WriteRequest {
        series: vec![
            series(vec![label("job", "x"), label("__name__", "m")], vec![1, 2], vec![1.0, 2.0]),
            series(vec![label("__name__", "m")], vec![1, 2], vec![1.0]),
            series(vec![label("job", "x")], vec![1], vec![1.0]),
            series(vec![label("__name__", "m")], vec![], vec![]),
            with_histograms,
        ],
        metadata: vec![v1::Metadata {
            metric_name: "m".into(),
            r#type: 2,
            help: "H.".into(),
            unit: "".into(),
        }],
    };
    let mut sink = Collect::default();
    let got =
        ingest::native(&request, &small_limits(), 7, &mut Default::default(), &mut sink).expect("valid");
    assert_eq!(sink.floats_as_text(), ["m{job=\"x\"} 1 1", "m{job=\"x\"} 2 2"]);
    assert_eq!((sink.histograms.len(), sink.metadata.clone()), (1, vec!["m gauge \"H.\" \"\"".to_owned()]));
    assert_eq!(refusals(&got), [("no_metric_name", 1), ("bad_histogram", 2), ("uneven_columns", 2)]);
    let answer = v1::WriteResponse::from(&got);
    assert_eq!(answer.accepted, Some(v1::Accepted { series: 2, floats: 2, histograms: 1 }));
    assert_eq!(answer.refused.len(), 3);
}

proptest! {
    #[test]
    fn a_written_line_of_text_is_read_again(
        name in "[^\0]{1,12}",
        label in "[^\0]{1,12}",
        value in ".{1,20}",
        bits in any::<u64>(),
        t in any::<i64>(),
    ) {
        prop_assume!(label != "__name__");
        let labels = Labels::from_pairs([("__name__", &name), (&label, &value)]).expect("labels");
        let number = f64::from_bits(bits);
        let mut line = String::new();
        exposition::write_sample(&mut line, &labels, number, Some(t));
        let (got, sink) = read_text(&line, TextDialect::Prometheus, &Limits::default());
        prop_assert_eq!(got.refused.to_text(), "");
        prop_assert_eq!(&sink.floats[0].0, &labels.to_string());
        prop_assert_eq!(sink.floats[0].1, t);
        prop_assert!(number.is_nan() || sink.floats[0].2 == bits);
    }
}
