//! Reports of a real node equal what was sent, to the last token: over resets, a restart of the sender, a kill of the
//! node, and on every node of a cluster.

use crate::fixture::{self, now_ms, seconds};
use plimsoll_tests::cluster::{Cluster, SETTLE_LIMIT};
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::{Node, run};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use serde_json::Value;

const MINUTE: i64 = 60_000;
/// Samples of a series, one a minute.
const COUNT: i64 = 120;

/// A ledger of what agents used: what was sent, and what a report must say.
struct Ledger {
    end: i64,
    /// Tokens by (loop type, kind), after the first sample up to the last.
    tokens: Vec<((&'static str, &'static str), f64)>,
    executions: f64,
    request: WriteRequest,
}

/// Two hours of counters that begin before the period of the report. One of the senders restarts twice.
fn ledger(end: i64) -> Ledger {
    let mut request = WriteRequest::new();
    let mut tokens = Vec::new();
    let at = |step: i64| end - (COUNT - 1 - step) * MINUTE;
    for (loop_type, weight) in [("coding", 1237.0), ("research", 331.0)] {
        for (kind, share) in [("input", 5.0), ("output", 1.0), ("cache_read", 11.0)] {
            let (mut value, mut sum, mut samples) = (1_000_000.0, 0.0, Vec::new());
            for step in 0..COUNT {
                let grown = weight * share + (step % 13) as f64;
                if loop_type == "coding" && (step == 40 || step == 90) {
                    // the process restarts, and has counted some already
                    value = 0.0;
                }
                value += grown;
                samples.push((at(step), value));
                sum += if step > 0 { grown } else { 0.0 };
            }
            let labels = [
                ("__name__", "llm_tokens_total"),
                ("loop_type", loop_type),
                ("model", "large"),
                ("token_type", kind),
                ("instance", loop_type),
            ];
            request.series(&SeriesBytes::new(&labels), &samples);
            tokens.push(((loop_type, kind), sum));
        }
    }
    let mut executions = 0.0;
    for (status, rate) in [("success", 19.0), ("error", 1.0)] {
        let mut series = |part: &str, le: Option<&str>, each: f64| {
            let name = format!("loop_execution_duration_seconds{part}");
            let mut labels = vec![("__name__", &*name), ("loop_type", "coding"), ("status", status)];
            labels.extend(le.map(|le| ("le", le)));
            let samples: Vec<(i64, f64)> = (0..COUNT).map(|s| (at(s), (s + 1) as f64 * each)).collect();
            request.series(&SeriesBytes::new(&labels), &samples);
        };
        for (le, share) in [("1", 0.5), ("10", 0.95), ("60", 1.0), ("+Inf", 1.0)] {
            series("_bucket", Some(le), rate * share);
        }
        series("_count", None, rate);
        series("_sum", None, rate * 4.0);
        executions += rate * (COUNT - 1) as f64;
    }
    Ledger { end, tokens, executions, request }
}

impl Ledger {
    /// The period after the first sample, up to the last.
    fn period(&self) -> [(&'static str, String); 2] {
        [("from", seconds(self.end - (COUNT - 1) * MINUTE)), ("to", seconds(self.end))]
    }

    fn report(&self, http: &Http, kind: &str, more: &[(&str, &str)]) -> Value {
        let period = self.period();
        let mut all: Vec<(&str, &str)> = period.iter().map(|(n, v)| (*n, v.as_str())).collect();
        all.extend_from_slice(more);
        http.data(&format!("/api/v1/reports/{kind}"), &all)
    }

    fn check(&self, http: &Http, what: &str) {
        let report = self.report(http, "tokens", &[]);
        let rows = report["tables"][0]["rows"].as_array().expect("rows");
        for ((loop_type, kind), wanted) in &self.tokens {
            let row =
                rows.iter().find(|r| r["loop_type"] == *loop_type).unwrap_or_else(|| panic!("{report}"));
            assert_eq!(row["tokens"][kind].as_f64(), Some(*wanted), "{what}: {loop_type} {kind}");
            assert_eq!(row["cost_basis"], "unpriced", "{row}");
            assert!(row["cost_usd"].is_null(), "{row}");
        }
        let all: f64 = self.tokens.iter().map(|(_, n)| n).sum();
        assert_eq!(report["tables"][0]["total"]["total"].as_f64(), Some(all), "{what}");
        let loops = self.report(http, "loops", &[]);
        let row = &loops["tables"][0]["rows"][0];
        assert_eq!(row["executions"].as_f64(), Some(self.executions), "{what}");
        assert_eq!(row["success_rate"].as_f64(), Some(0.95), "{what}");
        assert_eq!(row["median_seconds"].as_f64(), Some(1.0), "{what}");
        assert_eq!(row["p95_seconds"].as_f64(), Some(10.0), "{what}");
    }
}

#[test]
fn reports_equal_what_was_sent_over_resets_a_kill_and_a_restart() {
    let mut node = Node::start();
    let ledger = ledger(now_ms() - 1000);
    fixture::write(&node.http(), &ledger.request);
    ledger.check(&node.http(), "as sent");
    // sent again, as a sender does that heard no answer
    fixture::write(&node.http(), &ledger.request);
    ledger.check(&node.http(), "sent twice");
    node.kill();
    node.restart();
    ledger.check(&node.http(), "after a kill");
    let answer = node.http().post("/api/v1/admin/checkpoint", &[], b"").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    ledger.check(&node.http(), "after a checkpoint");
    node.stop();
    node.restart();
    ledger.check(&node.http(), "after a restart");
}

#[test]
fn every_node_of_a_cluster_tells_the_same() {
    let mut cluster = Cluster::start(3, &[]);
    let ledger = ledger(now_ms() - 1000);
    fixture::write(&cluster.node(0).http(), &ledger.request);
    for at in 0..3 {
        ledger.check(&cluster.node(at).http(), &format!("node {at}"));
    }
    cluster.node_mut(1).kill();
    cluster.wait_led(SETTLE_LIMIT);
    for at in [0, 2] {
        ledger.check(&cluster.node(at).http(), &format!("node {at} after the kill of another"));
    }
    let health = cluster.node(0).http().data("/api/v1/reports/health", &[]);
    let rows = health["tables"][0]["rows"].as_array().expect("rows").clone();
    assert!(rows.iter().any(|r| r["check"] == "node" && r["state"] == "bad"), "{health}");
}

#[test]
fn a_report_is_held_against_an_earlier_period() {
    let node = Node::start();
    let ledger = ledger(now_ms() - 1000);
    fixture::write(&node.http(), &ledger.request);
    let (half, to) = (seconds(ledger.end - 40 * MINUTE), seconds(ledger.end));
    let parameters = [("from", half.as_str()), ("to", &to), ("compare", "previous"), ("by", "loop_type")];
    let report = node.http().data("/api/v1/reports/loops", &parameters);
    let compare = &report["tables"][0]["rows"][0]["compare"]["executions"];
    assert_eq!((compare["before"].as_f64(), compare["delta"].as_f64()), (Some(800.0), Some(0.0)), "{report}");
    assert_eq!(compare["percent"].as_f64(), Some(0.0));
    assert_eq!(report["compare"]["name"], "the previous period");
}

#[test]
fn the_command_prints_every_form_and_bad_questions_are_refused_with_a_reason() {
    let node = Node::start();
    let ledger = ledger(now_ms() - 1000);
    fixture::write(&node.http(), &ledger.request);
    let (url, [(_, from), (_, to)]) = (node.url(), ledger.period());
    let data = |args: &[&str]| {
        let output = run(&[args, &["--url", &url, "--from", &from, "--to", &to]].concat());
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {messages}");
        String::from_utf8(output.stdout).expect("text")
    };
    let csv = data(&["report", "tokens", "-o", "csv"]);
    let header = "loop_type,model,total,tokens.input,tokens.output,tokens.cache_read,cost_usd,cost_basis\n";
    assert!(csv.starts_with(header), "{csv}");
    let table = data(&["report", "loops"]);
    assert!(table.contains("Loop performance") && table.contains("95 %"), "{table}");
    assert!(data(&["report", "loops", "-o", "md"]).contains("| loop type |"));
    assert!(data(&["report", "errors", "-o", "html"]).starts_with("<!doctype html>"));
    assert!(data(&["report", "tools"]).contains("nothing in this period"));
    assert!(data(&["report", "health"]).contains("shards"));
    let json: Value = serde_json::from_str(&data(&["report", "tokens", "-o", "json"])).expect("JSON");
    assert_eq!(json["schema"], "plimsoll.report/1");

    for (path, parameter) in [
        ("/api/v1/reports/tokens", ("from", "4000000000")),
        ("/api/v1/reports/tokens", ("from", "1")),
        ("/api/v1/reports/tokens", ("compare", "yesterday")),
        ("/api/v1/reports/tokens", ("by", "__name__")),
        ("/api/v1/reports/tokens", ("match", "{a=")),
        ("/api/v1/reports/tokens", ("format", "pdf")),
    ] {
        let answer = node.http().get(path, &[parameter]).expect("an answer");
        assert_eq!(answer.status, 400, "{parameter:?}: {}", answer.text());
    }
    let answer = node.http().get("/api/v1/reports/nothing", &[]).expect("an answer");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("loops, tokens, tools, errors, health"), "{}", answer.text());
    let wrong = run(&["report", "loops", "--from", "now", "--to", "now-1h", "--url", &url]);
    assert_eq!(wrong.status.code(), Some(2));
}
