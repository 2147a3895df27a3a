//! From a rule to those who are told: on one node, over Alertmanager and by mail, and over the loss of the node that
//! evaluates.

use crate::fixture::{SOON, now_ms};
use plimsoll_tests::cluster::Cluster;
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::{Node, folder, run};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use plimsoll_tests::wait::{wait_for, wait_until};
use plimsoll_tests::{peers, receivers};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// A group that is evaluated every second: an alert for each series of `load` over 5, after two seconds.
const GROUP: &str = r#"
name: journey
interval: 1s
rules:
- record: job:load:sum
  expr: sum by (job) (load)
- alert: Overload
  expr: job:load:sum > 5
  for: 2s
  labels: {severity: page}
  annotations: {summary: "{{ $labels.job }} has a load of {{ $value }}"}
"#;

fn route(receiver: &str) -> String {
    format!(
        "route: {{receiver: all, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}}\n\
         receivers:\n- name: all\n  {receiver}\n"
    )
}

fn put(http: &Http, path: &str, body: &str) {
    let answer = http.put(path, body.as_bytes()).expect("the node answers");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
}

/// Writes a sample of `load` now; a node that is being taken over may refuse it.
fn load(http: &Http, value: f64) {
    let mut request = WriteRequest::new();
    request.series(&SeriesBytes::new(&[("__name__", "load"), ("job", "api")]), &[(now_ms(), value)]);
    let _ = request.send(http);
}

fn value(http: &Http, query: &str) -> Option<String> {
    let answer = http.get("/api/v1/query", &[("query", query)]).ok()?;
    answer.json()["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
}

fn alert_states(http: &Http) -> Vec<String> {
    let Ok(answer) = http.get("/api/v1/alerts", &[]) else { return Vec::new() };
    let json = answer.json();
    let alerts = json["data"]["alerts"].as_array().cloned().unwrap_or_default();
    alerts.iter().filter_map(|a| a["state"].as_str().map(str::to_owned)).collect()
}

#[test]
fn an_alert_goes_from_its_rule_to_a_webhook_and_back_to_rest() {
    let (node, hook) = (Node::start(), receivers::webhook());
    let http = node.http();
    put(&http, "/api/v1/rules/groups/journey", GROUP);
    let url = format!("http://127.0.0.1:{}/hook", hook.port());
    put(&http, "/api/v1/notifications/config", &route(&format!("webhook_configs: [{{url: '{url}'}}]")));
    let shown = http.data("/api/v1/notifications/config", &[]);
    assert_eq!(shown["receivers"][0]["webhook_configs"][0]["url"], "<secret>");

    load(&http, 7.0);
    wait_until("the alert to be pending", SOON, || alert_states(&http) == ["pending"]);
    wait_until("the alert to fire", SOON, || alert_states(&http) == ["firing"]);
    wait_until("its series", SOON, || value(&http, "ALERTS{alertstate=\"firing\"}").as_deref() == Some("1"));
    assert_eq!(value(&http, "job:load:sum").as_deref(), Some("7"));
    let since = value(&http, "ALERTS_FOR_STATE").expect("it is written beside it");
    assert!(since.parse::<f64>().is_ok_and(|s| (s - now_ms() as f64 / 1e3).abs() < 60.0), "{since}");
    let message = wait_for("a message", SOON, || hook.got().first().cloned());
    assert_eq!((message["version"].as_str(), message["status"].as_str()), (Some("4"), Some("firing")));
    assert_eq!(message["alerts"][0]["annotations"]["summary"], "api has a load of 7");

    let groups = http.data("/api/v1/rules", &[("type", "alert"), ("rule_name[]", "Overload")]);
    let rule = &groups["groups"][0]["rules"][0];
    assert_eq!((rule["state"].as_str(), rule["health"].as_str()), (Some("firing"), Some("ok")));
    assert_eq!(rule["duration"], 2.0);

    load(&http, 1.0);
    let over = wait_for("the end to be told", SOON, || hook.got().get(1).cloned());
    assert_eq!(over["status"], "resolved");
    wait_until("the series to end", SOON, || value(&http, "ALERTS").is_none());
    assert_eq!(hook.got().len(), 2, "each is told once");

    let answer = http.delete("/api/v1/rules/groups/journey").expect("the node answers");
    assert_eq!(answer.status, 200);
    wait_until("what was recorded to end", SOON, || value(&http, "job:load:sum").is_none());
}

#[test]
fn a_silence_keeps_an_alert_from_everybody_and_bad_input_says_what_to_do() {
    let (node, hook) = (Node::start(), receivers::webhook());
    let http = node.http();
    let url = format!("http://127.0.0.1:{}/hook", hook.port());
    put(&http, "/api/v1/notifications/config", &route(&format!("webhook_configs: [{{url: '{url}'}}]")));
    let made = run(&[
        "alerts",
        "silence",
        "alertname=Overload",
        "--for",
        "1h",
        "--comment",
        "known",
        "--url",
        &node.url(),
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let id = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    put(&http, "/api/v1/rules/groups/journey", GROUP);
    load(&http, 7.0);
    wait_until("the alert to fire", SOON, || alert_states(&http) == ["firing"]);
    let silenced = || {
        let groups = http.data("/api/v1/notifications", &[]);
        groups["groups"][0]["alerts"][0]["silenced_by"][0] == id.as_str()
    };
    wait_until("the dispatcher to know of it", SOON, silenced);
    load(&http, 7.0);
    let expired = run(&["alerts", "expire", &id[..8], "--url", &node.url()]);
    assert!(expired.status.success());
    assert!(hook.got().is_empty(), "nobody was told while it was silent");
    wait_until("a message after its end", SOON, || hook.got().len() == 1);

    for (path, body, wanted) in [
        (
            "/api/v1/rules/groups/x",
            "name: x\nrules: [{alert: A, expr: 'sum('}]",
            "could not parse expression",
        ),
        ("/api/v1/rules/groups/x", "name: y\nrules: []", "make both the same"),
        ("/api/v1/notifications/config", "route: {receiver: none}\nreceivers: []", "there is no receiver"),
        ("/api/v1/notifications/config", "{", ""),
    ] {
        let answer = http.put(path, body.as_bytes()).expect("the node answers");
        assert_eq!(answer.status, 400, "{path} {body}");
        assert!(answer.text().contains(wanted), "{}", answer.text());
    }
    let everything = json!({"matchers": [{"name": "a", "value": ".*", "isRegex": true}], "endsAt": "2100-01-01T00:00:00Z"});
    let answer =
        http.post("/api/v1/silences", &[], everything.to_string().as_bytes()).expect("the node answers");
    assert_eq!(answer.status, 400, "{}", answer.text());
    let unknown = http.delete("/api/v1/rules/groups/none").expect("the node answers");
    assert_eq!(unknown.status, 404);
}

#[test]
fn alertmanager_and_a_mail_server_are_told() {
    let (node, mail, alertmanager) = (Node::start(), receivers::mail(), peers::alertmanager());
    let http = node.http();
    let receiver = format!(
        "email_configs: [{{to: 'ops@example.com, b@example.com', from: plimsoll@example.com, smarthost: '127.0.0.1:{}', require_tls: false, send_resolved: true}}]\n  \
         alertmanager_configs: [{{url: 'http://{}'}}]",
        mail.port(),
        alertmanager.address()
    );
    put(&http, "/api/v1/notifications/config", &route(&receiver));
    put(&http, "/api/v1/rules/groups/journey", GROUP);
    let urls = http.data("/api/v1/alertmanagers", &[]);
    assert_eq!(
        urls["activeAlertmanagers"][0]["url"],
        format!("http://{}/api/v2/alerts", alertmanager.address())
    );
    load(&http, 7.0);
    let text = wait_for("a mail", SOON, || mail.got().first().cloned());
    assert!(text.contains("Subject: [FIRING:1] Overload (all)"), "{text}");
    assert!(
        text.contains("To: ops@example.com, b@example.com") && text.contains("api has a load of 7"),
        "{text}"
    );
    let held = || {
        let answer = alertmanager.http().get("/api/v2/alerts", &[]).ok()?;
        answer.json().as_array().cloned()
    };
    let alerts = wait_for("Alertmanager to hold it", SOON, || held().filter(|a| !a.is_empty()));
    assert_eq!(alerts[0]["labels"], json!({"alertname": "Overload", "job": "api", "severity": "page"}));
    load(&http, 1.0);
    wait_until("Alertmanager to drop it", SOON, || held().is_some_and(|a| a.is_empty()));
    wait_until("a mail that it is over", SOON, || mail.got().len() == 2);
    assert!(mail.got()[1].contains("over: api has a load"), "{}", mail.got()[1]);
}

#[test]
fn a_pending_alert_outlives_its_evaluator_fires_in_time_and_is_told_once() {
    let hook = receivers::webhook();
    let mut cluster = Cluster::start(3, &[]);
    let http = cluster.node(0).http();
    let url = format!("http://127.0.0.1:{}/hook", hook.port());
    put(&http, "/api/v1/notifications/config", &route(&format!("webhook_configs: [{{url: '{url}'}}]")));
    put(&http, "/api/v1/rules/groups/journey", &GROUP.replace("for: 2s", "for: 25s"));
    let evaluator = wait_for("an evaluator", SOON, || {
        let groups = http.data("/api/v1/rules", &[]);
        let id = groups["groups"][0]["node"].as_u64()?;
        cluster.place_of(&cluster.view()?, id)
    });
    let others: Vec<Http> = (0..3).filter(|at| *at != evaluator).map(|at| cluster.node(at).http()).collect();
    load(&others[0], 7.0);
    wait_until("the alert to be pending", SOON, || alert_states(&others[0]) == ["pending"]);
    let since = |http: &Http| value(http, "ALERTS_FOR_STATE");
    let began = wait_for("its series", SOON, || since(&others[0]));
    cluster.node_mut(evaluator).kill();
    let message = wait_for("a message", Duration::from_secs(60), || {
        load(&others[0], 7.0);
        hook.got().first().cloned()
    });
    assert_eq!(message["alerts"][0]["labels"]["alertname"], "Overload");
    let waited = now_ms() as f64 / 1e3 - began.parse::<f64>().expect("a number");
    assert!((25.0..40.0).contains(&waited), "it was told after {waited} s of 25");
    wait_until("the same beginning as before", SOON, || since(&others[0]).as_deref() == Some(began.as_str()));
    let repeated = |got: &[Value]| got.iter().filter(|m| m["status"] == "firing").count();
    // two intervals of its group pass; a repeat would come with the first
    let passed = now_ms() + 5_000;
    wait_until("some intervals to pass", SOON, || now_ms() > passed);
    assert_eq!(repeated(&hook.got()), 1, "{:#?}", hook.got());
}

const TESTS: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {series: 'errors{job="a"}', values: '0+1x5 10+10x20'}
  - {series: 'errors{job="b"}', values: '0 _ 3 stale 5x20'}
  alert_rule_test:
  - eval_time: 12m
    alertname: Errors
    exp_alerts:
    - exp_labels: {job: a, severity: page}
      exp_annotations: {summary: 'a: 166.7m/s, 1.235M and 12.35%', when: '1970-01-01 00:00:00 +0000 UTC'}
  promql_expr_test:
  - {expr: 'job:errors:rate5m{job="a"} > 1', eval_time: 4m}
  - expr: count(ALERTS)
    eval_time: 11m
    exp_samples: [{value: 1}]
"#;

const RULES: &str = r#"
groups:
- name: g
  rules:
  - {record: 'job:errors:rate5m', expr: 'rate(errors[5m])'}
  - alert: Errors
    expr: job:errors:rate5m > 0.1
    for: 3m
    labels: {severity: page}
    annotations:
      summary: '{{ $labels.job }}: {{ humanize $value }}/s, {{ humanize 1234567.0 }} and {{ humanizePercentage 0.1234567 }}'
      when: '{{ humanizeTimestamp 0 }}'
"#;

#[test]
fn unit_tests_of_rules_say_what_promtool_says() {
    let folder = folder();
    let (rules, tests) = (folder.path().join("rules.yml"), folder.path().join("tests.yml"));
    std::fs::write(&rules, RULES).expect("a file");
    // as it is, then with one expectation after another changed
    let changes = [
        ("", ""),
        ("12m", "7m"),
        ("166.7m/s", "170m/s"),
        ("value: 1", "value: 2"),
        ("eval_time: 4m", "eval_time: 14m"),
        ("severity: page", "severity: warn"),
    ];
    let mut verdicts = Vec::new();
    for (from, to) in changes {
        let text = if from.is_empty() { TESTS.to_owned() } else { TESTS.replacen(from, to, 1) };
        std::fs::write(&tests, text).expect("a file");
        let theirs =
            Command::new("promtool").args(["test", "rules"]).arg(&tests).output().expect("Debian's promtool");
        let ours = run(&["rules", "test", &tests.display().to_string()]);
        let said = |o: &std::process::Output| {
            format!("{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr))
        };
        assert_eq!(
            ours.status.success(),
            theirs.status.success(),
            "{from} -> {to}: ours {} theirs {}",
            said(&ours),
            said(&theirs)
        );
        verdicts.push(ours.status.success());
    }
    assert!(verdicts[0] && verdicts[1..].iter().any(|v| !v), "{verdicts:?}");

    let checked = run(&["rules", "check", &rules.display().to_string()]);
    assert!(checked.status.success());
    std::fs::write(&rules, RULES.replace("rate(", "rat(")).expect("a file");
    let bad = run(&["rules", "check", &rules.display().to_string()]);
    assert_eq!(bad.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&bad.stderr).contains("line 5"),
        "{}",
        String::from_utf8_lossy(&bad.stderr)
    );
}

#[test]
fn lint_finds_a_rule_that_reads_series_that_never_were() {
    let node = Node::start();
    load(&node.http(), 1.0);
    let folder = folder();
    let file = folder.path().join("rules.yml");
    let text = "groups:\n- name: g\n  rules:\n  - {record: 'a:b', expr: 'load + laod'}\n";
    std::fs::write(&file, text).expect("a file");
    let found = run(&["rules", "lint", &file.display().to_string(), "--url", &node.url(), "-o", "jsonl"]);
    assert_eq!(found.status.code(), Some(3));
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(text.contains("never-seen") && text.contains("laod"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let put = run(&["rules", "put", &file.display().to_string(), "--url", &node.url()]);
    assert!(put.status.success());
    wait_until("the rule to be evaluated", SOON, || {
        let groups = node.http().data("/api/v1/rules", &[]);
        groups["groups"][0]["rules"][0]["health"] == "ok"
    });
    let builtin = run(&["rules", "builtin"]);
    let file = folder.path().join("builtin.yml");
    std::fs::write(&file, &builtin.stdout).expect("a file");
    assert!(run(&["rules", "check", &file.display().to_string()]).status.success());
}
