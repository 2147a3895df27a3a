//! The ways in beside Prometheus' own: text, JSON lines; what is refused and how it is counted.

use crate::fixture::{self, now_ms, seconds};
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::remote_write::{HEADERS, SeriesBytes, WriteRequest, compress};
use std::io::Write;

fn value(http: &Http, query: &str, at_ms: i64) -> String {
    let data = http.data("/api/v1/query", &[("query", query), ("time", &seconds(at_ms))]);
    data["result"][0]["value"][1].as_str().unwrap_or("nothing").to_owned()
}

#[test]
fn prometheus_text_can_be_pushed() {
    let node = Node::start();
    let http = node.http();
    let at = now_ms() - 1000;
    let text = format!(
        "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\njobs_total{{queue=\"mail\",kind=\"a\\\"b\"}} 42 {at}\n\
         room_celsius 21.5\nodd_value NaN {at}\n"
    );
    let answer =
        http.post("/api/v1/import/prometheus", &[], text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.status / 100, 2, "{}", answer.text());
    assert_eq!(value(&http, "jobs_total{kind=\"a\\\"b\"}", at + 1), "42");
    assert_eq!(value(&http, "room_celsius", now_ms() + 1), "21.5");
    assert_eq!(value(&http, "odd_value", at + 1), "NaN");
}

#[test]
fn json_lines_can_be_imported_packed_or_plain() {
    let node = Node::start();
    let http = node.http();
    let at = now_ms() - 1000;
    let line = |name: &str| {
        format!(
            "{{\"metric\":{{\"__name__\":\"{name}\",\"a\":\"b\"}},\"values\":[1.5,2.5],\"timestamps\":[{},{at}]}}\n",
            at - 1000
        )
    };
    let answer =
        http.post("/api/v1/import", &[], line("plain_lines").as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.status / 100, 2, "{}", answer.text());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(line("packed_lines").as_bytes()).expect("into memory");
    let packed = packed.finish().expect("into memory");
    let answer = http
        .post("/api/v1/import", &[("Content-Encoding", "gzip")], &packed)
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.status / 100, 2, "{}", answer.text());
    for name in ["plain_lines", "packed_lines"] {
        assert_eq!(value(&http, &format!("sum_over_time({name}{{a=\"b\"}}[1m])"), at + 1), "4");
    }
}

#[test]
fn a_bad_sample_is_refused_with_its_reason_and_the_rest_is_taken() {
    let node = Node::start();
    let http = node.http();
    let now = now_ms();
    let long = "x".repeat(100_000);
    let mut request = WriteRequest::new();
    request
        .series(&SeriesBytes::new(&[("__name__", "good_before")]), &[(now, 1.0)])
        .series(&SeriesBytes::new(&[("__name__", "too_old")]), &[(now - 400 * 86_400_000, 1.0)])
        .series(&SeriesBytes::new(&[("__name__", "too_new")]), &[(now + 3_600_000, 1.0)])
        .series(&SeriesBytes::new(&[("__name__", "too_long"), ("label", &long)]), &[(now, 1.0)])
        .series(&SeriesBytes::new(&[("__name__", "good_after")]), &[(now, 2.0)]);
    let answer = request.send(&http).unwrap_or_else(|e| panic!("{e}"));
    // Partly refused: a client must not send it again, and the text says why.
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(value(&http, "good_before", now + 1), "1");
    assert_eq!(value(&http, "good_after", now + 1), "2");
    let metrics = http.get("/metrics", &[]).unwrap_or_else(|e| panic!("{e}")).text();
    let refused: f64 = metrics
        .lines()
        .filter(|line| line.contains("refused") && !line.starts_with('#'))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!(refused >= 3.0, "three samples were refused, but /metrics counts {refused}");
}

#[test]
fn an_encoding_that_is_not_known_is_415() {
    let node = Node::start();
    let http = node.http();
    let body = compress(fixture::request(now_ms()).plain());
    for headers in
        [[("Content-Type", "application/json"), HEADERS[1]], [HEADERS[0], ("Content-Encoding", "zstd")]]
    {
        let answer = http.post("/api/v1/write", &headers, &body).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(answer.status, 415, "{headers:?}: {}", answer.text());
    }
}
