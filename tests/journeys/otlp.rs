//! OTLP from outside: what is taken, what is refused and how the sender hears of it.

use crate::fixture::{now_ms, seconds};
use plimsoll_tests::http::{Answer, Http};
use plimsoll_tests::otlp::{
    self, Cumulative, Delta, Times, counter, exponential, histogram, rejected, whole,
};
use plimsoll_tests::plimsoll::Node;
use prost::Message;
use serde_json::{Value, json};
use std::io::Write;

const RESOURCE: &[(&str, &str)] =
    &[("service.name", "api"), ("service.instance.id", "one"), ("host.name", "h1")];

/// The minute before `end_ms`.
fn minute(end_ms: i64) -> Times {
    ((end_ms - 60_000) as u64 * 1_000_000, end_ms as u64 * 1_000_000)
}

fn ask(http: &Http, query: &str, at_ms: i64) -> Value {
    http.data("/api/v1/query", &[("query", query), ("time", &seconds(at_ms))])["result"].take()
}

/// The one value of `query`.
fn value(http: &Http, query: &str, at_ms: i64) -> String {
    let found = ask(http, query, at_ms);
    found[0]["value"][1].as_str().unwrap_or_else(|| panic!("{query}: {found}")).to_owned()
}

fn taken(http: &Http, body: &[u8]) {
    let answer = otlp::send(http, body).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(rejected(&answer), (0, String::new()));
}

#[test]
fn every_kind_of_point_is_answered_by_promql() {
    let node = Node::start();
    let (http, now) = (node.http(), now_ms());
    let times = minute(now);
    let metrics = vec![
        counter("http.requests", Cumulative, vec![whole(7, times, &[("http.method", "GET")])]),
        histogram("wait", Cumulative, times, &[1, 2, 3], &[0.5, 2.0]),
        exponential("size", Cumulative, times, 0, &[4, 0, 4]),
    ];
    taken(&http, &otlp::request(RESOURCE, metrics));
    let at = now + 1;
    let labels = "{job=\"api\",instance=\"one\"}";
    assert_eq!(value(&http, &format!("http_requests_total{labels}"), at), "7");
    assert_eq!(value(&http, "wait_bucket{le=\"2\"}", at), "3");
    assert_eq!(value(&http, "wait_count", at), "6");
    assert_eq!(value(&http, "histogram_count(size)", at), "8");
    assert_eq!(value(&http, "target_info{host_name=\"h1\"}", at), "1");
    let joined = "http_requests_total * on (job, instance) group_left (host_name) target_info";
    assert_eq!(ask(&http, joined, at)[0]["metric"]["host_name"], "h1");
    let metadata = http.data("/api/v1/metadata", &[]);
    assert_eq!(metadata["http_requests_total"][0]["type"], "counter");
}

#[test]
fn json_and_gzip_are_read_at_both_paths() {
    let node = Node::start();
    let (http, now) = (node.http(), now_ms());
    let point = json!({"asInt": "3", "timeUnixNano": (now * 1_000_000).to_string()});
    let body = |name: &str| {
        let gauge = json!({"name": name, "unit": "By", "gauge": {"dataPoints": [point]}});
        json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge]}]}]}).to_string().into_bytes()
    };
    let send = |path: &str, encoding: &str, body: &[u8]| {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", encoding)];
        http.post(path, &headers, body).unwrap_or_else(|e| panic!("{e}"))
    };
    let plain = send("/api/v1/otlp/v1/metrics", "identity", &body("plain.memory"));
    assert_eq!((plain.status, plain.json()), (200, json!({})));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&body("packed.memory")).expect("into memory");
    let packed = send(otlp::PATH, "gzip", &packed.finish().expect("into memory"));
    assert_eq!((packed.status, packed.header("content-type")), (200, Some("application/json")));
    for name in ["plain_memory_bytes", "packed_memory_bytes"] {
        assert_eq!(value(&http, name, now + 1), "3");
    }
}

#[test]
fn a_delta_becomes_a_sum_whatever_is_sent_again() {
    let mut node = Node::start();
    let now = now_ms();
    let mut total = 0;
    for step in 0..10i64 {
        let times = minute(now - (9 - step) * 60_000);
        total += step * step;
        let metrics = vec![
            counter("tokens", Delta, vec![whole(step * step, times, &[])]),
            histogram("wait", Delta, times, &[1, 1], &[0.5]),
            exponential("size", Delta, times, step as i32, &[2]),
        ];
        let body = otlp::request(RESOURCE, metrics);
        for _ in 0..1 + step % 3 {
            taken(&node.http(), &body);
        }
        if step == 4 {
            node.kill();
            node.restart();
            taken(&node.http(), &body);
        }
        if step == 7 {
            node.stop();
            node.restart();
            taken(&node.http(), &body);
        }
    }
    let http = node.http();
    assert_eq!(value(&http, "tokens_total", now + 1), total.to_string());
    assert_eq!(value(&http, "wait_bucket{le=\"0.5\"}", now + 1), "10");
    assert_eq!(value(&http, "wait_count", now + 1), "20");
    assert_eq!(value(&http, "histogram_count(size)", now + 1), "20");
    // the zero at the start of the first interval: all of it is an increase
    assert_eq!(value(&http, "min_over_time(tokens_total[1h])", now + 1), "0");
    let samples = ask(&http, "tokens_total[1h]", now + 1)[0]["values"].as_array().map(Vec::len);
    assert_eq!(samples, Some(11));
}

#[test]
fn refused_points_are_counted_and_the_sender_is_told_why() {
    let node = Node::start();
    let (http, now) = (node.http(), now_ms());
    let (start, end) = minute(now);
    taken(&http, &otlp::request(RESOURCE, vec![counter("c", Delta, vec![whole(5, (start, end), &[])])]));
    let points = vec![
        whole(5, (start + 1, end), &[]),
        whole(-5, (start, end), &[("other", "1")]),
        whole(5, (start, end), &[("other", "2")]),
    ];
    let answer = otlp::send(&http, &otlp::request(RESOURCE, vec![counter("c", Delta, points)]));
    let answer = answer.unwrap_or_else(|e| panic!("{e}"));
    let (points, why) = rejected(&answer);
    assert_eq!((answer.status, points), (200, 2), "{why}");
    assert!(why.contains("delta_overlap") && why.contains("bad_point"), "{why}");
    assert_eq!(value(&http, "sum(c_total)", now + 1), "10");
    let metrics = http.get("/metrics", &[]).unwrap_or_else(|e| panic!("{e}")).text();
    assert!(
        metrics.contains("plimsoll_ingest_refused_samples_total{reason=\"delta_overlap\"} 1"),
        "{metrics}"
    );
}

/// Status, gRPC code and message of a failed request.
fn failure(answer: &Answer) -> (u16, i32, String) {
    let status = plimsoll_proto::rpc::Status::decode(&answer.body[..]);
    let status = status.unwrap_or_else(|e| panic!("no status ({e}): {}", answer.text()));
    (answer.status, status.code, status.message)
}

#[test]
fn what_can_never_be_taken_is_a_400_and_says_what_to_do() {
    let node = Node::start_with(&[("otlp.delta", "false"), ("ingest.decoded_bytes", "64KiB")]);
    let (http, now) = (node.http(), now_ms());
    let delta = otlp::request(RESOURCE, vec![counter("c", Delta, vec![whole(5, minute(now), &[])])]);
    let (status, code, text) = failure(&otlp::send(&http, &delta).unwrap_or_else(|e| panic!("{e}")));
    assert_eq!((status, code), (400, 3));
    assert!(text.contains("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative"), "{text}");
    let (status, code, _) = failure(&otlp::send(&http, &delta[..20]).unwrap_or_else(|e| panic!("{e}")));
    assert_eq!((status, code), (400, 3));
    let (status, ..) = failure(&otlp::send(&http, &[0; 70_000]).unwrap_or_else(|e| panic!("{e}")));
    assert_eq!(status, 413);
    let unknown = http.post(otlp::PATH, &[("Content-Type", "text/plain")], &delta);
    assert_eq!(unknown.unwrap_or_else(|e| panic!("{e}")).status, 415);
    let packed = [("Content-Type", "application/x-protobuf"), ("Content-Encoding", "br")];
    assert_eq!(http.post(otlp::PATH, &packed, &delta).unwrap_or_else(|e| panic!("{e}")).status, 415);
}

#[test]
fn settings_change_names_and_labels() {
    let node = Node::start_with(&[
        ("otlp.names", "untouched"),
        ("otlp.promote", "host.name"),
        ("otlp.target_info", "false"),
    ]);
    let (http, now) = (node.http(), now_ms());
    let point = whole(7, minute(now), &[("http.method", "GET")]);
    taken(&http, &otlp::request(RESOURCE, vec![counter("http.requests", Cumulative, vec![point])]));
    let query = "{\"http.requests\",\"host.name\"=\"h1\",\"http.method\"=\"GET\",job=\"api\"}";
    assert_eq!(value(&http, query, now + 1), "7");
    assert_eq!(ask(&http, "target_info", now + 1), json!([]));
}
