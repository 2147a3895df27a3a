//! A real Prometheus scrapes a real node-exporter and remote-writes into a node, which then answers as it does.

use crate::fixture::{SOON, now_ms, seconds};
use plimsoll_tests::answer::Answer;
use plimsoll_tests::http::Http;
use plimsoll_tests::peers::{self, PrometheusJob};
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::wait::wait_until;

/// Scrapes (one a second) that both shall have before they are asked.
const SCRAPES: f64 = 12.0;

/// Asked at one moment and over a range. Sums of floats depend on their order, hence the tolerance.
const QUERIES: &[&str] = &[
    "up",
    "count({__name__=~\".+\"})",
    "count by (__name__) ({job=\"node\"})",
    "node_cpu_seconds_total",
    "sum by (mode) (rate(node_cpu_seconds_total[5s]))",
    "1 - avg by (instance) (irate(node_cpu_seconds_total{mode=\"idle\"}[5s]))",
    "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes",
    "topk(3, node_filesystem_size_bytes)",
    "max_over_time(node_load1[8s])",
    "quantile_over_time(0.9, scrape_duration_seconds[8s])",
    "increase(node_context_switches_total[8s]) / 8",
    "count(node_network_info) by (device)",
    "label_replace(node_uname_info, \"host\", \"$1\", \"nodename\", \"(.*)\")",
    "timestamp(up)",
    "absent(no_such_metric)",
];

const TOLERANCE: f64 = 1e-9;

#[test]
fn a_real_prometheus_writes_into_a_node_and_both_answer_the_same() {
    let node = Node::start();
    let exporter = peers::node_exporter();
    let prometheus = peers::prometheus(&PrometheusJob {
        scrape: vec![exporter.address()],
        remote_write: Some(format!("{}/api/v1/write", node.url())),
        receive: false,
        config: None,
    });
    let (ours, theirs) = (node.http(), prometheus.http());
    wait_until("twelve scrapes to arrive", SOON * 2, || newest(&ours, "count_over_time(up[1h])") >= SCRAPES);

    // A moment that both have passed; the odd milliseconds keep window edges off the samples.
    let at = now_ms() / 1000 * 1000 - 500 - 137;
    let passed = |http: &Http| newest(http, "timestamp(up)") * 1e3 > (at + 1000) as f64;
    wait_until("both to be past the moment of the queries", SOON, || passed(&ours) && passed(&theirs));
    for query in QUERIES {
        compare(&ours, &theirs, "/api/v1/query", &[("query", query), ("time", &seconds(at))]);
        let (start, end) = (seconds(at - 10_000), seconds(at));
        let range = [("query", *query), ("start", &start), ("end", &end), ("step", "1")];
        compare(&ours, &theirs, "/api/v1/query_range", &range);
    }
    for path in ["/api/v1/labels", "/api/v1/label/__name__/values", "/api/v1/label/mode/values"] {
        assert_eq!(ours.data(path, &[]), theirs.data(path, &[]), "{path}");
    }
}

/// The value of the only series of an instant query; below zero where there is none yet.
pub fn newest(http: &Http, query: &str) -> f64 {
    let data = http.data("/api/v1/query", &[("query", query)]);
    data["result"][0]["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(-1.0)
}

fn compare(ours: &Http, theirs: &Http, path: &str, parameters: &[(&str, &str)]) {
    let read = |http: &Http| {
        let answer = http.get(path, parameters).unwrap_or_else(|e| panic!("{parameters:?}: {e}"));
        Answer::read(&answer.body).unwrap_or_else(|e| panic!("{} {parameters:?}: {e}", http.base()))
    };
    let (got, wanted) = (read(ours), read(theirs));
    if let Some(difference) = got.difference(&wanted, TOLERANCE) {
        panic!("{path} {parameters:?}: ours against Prometheus': {difference}");
    }
}
