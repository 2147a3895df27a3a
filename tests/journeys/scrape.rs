//! Scraping: the same as Prometheus does with the same file; discovery; who a target is shown to; what happens when
//! a target, a series or the node that scrapes goes away.

use crate::fixture::SOON;
use crate::prometheus::newest;
use flate2::Compression;
use flate2::write::GzEncoder;
use plimsoll_tests::certificates::Authority;
use plimsoll_tests::cluster::Cluster;
use plimsoll_tests::exporter::{Exporter, Page};
use plimsoll_tests::http::Http;
use plimsoll_tests::peers::{self, PrometheusJob};
use plimsoll_tests::plimsoll::{self, Node};
use plimsoll_tests::wait::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::time::Duration;

/// A page with what makes formats and labels hard.
const PAGE: &str = "\
# HELP jobs_total A \\\\ text\\nof two lines.
# TYPE jobs_total counter
jobs_total{queue=\"a b\",job=\"own\"} 1.5e3
jobs_total{queue=\"\\\"q\\\\\\n\",instance=\"own\"} 2
jobs_total{queue=\"drop-me\"} 3
# TYPE latency histogram
latency_bucket{le=\"0.1\"} 1
latency_bucket{le=\"+Inf\"} 2
latency_sum 0.4
latency_count 2
# TYPE quick summary
quick{quantile=\"0.5\"} NaN
quick_sum -Inf
quick_count 0
empty{a=\"\"} 1
spaced { b = \"x\" , } 7
go_goroutines 9
UPPER{Zone=\"EU\"} 0
";

/// Jobs that treat the page in different ways; `TARGET` stands for its address.
const JOBS: &str = "\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: plain
  static_configs: [{targets: [TARGET], labels: {env: prod}}]
- job_name: honest
  honor_labels: true
  params: {module: [m1, m2]}
  static_configs: [{targets: [TARGET]}]
- job_name: relabelled
  relabel_configs:
  - {source_labels: [__address__], regex: '(.*):(.*)', target_label: port, replacement: '$2'}
  - {source_labels: [__address__], target_label: shard, action: hashmod, modulus: 1000}
  - {regex: '__scheme(.*)', replacement: 'scheme$1', action: labelmap}
  - {target_label: instance, replacement: renamed}
  - {source_labels: [keepme], regex: 'no', action: drop}
  metric_relabel_configs:
  - {source_labels: [queue], regex: 'drop.*', action: drop}
  - {source_labels: [__name__], regex: 'latency_(.+)', target_label: __name__, replacement: 'duration_$1'}
  - {regex: 'go_.*|Zone', action: labeldrop}
  - {source_labels: [queue], target_label: queue, action: uppercase}
  static_configs:
  - {targets: [TARGET], labels: {keepme: 'yes'}}
  - {targets: [TARGET], labels: {keepme: 'no'}}
- job_name: limited
  sample_limit: 3
  static_configs: [{targets: [TARGET]}]
- job_name: missing
  metrics_path: /nothing
  static_configs: [{targets: [TARGET]}]
";

fn with_config(yaml: &str, more: &[(&str, &str)]) -> Node {
    let folder = plimsoll::folder();
    let file = folder.path().join("scrape.yml");
    fs::write(&file, yaml).expect("a file in a temporary folder");
    let file = file.display().to_string();
    let settings: Vec<(&str, &str)> =
        [("scrape.config_file", file.as_str())].iter().chain(more).copied().collect();
    Node::start_in(folder, &settings, None)
}

/// As [`newest`], while shards may have no leader.
fn patient(http: &Http, query: &str) -> f64 {
    let answer = http.get("/api/v1/query", &[("query", query)]);
    let answer = answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.json());
    let value = answer.as_ref().and_then(|json| json["data"]["result"][0]["value"][1].as_str());
    value.and_then(|text| text.parse().ok()).unwrap_or(-1.0)
}

/// Series of an instant query with their values; durations and sizes, which differ by nature, without.
fn held(http: &Http, query: &str) -> BTreeMap<String, String> {
    let data = http.data("/api/v1/query", &[("query", query)]);
    let each = data["result"].as_array().cloned().unwrap_or_default();
    let series = each.iter().map(|series| {
        let labels: BTreeMap<String, Value> =
            serde_json::from_value(series["metric"].clone()).expect("labels are an object");
        (format!("{labels:?}"), series["value"][1].as_str().unwrap_or("").to_owned())
    });
    series.collect()
}

fn targets(http: &Http) -> Vec<Value> {
    http.data("/api/v1/targets", &[])["activeTargets"].as_array().cloned().unwrap_or_default()
}

fn apply(http: &Http, yaml: &str) -> Value {
    let answer = http.post("/api/v1/scrape/config", &[], yaml.as_bytes()).expect("the node answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn one_job(address: &str, more: &str) -> String {
    format!(
        "scrape_configs: [{{job_name: one, scrape_interval: 1s, scrape_timeout: 1s, {more} static_configs: [{{targets: ['{address}']}}]}}]"
    )
}

#[test]
fn a_node_and_a_real_prometheus_hold_the_same_after_scraping_by_the_same_file() {
    let exporter = Exporter::start(PAGE);
    let real = peers::node_exporter();
    let yaml = JOBS.replace("TARGET", &exporter.address())
        + &format!("- job_name: node\n  static_configs: [{{targets: ['{}']}}]\n", real.address());
    let node = with_config(&yaml, &[]);
    let prometheus = peers::prometheus(&PrometheusJob { config: Some(yaml), ..PrometheusJob::default() });
    let (ours, theirs) = (node.http(), prometheus.http());
    for http in [&ours, &theirs] {
        wait_until("three scrapes", SOON * 2, || newest(http, "min(count_over_time(up[1h]))") >= 3.0);
    }
    let exact = "{job=~\".+\", job!=\"node\", __name__!~\"scrape_duration_seconds|scrape_body_size_bytes|scrape_series_added\"}";
    let (got, wanted) = (held(&ours, exact), held(&theirs, exact));
    assert!(wanted.len() > 40, "{wanted:?}");
    assert_eq!(got, wanted);
    // the figures of this machine change from scrape to scrape; which there are does not
    let names = "count by (__name__) ({job=\"node\", __name__!=\"scrape_body_size_bytes\"})";
    let names = |http: &Http| held(http, names).into_keys().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    let still = "{__name__=~\"node_uname_info|node_memory_MemTotal_bytes|node_cpu_info|node_network_info\"}";
    assert_eq!(held(&ours, still), held(&theirs, still));
    let keys = |targets: Vec<Value>| {
        let each = targets.into_iter().map(|t| {
            (
                t["scrapeUrl"].to_string(),
                t["labels"].to_string(),
                t["health"].to_string(),
                t["scrapePool"].to_string(),
            )
        });
        let mut each: Vec<_> = each.collect();
        each.sort();
        each
    };
    assert_eq!(keys(targets(&ours)), keys(targets(&theirs)));
    let help = |http: &Http| http.data("/api/v1/metadata", &[("metric", "jobs_total")]);
    assert_eq!(help(&ours), help(&theirs));
}

#[test]
fn a_series_or_a_target_that_goes_ends_at_once_and_a_restart_forgets_neither() {
    let exporter = Exporter::start("a 1\nb 1\nc 1\n");
    let mut node = Node::start();
    let http = node.http();
    apply(&http, &one_job(&exporter.address(), ""));
    wait_until("three series", SOON, || newest(&http, "count({__name__=~\"a|b|c\"})") == 3.0);
    exporter.say("a 2\nb 2\n");
    wait_until("c to end", SOON, || held(&http, "c").is_empty());
    assert_eq!(held(&http, "b").len(), 1);
    node.kill();
    exporter.say("a 3\n");
    node.restart();
    wait_until("b to end, which went while nobody looked", SOON, || held(&http, "b").is_empty());
    assert_eq!(held(&http, "up").len(), 1);
    exporter.set("/metrics", Page { status: 500, ..Page::text("broken\n") });
    wait_until("a to end, because the target is down", SOON, || held(&http, "a").is_empty());
    wait_until("the target to be down", SOON, || newest(&http, "up") == 0.0);
    exporter.say("a 4\n");
    wait_until("the target to be up", SOON, || newest(&http, "up * a") == 4.0);
    let removed = http.delete("/api/v1/scrape/config").expect("the node answers");
    assert_eq!(removed.status, 200, "{}", removed.text());
    wait_until("all to end with the target", SOON, || held(&http, "{job=\"one\"}").is_empty());
    assert!(targets(&http).is_empty());
}

#[test]
fn targets_are_found_in_files_and_at_servers_and_seen_with_what_they_ask_for() {
    let authority = Authority::new("targets");
    let secure = Exporter::start_tls("secure 1\n", &authority.issue(&["localhost", "127.0.0.1"]));
    secure.set("/metrics", Page { needs: Some("Basic bWU6cGFzcw==".into()), ..Page::text("secure 1\n") });
    let plain = Exporter::start("");
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"packed 1\n").expect("memory");
    let gzip = vec!["Content-Encoding: gzip".to_owned()];
    let body = packed.finish().expect("memory");
    let token = Some("Bearer secret-token".to_owned());
    plain.set("/metrics", Page { body, headers: gzip, needs: token, ..Page::text("") });
    let list = format!("[{{\"targets\": [\"{}\"], \"labels\": {{\"from\": \"server\"}}}}]", plain.address());
    plain.set("/sd", Page { content_type: "application/json".into(), ..Page::text(&list) });
    let folder = plimsoll::folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("ca.pem", &authority.pem());
    write("password", "pass\n");
    write("token", "wrong\n");
    write("list.yml", &format!("- targets: ['{}']\n", secure.address()));
    let yaml = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: files
  scheme: https
  tls_config: {{ca_file: ca.pem}}
  basic_auth: {{username: me, password_file: password}}
  file_sd_configs: [{{files: ['*.yml'], refresh_interval: 1s}}]
- job_name: server
  authorization: {{credentials_file: token}}
  http_sd_configs: [{{url: 'http://{}/sd', refresh_interval: 1s}}]
",
        plain.address()
    );
    write("scrape.yaml", &yaml);
    let file = folder.path().join("scrape.yaml").display().to_string();
    let node = Node::start_with(&[("scrape.config_file", &file)]);
    let http = node.http();
    wait_until("the target of the file", SOON, || newest(&http, "secure{job=\"files\"}") == 1.0);
    wait_until("the target of the server", SOON, || newest(&http, "up{from=\"server\"}") == 0.0);
    write("token", "secret-token\n");
    wait_until("the changed token to be taken up", SOON * 2, || {
        newest(&http, "packed{from=\"server\"}") == 1.0
    });
    let asked = plain.seen().into_iter().rfind(|seen| seen.path == "/metrics").expect("a request");
    assert!(asked.headers["accept"].starts_with("application/openmetrics-text;version=1.0.0"));
    assert_eq!(asked.headers["accept-encoding"], "gzip");
    assert_eq!(asked.headers["x-prometheus-scrape-timeout-seconds"], "1");
    assert!(plain.connections() < 8, "connections are kept: {}", plain.connections());
    write("list.yml", "[]\n");
    wait_until("the target to go with its line", SOON, || held(&http, "{job=\"files\"}").is_empty());
    assert_eq!(http.data("/api/v1/scrape_pools", &[])["scrapePools"].to_string(), "[\"files\",\"server\"]");
}

#[test]
fn a_bad_document_changes_nothing_and_each_fault_is_told() {
    let exporter = Exporter::start("a 1\n");
    let node = Node::start();
    let http = node.http();
    apply(&http, &one_job(&exporter.address(), ""));
    for (yaml, wanted) in [
        ("scrape_configs: [{job_name: x, scrape_intervall: 1s}]", "did you mean `scrape_interval`"),
        ("scrape_configs: [{job_name: x, kubernetes_sd_configs: [{role: pod}]}]", "does not support"),
        ("scrape_configs: [{job_name: x, tls_config: {ca_file: ca.pem}}]", "must be absolute"),
        ("[", "line 1"),
    ] {
        let answer = http.post("/api/v1/scrape/config", &[], yaml.as_bytes()).expect("the node answers");
        assert_eq!(answer.status, 400, "{yaml}");
        assert!(answer.text().contains(wanted), "{yaml}: {}", answer.text());
    }
    let checked =
        http.post("/api/v1/scrape/config?check=true", &[], b"scrape_configs: []").expect("an answer");
    assert_eq!(checked.json()["data"]["applied"], false);
    wait_until("the first document to hold on", SOON, || newest(&http, "a") == 1.0);
    let file = node.folder().join("bad.yml");
    fs::write(&file, "scrape_configs:\n- job_name: x\n  colour: red\n").expect("a file");
    let run = plimsoll::run(&["scrape", "check", &file.display().to_string()]);
    assert_eq!(run.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&run.stderr).contains("line 3"),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    fs::write(&file, one_job(&exporter.address(), "metrics_path: /gone,")).expect("a file");
    let run = plimsoll::run(&["scrape", "apply", &file.display().to_string(), "--url", &node.url()]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    wait_until("the target to be down", SOON, || targets(&http).iter().any(|t| t["health"] == "down"));
    let run = plimsoll::run(&["targets", "--down", "-o", "csv", "--url", &node.url()]);
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(4), "{out}");
    assert!(out.contains("404"), "{out}");
}

#[test]
fn when_the_node_that_scrapes_is_killed_another_goes_on_and_ends_what_is_gone() {
    let exporter = Exporter::start("a 1\nb 1\n");
    let mut cluster = Cluster::start(3, &[("scrape.own_nodes", "true"), ("scrape.own_interval", "1s")]);
    let http = cluster.node(0).http();
    apply(&http, &one_job(&exporter.address(), ""));
    wait_until("both series", SOON * 2, || newest(&http, "count({__name__=~\"a|b\"})") == 2.0);
    wait_until("every node to tell of itself", SOON * 2, || {
        newest(&http, "sum(up{job=\"plimsoll\"})") == 3.0
    });
    let scraper = |http: &Http| {
        targets(http).iter().find_map(|t| t["node"].as_u64().filter(|_| t["scrapePool"] == "one"))
    };
    let victim = scraper(&http).expect("somebody scrapes it");
    let view = cluster.view().expect("a view");
    let at = cluster.place_of(&view, victim).expect("a place");
    let other = cluster.node((at + 1) % 3).http();
    let instance = cluster.node(at).address();
    cluster.node_mut(at).kill();
    exporter.say("a 2\n");
    wait_until("another node to scrape it", SOON * 3, || {
        scraper(&other).is_some_and(|n| n != victim) && patient(&other, "a") == 2.0
    });
    wait_until("b to end, which its scraper never saw go", SOON, || patient(&other, "absent(b)") == 1.0);
    let down = format!("up{{job=\"plimsoll\", instance=\"{instance}\"}}");
    wait_until("the dead node to be down", SOON * 2, || patient(&other, &down) == 0.0);
    let gone = format!("absent(plimsoll_series{{instance=\"{instance}\"}})");
    wait_until("what it told of itself to end", SOON, || patient(&other, &gone) == 1.0);
    let data = other.data("/api/v1/query", &[("query", "up{job=\"one\"}[5m]")]);
    let times: Vec<f64> = data["result"][0]["values"]
        .as_array()
        .expect("points")
        .iter()
        .filter_map(|p| p[0].as_f64())
        .collect();
    let gap = times.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    eprintln!("longest gap in `up`: {gap:.1} s of an interval of 1 s");
    assert!(gap < 20.0, "a gap of {gap} s: {times:?}");
    cluster.node_mut(at).restart();
    wait_until("the node to tell of itself again", SOON * 3, || patient(&other, &down) == 1.0);
}

#[test]
fn a_slow_target_keeps_no_other_waiting_and_a_large_one_is_cut_off() {
    let slow = Exporter::start("");
    slow.set("/metrics", Page { delay: Duration::from_secs(5), ..Page::text("slow 1\n") });
    let large = Exporter::start(&"x 1\n".repeat(50_000));
    let quick = Exporter::start("quick 1\n");
    let node = Node::start();
    let http = node.http();
    let yaml = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, body_size_limit: 100KB}}
scrape_configs:
- job_name: all
  static_configs: [{{targets: ['{}', '{}', '{}']}}]
",
        slow.address(),
        large.address(),
        quick.address()
    );
    apply(&http, &yaml);
    wait_until("five scrapes of the quick one", SOON, || newest(&http, "count_over_time(quick[1m])") >= 5.0);
    wait_until("the others to be down", SOON, || newest(&http, "count(up == 0)") == 2.0);
    let errors: Vec<String> = targets(&http).iter().map(|t| t["lastError"].to_string()).collect();
    assert!(errors.iter().any(|e| e.contains("no answer within the timeout of 1s")), "{errors:?}");
    assert!(errors.iter().any(|e| e.contains("body_size_limit")), "{errors:?}");
    assert_eq!(newest(&http, "count(scrape_body_size_bytes < 0)"), 1.0);
}
