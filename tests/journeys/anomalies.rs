//! What a node finds and sends by itself: anomalies over a restart, forecasts, reports on a schedule.

use crate::fixture::{self, SOON, now_ms, seconds};
use plimsoll_tests::plimsoll::{Node, run};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use plimsoll_tests::wait::{wait_for, wait_until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

const MINUTE: i64 = 60_000;
/// A schedule is due at a minute, at worst a whole one from now.
const A_MINUTE_AND_MORE: Duration = Duration::from_secs(90);

fn gauge(node: &Node, name: &str, samples: &[(i64, f64)]) {
    let mut request = WriteRequest::new();
    request.series(&SeriesBytes::new(&[("__name__", name), ("queue", "q<1>")]), samples);
    fixture::write(&node.http(), &request);
}

fn post(node: &Node, path: &str, body: &Value) -> (u16, String) {
    let headers = [("Content-Type", "application/json")];
    let answer = node.http().post(path, &headers, body.to_string().as_bytes()).expect("an answer");
    (answer.status, answer.text())
}

/// The watched series of `watch`, all of them.
fn found(node: &Node, watch: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
    let data = node.http().data("/api/v1/anomalies", parameters);
    let all = data["anomalies"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|a| a["watch"] == watch).collect()
}

#[test]
fn a_jump_is_found_as_a_series_also_after_a_restart() {
    let mut node = Node::start();
    let now = now_ms();
    // two hours of a value that wobbles
    let past: Vec<(i64, f64)> =
        (0..120).map(|m| (now - (120 - m) * MINUTE, 100.0 + ((m * 7919) % 11) as f64)).collect();
    gauge(&node, "queue_length", &past);
    let output = run(&[
        "anomalies",
        "add",
        "queue",
        "queue_length",
        "--interval",
        "10s",
        "--floor",
        "5",
        "--url",
        &node.url(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let calm =
        wait_for("a verdict on the queue", SOON * 2, || found(&node, "queue", &[("all", "true")]).pop());
    assert_eq!(calm["labels"]["queue"], "q<1>", "{calm}");
    let expected = calm["expected"].as_f64().expect("a figure");
    assert!((95.0..116.0).contains(&expected), "{calm}");
    assert!(calm["lower"].as_f64() < Some(expected) && calm["upper"].as_f64() > Some(expected), "{calm}");
    assert!(found(&node, "queue", &[]).is_empty(), "nothing is anomalous yet");

    gauge(&node, "queue_length", &[(now_ms(), 5000.0)]);
    let jump = wait_for("the jump to be found", SOON * 2, || found(&node, "queue", &[]).pop());
    assert!(jump["score"].as_f64() >= Some(3.5), "{jump}");
    assert!(jump["value"].as_f64() > jump["upper"].as_f64(), "{jump}");
    // what an alert would ask
    let alert = r#"anomaly_score{watch="queue"} > 3.5"#;
    let data = node.http().data("/api/v1/query", &[("query", alert)]);
    assert_eq!(data["result"].as_array().map(Vec::len), Some(1), "{data}");

    node.kill();
    node.restart();
    let from = now_ms();
    let after = format!("timestamp(anomaly_score{{watch=\"queue\"}}) > {}", seconds(from));
    wait_until("a verdict after the restart", SOON * 2, || {
        let data = node.http().data("/api/v1/query", &[("query", &after)]);
        data["result"].as_array().is_some_and(|all| !all.is_empty())
    });
    let again = found(&node, "queue", &[]).pop().expect("it is still anomalous");
    let expected = again["expected"].as_f64().expect("a figure");
    assert!((90.0..130.0).contains(&expected), "the past was read again: {again}");

    let (status, text) = post(&node, "/api/v1/anomalies/watches", &json!({"name": "a b", "expr": "up"}));
    assert_eq!(status, 400, "{text}");
    let (status, text) = post(&node, "/api/v1/anomalies/watches", &json!({"name": "a", "expr": "sum("}));
    assert!(status == 400 && text.contains("expr"), "{text}");
    assert_eq!(node.http().delete("/api/v1/anomalies/watches/nobody").expect("an answer").status, 404);
    assert_eq!(node.http().delete("/api/v1/anomalies/watches/queue").expect("an answer").status, 200);
}

#[test]
fn a_daily_pattern_is_forecast() {
    let node = Node::start();
    let step = 15 * MINUTE;
    let end = now_ms() / step * step;
    let value = |at: i64| {
        let day = (at % (1440 * MINUTE)) as f64 / (1440 * MINUTE) as f64;
        100.0 + 60.0 * (day * std::f64::consts::TAU).sin()
    };
    let samples: Vec<(i64, f64)> =
        (0..6 * 96).map(|i| end - i * step).rev().map(|at| (at, value(at))).collect();
    gauge(&node, "load", &samples);
    let told = node.http().data("/api/v1/forecast", &[("query", "load"), ("horizon", "1d")]);
    let series = &told["series"][0];
    assert_eq!(series["season"], "daily", "{series}");
    let points = series["points"].as_array().expect("points");
    assert_eq!(points.len(), 96);
    for point in points {
        let (at, expected) =
            (point["at_ms"].as_i64().expect("a time"), point["expected"].as_f64().expect("a figure"));
        assert!((expected - value(at)).abs() < 10.0, "{point} should be about {}", value(at));
        assert!(point["lower"].as_f64() <= Some(expected) && Some(expected) <= point["upper"].as_f64());
    }
    let output = run(&["forecast", "load", "--horizon", "6h", "-o", "csv", "--url", &node.url()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("series,time,expected,lower,upper\n") && text.lines().count() > 50, "{text}");
    for (query, horizon) in [("nothing_there", "1d"), ("load", "1y"), ("load[", "1d")] {
        let answer = node.http().get("/api/v1/forecast", &[("query", query), ("horizon", horizon)]);
        assert_eq!(answer.expect("an answer").status, 400, "{query} {horizon}");
    }
}

/// One request of a webhook: its head and body.
fn receive(stream: TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().expect("a length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    (&stream).write_all(answer.as_bytes()).expect("an answer");
    (head, String::from_utf8(body).expect("text"))
}

#[test]
fn scheduled_reports_arrive_as_a_file_and_at_a_webhook_once() {
    let node = Node::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hook = format!("http://{}/hook?room=a", listener.local_addr().expect("an address"));
    let (arrived, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // the test may have ended
            let _ = arrived.send(receive(stream));
        }
    });
    let mut request = WriteRequest::new();
    let labels = [("__name__", "llm_tokens_total"), ("loop_type", "coding"), ("token_type", "input")];
    let at = now_ms() - 1000;
    request.series(&SeriesBytes::new(&labels), &[(at - 1000, 0.0), (at, 4711.0)]);
    fixture::write(&node.http(), &request);

    // the next minute that is at least some seconds away, so that both are made before it
    let due = (now_ms() + 5_000) / MINUTE * MINUTE + MINUTE;
    let clock = format!("daily at {:02}:{:02}", due / (60 * MINUTE) % 24, due / MINUTE % 60);
    let add = |name: &str, more: &[&str]| {
        let base =
            ["report", "schedule", "add", name, "--report", "tokens", "--when", &clock, "--period", "1h"];
        let output = run(&[&base[..], more, &["--url", &node.url()]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    add("to-a-file", &["--format", "csv"]);
    add("to-a-hook", &["--format", "md", "--webhook", &hook]);
    let all = node.http().data("/api/v1/reports/schedules", &[]);
    assert_eq!(all[0]["next_ms"].as_i64(), Some(due), "{all}");
    assert!(all[0]["last"].is_null(), "{all}");

    let (head, body) = requests.recv_timeout(A_MINUTE_AND_MORE).expect("a report at the webhook");
    assert!(head.starts_with("POST /hook?room=a "), "{head}");
    assert!(head.to_ascii_lowercase().contains("x-plimsoll-report: to-a-hook"), "{head}");
    assert!(body.contains("4,711"), "{body}");
    let last = |name: &str| {
        let all = node.http().data("/api/v1/reports/schedules", &[]);
        let found = all.as_array().into_iter().flatten().find(|s| s["name"] == name).cloned();
        found.map(|s| s["last"].clone()).filter(|last| last["sent"] == true)
    };
    let run_of = wait_for("the file to be noted", SOON, || last("to-a-file"));
    assert_eq!(run_of["due_ms"].as_i64(), Some(due));
    let path = run_of["outcome"].as_str().expect("a path");
    assert!(path.starts_with(&*node.data().join("reports").to_string_lossy()), "{path}");
    let file = std::fs::read_to_string(path).expect("the file is there");
    assert!(file.contains("coding,,4711,4711,"), "{file}");
    wait_for("the webhook to be noted", SOON, || last("to-a-hook"));
    assert!(requests.try_recv().is_err(), "it came once");

    let (status, text) = post(
        &node,
        "/api/v1/reports/schedules",
        &json!({"name": "x", "report": "tokens", "when": "* * * * *", "to": "file"}),
    );
    assert!(status == 400 && text.contains("five minutes"), "{text}");
    let removed = run(&["report", "schedule", "remove", "to-a-file", "--url", &node.url()]);
    assert_eq!(removed.status.code(), Some(0));
    assert_eq!(node.http().data("/api/v1/reports/schedules", &[]).as_array().map(Vec::len), Some(1));
}
