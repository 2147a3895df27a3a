//! The calls that Grafana's Prometheus data source makes, held against a real Prometheus with the same samples.

use crate::fixture::{self, now_ms, seconds};
use plimsoll_tests::answer::Answer;
use plimsoll_tests::http::{Answer as Response, Http};
use plimsoll_tests::peers::{self, PrometheusJob};
use plimsoll_tests::plimsoll::Node;
use serde_json::{Value, json};
use std::io::Read;

const TOLERANCE: f64 = 1e-12;

fn call(http: &Http, by_post: bool, path: &str, parameters: &[(&str, &str)]) -> Response {
    let answer = if by_post { http.post_form(path, parameters) } else { http.get(path, parameters) };
    answer.unwrap_or_else(|e| panic!("{path} {parameters:?}: {e}"))
}

/// `data` of a good answer; lists of objects in one order, since the API promises none for them.
fn data(answer: &Response) -> Value {
    let mut data = answer.json()["data"].take();
    if let Some(list) = data.as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
    data
}

#[test]
fn queries_answer_as_prometheus_does_by_get_and_by_post() {
    let (node, peer, end) = filled();
    let (ours, theirs) = (node.http(), peer.http());
    let time = seconds(end - 20_337);
    let queries = [
        "1+1",
        "\"a string\"",
        "up",
        "-up",
        "http_requests_total{code=~\"[45]..\",instance!=\"c:9100\"}",
        "http_requests_total[1m]",
        "sum by (instance) (rate(http_requests_total[2m]))",
        "increase(http_requests_total{instance=\"b:9100\"}[10m])",
        "sum(rate(http_requests_total{code=\"500\"}[5m])) / sum(rate(http_requests_total[5m]))",
        "histogram_quantile(0.9, sum by (le) (rate(request_seconds_bucket[5m])))",
        "topk(2, http_requests_total)",
        "http_requests_total offset 3m",
        "temperature_celsius",
        "avg_over_time(temperature_celsius[3m]) > 20",
        "max_over_time(rate(http_requests_total[1m])[5m:30s])",
        "http_requests_total and on (instance) up",
        "up * on (instance) group_right () http_requests_total",
        "scalar(sum(up)) + vector(2)",
        "label_join(up, \"both\", \"-\", \"job\", \"instance\")",
        "absent(nothing_like_this)",
        "count_values(\"value\", up)",
        "1 / 0",
        "up == bool 1",
    ];
    for query in queries {
        for by_post in [false, true] {
            let parameters = [("query", query), ("time", &time)];
            same_answer(&ours, &theirs, by_post, "/api/v1/query", &parameters);
            if query.contains("\"a string\"") || query.ends_with("[1m]") {
                continue;
            }
            let (start, end) = (seconds(end - 620_337), seconds(end - 20_337));
            let range = [("query", query), ("start", &start), ("end", &end), ("step", "15s")];
            same_answer(&ours, &theirs, by_post, "/api/v1/query_range", &range);
        }
    }
}

#[test]
fn the_health_check_of_1970_is_answered() {
    let node = Node::start();
    for by_post in [false, true] {
        let answer = call(&node.http(), by_post, "/api/v1/query", &[("query", "1+1"), ("time", "4")]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["data"], json!({"resultType": "scalar", "result": [4, "2"]}));
    }
}

#[test]
fn labels_values_and_series_are_those_of_prometheus() {
    let (node, peer, end) = filled();
    let (ours, theirs) = (node.http(), peer.http());
    let (start, end) = (seconds(end - 3_600_000), seconds(end));
    let window = [("start", start.as_str()), ("end", end.as_str())];
    let matches = |selectors: &[&'static str]| {
        selectors.iter().map(|selector| ("match[]", *selector)).chain(window).collect::<Vec<_>>()
    };
    for by_post in [false, true] {
        for parameters in [window.to_vec(), matches(&["up"]), matches(&["up", "temperature_celsius"])] {
            same_data(&ours, &theirs, by_post, "/api/v1/labels", &parameters);
        }
        for selectors in
            [&["up"][..], &["{code=\"200\"}", "up"], &["no_such_metric"], &["{room=~\"(?s).*✓\"}"]]
        {
            same_data(&ours, &theirs, by_post, "/api/v1/series", &matches(selectors));
        }
    }
    for label in ["__name__", "job", "instance", "code", "le", "room", "no_such_label"] {
        let path = format!("/api/v1/label/{label}/values");
        same_data(&ours, &theirs, false, &path, &window);
        same_data(&ours, &theirs, false, &path, &matches(&["http_requests_total", "up"]));
    }
}

#[test]
fn wrong_questions_get_the_error_that_prometheus_gives() {
    let (node, peer, _) = filled();
    let (ours, theirs) = (node.http(), peer.http());
    let range =
        |query, start, end, step| vec![("query", query), ("start", start), ("end", end), ("step", step)];
    let wrong: [(&str, Vec<(&str, &str)>); 13] = [
        ("/api/v1/query", vec![]),
        ("/api/v1/query", vec![("query", "sum((up)")]),
        ("/api/v1/query", vec![("query", "no_such_function(up)")]),
        ("/api/v1/query", vec![("query", "rate(up)")]),
        ("/api/v1/query", vec![("query", "{}")]),
        ("/api/v1/query", vec![("query", "up{a=~\"(\"}")]),
        ("/api/v1/query", vec![("query", "up"), ("time", "soon")]),
        ("/api/v1/query", vec![("query", "up"), ("timeout", "long")]),
        ("/api/v1/query_range", range("up", "1000", "10", "15")),
        ("/api/v1/query_range", range("up", "10", "1000", "0")),
        ("/api/v1/query_range", range("up", "0", "1000000", "1")),
        ("/api/v1/query_range", range("up[5m]", "10", "1000", "15")),
        ("/api/v1/series", vec![]),
    ];
    for (path, parameters) in wrong {
        let (got, wanted) = (call(&ours, false, path, &parameters), call(&theirs, false, path, &parameters));
        assert_eq!(got.status, wanted.status, "{path} {parameters:?}: {}", got.text());
        let (got, wanted) = (got.json(), wanted.json());
        assert_eq!(got["status"], "error");
        assert_eq!(got["errorType"], wanted["errorType"], "{path} {parameters:?}: {got}");
        assert!(got["error"].as_str().is_some_and(|text| !text.is_empty()), "{path} {parameters:?}: {got}");
    }
}

#[test]
fn a_matching_conflict_is_an_execution_error() {
    let (node, peer, end) = filled();
    let parameters = [("query", "http_requests_total * on (job) up"), ("time", &seconds(end))];
    let (ours, theirs) = (node.http(), peer.http());
    let (got, wanted) = (
        call(&ours, false, "/api/v1/query", &parameters),
        call(&theirs, false, "/api/v1/query", &parameters),
    );
    assert_eq!(
        (got.status, &got.json()["errorType"]),
        (wanted.status, &wanted.json()["errorType"]),
        "{}",
        got.text()
    );
}

#[test]
fn build_information_makes_grafana_take_us_for_a_prometheus() {
    let node = Node::start();
    let data = node.http().data("/api/v1/status/buildinfo", &[]);
    for field in ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"] {
        assert!(data[field].is_string(), "{field}: {data}");
    }
    // From 2.24 on Grafana uses the label calls with selectors; any `features` would make it call us Mimir.
    let version = data["version"].as_str().unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    assert!((parts.next(), parts.next()) >= (Some(2), Some(24)), "{version}");
    assert!(data.get("features").is_none(), "{data}");
}

#[test]
fn exemplars_are_an_empty_list_and_metadata_an_object() {
    let (node, _, end) = filled();
    let http = node.http();
    let end = seconds(end);
    for by_post in [false, true] {
        let parameters = [("query", "up"), ("start", "0"), ("end", end.as_str())];
        let answer = call(&http, by_post, "/api/v1/query_exemplars", &parameters);
        assert_eq!((answer.status, answer.json()["data"].clone()), (200, json!([])));
    }
    assert!(http.data("/api/v1/metadata", &[("limit", "10")]).is_object());
    assert!(http.data("/api/v1/status/tsdb", &[]).is_object());
}

#[test]
fn a_list_that_is_cut_says_so() {
    let (node, _, _) = filled();
    for (path, parameters) in [
        ("/api/v1/label/__name__/values", vec![("limit", "2")]),
        ("/api/v1/labels", vec![("limit", "2")]),
        ("/api/v1/series", vec![("limit", "2"), ("match[]", "http_requests_total")]),
    ] {
        let json = call(&node.http(), false, path, &parameters).json();
        assert_eq!(json["data"].as_array().map(Vec::len), Some(2), "{path}: {json}");
        assert!(json["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()), "{path}: {json}");
    }
}

#[test]
fn a_query_is_formatted_and_parsed() {
    let node = Node::start();
    let http = node.http();
    let formatted = http.data("/api/v1/format_query", &[("query", "sum(rate(up[5m]))by(job)")]);
    assert_eq!(formatted, json!("sum by (job) (rate(up[5m]))"));
    let parsed = http.data("/api/v1/parse_query", &[("query", "sum by (job) (up)")]);
    assert_eq!(parsed["type"], "aggregation", "{parsed}");
}

#[test]
fn an_answer_is_packed_where_that_is_asked_for() {
    let (node, _, end) = filled();
    let parameters = [("query", "http_requests_total[15m]"), ("time", &seconds(end))];
    let http = node.http();
    let plain = call(&http, false, "/api/v1/query", &parameters);
    assert_eq!(plain.header("content-encoding"), None);
    let packed = http
        .get_with("/api/v1/query", &parameters, &[("Accept-Encoding", "gzip")])
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).expect("it is gzip");
    assert_eq!(unpacked, plain.body);
}

#[test]
fn the_node_tells_about_itself() {
    let node = Node::start();
    let http = node.http();
    let get = |path| call(&http, false, path, &[]);
    assert_eq!(get("/-/healthy").status, 200);
    assert_eq!(get("/-/ready").status, 200);
    let metrics = get("/metrics");
    assert!(metrics.text().lines().any(|line| line.starts_with("plimsoll_")), "{}", metrics.text());
    let nothing = get("/api/v1/no_such_call");
    assert_eq!(nothing.status, 404, "{:?}", nothing.headers);
    assert!(!nothing.header("content-type").is_some_and(|kind| kind.starts_with("application/grpc")));
}

/// A node and a Prometheus with the same samples, and the time of the last.
fn filled() -> (Node, peers::Peer, i64) {
    let node = Node::start();
    let peer = peers::prometheus(&PrometheusJob { receive: true, ..PrometheusJob::default() });
    let end = now_ms() - 1000;
    let request = fixture::request(end);
    fixture::write(&node.http(), &request);
    fixture::write(&peer.http(), &request);
    (node, peer, end)
}

fn same_answer(ours: &Http, theirs: &Http, by_post: bool, path: &str, parameters: &[(&str, &str)]) {
    let (got, wanted) = (call(ours, by_post, path, parameters), call(theirs, by_post, path, parameters));
    let kind = |answer: &Response| answer.json()["data"]["resultType"].clone();
    assert_eq!(got.status, wanted.status, "{path} {parameters:?}: {}", got.text());
    assert_eq!(kind(&got), kind(&wanted), "{path} {parameters:?}");
    let read = |answer: &Response| {
        Answer::read(&answer.body).unwrap_or_else(|e| panic!("{path} {parameters:?}: {e}"))
    };
    if let Some(difference) = read(&got).difference(&read(&wanted), TOLERANCE) {
        panic!("{path} {parameters:?}: ours against Prometheus': {difference}");
    }
}

fn same_data(ours: &Http, theirs: &Http, by_post: bool, path: &str, parameters: &[(&str, &str)]) {
    let (got, wanted) = (call(ours, by_post, path, parameters), call(theirs, by_post, path, parameters));
    assert_eq!((got.status, wanted.status), (200, 200), "{path} {parameters:?}: {}", got.text());
    assert_eq!(data(&got), data(&wanted), "{path} {parameters:?}");
}
