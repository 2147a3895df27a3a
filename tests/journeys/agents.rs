//! Telemetry of agents: three tools send what they send, and the canonical totals and costs are the ledger's.

use crate::fixture::{self, now_ms, seconds};
use plimsoll_tests::cluster::{Cluster, SETTLE_LIMIT};
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::{Node, run};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use plimsoll_tests::wait::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Until agents are heard of first, some steps, their work, and what a busy machine adds.
const WORKED: Duration = Duration::from_secs(120);
/// Going back takes as long as a mark waits for its request to end.
const REWORKED: Duration = Duration::from_secs(120);

const CLAUDE: [(&str, f64); 4] =
    [("input", 3.0), ("output", 15.0), ("cacheRead", 0.3), ("cacheCreation", 3.75)];

fn claude(request: &mut WriteRequest, session: &str, at: i64, values: [f64; 4]) {
    for ((kind, _), value) in CLAUDE.iter().zip(values) {
        let labels = [
            ("__name__", "claude_code_token_usage_tokens_total"),
            ("session_id", session),
            ("model", "claude-sonnet-4-5"),
            ("type", kind),
        ];
        request.series(&SeriesBytes::new(&labels), &[(at, value)]);
    }
}

fn codex(request: &mut WriteRequest, at: i64, values: [f64; 4]) {
    let kinds = ["input", "cached_input", "output", "reasoning_output"];
    for (kind, value) in kinds.iter().zip(values) {
        let labels = [
            ("__name__", "codex_turn_token_usage_sum"),
            ("job", "codex"),
            ("model", "gpt-5-codex"),
            ("token_type", kind),
        ];
        request.series(&SeriesBytes::new(&labels), &[(at, value)]);
    }
}

fn gemini(http: &Http, at: i64, values: [f64; 4]) {
    let kinds = ["input", "cache", "output", "thought"];
    let line = |(kind, value): (&&str, f64)| {
        format!(
            "gemini_cli_token_usage_total{{model=\"gemini-2.5-pro\",type=\"{kind}\",session_id=\"g\"}} {value} {at}\n"
        )
    };
    let text: String = kinds.iter().zip(values).map(line).collect();
    let answer =
        http.post("/api/v1/import/prometheus", &[], text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(answer.status / 100, 2, "{}", answer.text());
}

/// Tokens, their cost and its text, by source and kind.
type Books = BTreeMap<(String, String), (f64, f64, String)>;

/// Those of the last 29 days.
fn books(http: &Http) -> Option<Books> {
    let parameters = [
        ("start", seconds(now_ms() - 29 * 86_400_000)),
        ("end", seconds(now_ms() + 1000)),
        ("by", "telemetry_source".to_owned()),
        ("by", "token_type".to_owned()),
    ];
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let answer = http.get("/api/v1/agents/cost", &parameters).ok().filter(|answer| answer.status == 200)?;
    let groups = answer.json()["data"]["groups"].as_array()?.clone();
    let group = |group: &Value| {
        let label = |name: &str| group["labels"][name].as_str().unwrap_or("").to_owned();
        let number = |name: &str| group[name].as_f64().unwrap_or(f64::NAN);
        let cost = group["cost_usd"].as_str().unwrap_or("").to_owned();
        (
            (label("telemetry_source"), label("token_type")),
            (number("tokens"), number("unpriced_tokens"), cost),
        )
    };
    Some(groups.iter().map(group).filter(|(_, (tokens, ..))| *tokens > 0.0).collect())
}

fn expect(http: &Http, limit: Duration, expected: &[(&str, &str, f64, &str)]) {
    let entry = |(source, kind, tokens, cost): &(&str, &str, f64, &str)| {
        ((source.to_string(), kind.to_string()), (*tokens, 0.0, cost.to_string()))
    };
    let expected: BTreeMap<_, _> = expected.iter().map(entry).collect();
    let mut last = None;
    let what = format!("the books to be {expected:?}");
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_until(&what, limit, || {
            last = books(http);
            last.as_ref() == Some(&expected)
        });
    }));
    assert!(done.is_ok(), "wanted {expected:#?}\nfound {last:#?}\n{}", status(http));
}

fn status(http: &Http) -> String {
    http.get("/api/v1/agents/status", &[]).map_or_else(|e| e.to_string(), |answer| answer.text())
}

fn instant(http: &Http, query: &str) -> Option<f64> {
    let time = seconds(now_ms() + 1000);
    let answer = http.get("/api/v1/query", &[("query", query), ("time", &time)]).ok()?;
    answer.json()["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

#[test]
fn three_tools_are_counted_to_the_last_token_over_a_kill_and_late_samples() {
    let mut node = Node::start();
    let http = node.http();
    let at = now_ms() - 20_000;
    let mut request = WriteRequest::new();
    claude(&mut request, "s1", at, [100.0, 50.0, 9_000.0, 400.0]);
    codex(&mut request, at, [10_000.0, 8_000.0, 1_000.0, 700.0]);
    fixture::write(&http, &request);
    gemini(&http, at, [5_000.0, 4_000.0, 200.0, 300.0]);
    expect(
        &http,
        WORKED,
        &[
            ("claude_code", "input", 100.0, "0.0003"),
            ("claude_code", "output", 50.0, "0.00075"),
            ("claude_code", "cache_read", 9_000.0, "0.0027"),
            ("claude_code", "cache_write", 400.0, "0.0015"),
            ("codex", "input", 2_000.0, "0.0025"),
            ("codex", "cache_read", 8_000.0, "0.001"),
            ("codex", "output", 300.0, "0.003"),
            ("codex", "reasoning", 700.0, "0.007"),
            ("gemini_cli", "input", 1_000.0, "0.00125"),
            ("gemini_cli", "cache_read", 4_000.0, "0.0005"),
            ("gemini_cli", "output", 200.0, "0.002"),
            ("gemini_cli", "reasoning", 300.0, "0.003"),
        ],
    );
    node.kill();
    node.restart();
    // the counters go on, one began anew; the same again changes nothing
    let mut request = WriteRequest::new();
    claude(&mut request, "s1", at, [100.0, 50.0, 9_000.0, 400.0]);
    claude(&mut request, "s1", now_ms(), [1_100.0, 60.0, 9_000.0, 500.0]);
    codex(&mut request, now_ms(), [500.0, 400.0, 100.0, 0.0]);
    fixture::write(&http, &request);
    // a session of three days ago, which no window since has seen
    let mut request = WriteRequest::new();
    let old = now_ms() - 3 * 86_400_000;
    claude(&mut request, "s0", old, [10.0, 10.0, 10.0, 10.0]);
    claude(&mut request, "s0", old + 60_000, [20.0, 30.0, 40.0, 50.0]);
    fixture::write(&http, &request);
    expect(
        &http,
        REWORKED,
        &[
            ("claude_code", "input", 1_120.0, "0.00336"),
            ("claude_code", "output", 90.0, "0.00135"),
            ("claude_code", "cache_read", 9_040.0, "0.002712"),
            ("claude_code", "cache_write", 550.0, "0.0020625"),
            ("codex", "input", 2_100.0, "0.002625"),
            ("codex", "cache_read", 8_400.0, "0.00105"),
            ("codex", "output", 400.0, "0.004"),
            ("codex", "reasoning", 700.0, "0.007"),
            ("gemini_cli", "input", 1_000.0, "0.00125"),
            ("gemini_cli", "cache_read", 4_000.0, "0.0005"),
            ("gemini_cli", "output", 200.0, "0.002"),
            ("gemini_cli", "reasoning", 300.0, "0.003"),
        ],
    );
    // the same as series
    let spent = instant(&http, "sum(max_over_time(llm_cost_usd_total{telemetry_source=\"codex\"}[1h]))");
    assert!(spent.is_some_and(|spent| (spent - 0.014675).abs() < 1e-12), "{spent:?}");
    assert_eq!(
        instant(&http, "sum(max_over_time(llm_tokens_used{telemetry_source=\"codex\"}[1h]))"),
        Some(11_600.0)
    );
    assert_eq!(instant(&http, "count(llm_price_missing_total)"), None);
}

/// Runs a command of the CLI; panics unless it ends with `code`.
fn told(node: &Node, code: i32, arguments: &[&str]) -> String {
    let url = node.url();
    let output = run(&[arguments, &["--url", &url]].concat());
    let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}\n{err}");
    out + &err
}

#[test]
fn a_book_and_budgets_are_applied_by_commands_and_past_tokens_are_priced_anew() {
    let node = Node::start();
    let http = node.http();
    let file = |name: &str, text: &str| {
        let path = node.folder().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let tokens = |at: i64, value: f64| {
        let labels =
            [("__name__", "llm_tokens_total"), ("model", "house"), ("token_type", "output"), ("team", "red")];
        let mut request = WriteRequest::new();
        request.series(&SeriesBytes::new(&labels), &[(at, value)]);
        fixture::write(&http, &request);
    };
    tokens(now_ms() - 15_000, 1e6);
    wait_until("the tokens to be missed in the book", WORKED, || {
        instant(&http, "sum(llm_price_missing_total{model=\"house\"})") == Some(1e6)
    });
    let broken = file(
        "broken.toml",
        "revision = \"x\"\n[[price]]\nprovider = \"*\"\nmodel = \"house\"\nfrom = \"now\"\n",
    );
    assert!(told(&node, 1, &["prices", "check", &broken]).contains("\"now\" is no date"));
    let book = |revision: &str, price: &str| {
        format!(
            "revision = \"{revision}\"\n[[price]]\nprovider = \"*\"\nmodel = \"house\"\nfrom = \"2026-01-01\"\noutput = \"{price}\"\n"
        )
    };
    let first = file("first.toml", &book("first", "10"));
    assert!(told(&node, 0, &["prices", "check", &first]).contains("is sound"));
    told(&node, 0, &["prices", "apply", &first]);
    let changed = file("changed.toml", &book("first", "11"));
    assert!(told(&node, 1, &["prices", "apply", &changed]).contains("another revision"));
    assert!(told(&node, 0, &["prices", "show"]).contains("output = \"10\""));

    told(&node, 0, &["budget", "set", "teams", "--limit", "25", "--period", "month", "--group", "team"]);
    tokens(now_ms(), 3e6);
    wait_until("the budget to be spent", REWORKED, || {
        instant(&http, "budget_spent_usd{budget=\"teams\",team=\"red\"}").is_some_and(|v| v >= 20.0)
    });
    // the first million was used before there was a price; within the settling time it gets the new one
    let spent = instant(&http, "budget_spent_usd{budget=\"teams\"}").expect("it is there");
    assert!((20.0..=30.0).contains(&spent), "{spent}");
    assert_eq!(instant(&http, "budget_limit_usd{budget=\"teams\"}"), Some(25.0));
    assert!(instant(&http, "budget_forecast_usd > budget_limit_usd").is_some(), "it will not do");
    assert!(instant(&http, "budget_burn_rate{window=\"1h\"}").is_some_and(|rate| rate > 14.0));
    let listed = told(&node, 0, &["budget", "list"]);
    assert!(listed.contains("teams"), "{listed}");

    let other = file("other.toml", &book("other", "1"));
    let cost = told(&node, 0, &["agents", "cost", "--by", "model", "--prices", &other, "-o", "csv"]);
    assert!(cost.contains("house,3000000,0,3.00"), "{cost}");
    assert!(told(&node, 0, &["agents", "status"]).lines().count() >= 2);
    assert!(told(&node, 0, &["agents", "mapping", "show"]).contains("claude_code"));
    told(&node, 0, &["budget", "remove", "teams"]);
    assert!(told(&node, 1, &["budget", "remove", "teams"]).contains("no budget"));
    let mapping = file("mapping.toml", "revision = \"mine\"\n[[source]]\nname = \"a\"\n");
    assert!(told(&node, 1, &["agents", "mapping", "check", &mapping]).contains("source a: rules"));
}

/// A month of Claude Code and Codex, sent day by day as history to three nodes, each request twice, with a node killed
/// in between and another one added.
#[test]
fn a_month_sent_late_to_a_cluster_that_loses_a_node_is_the_ledgers_to_the_last_token() {
    let mut cluster = Cluster::start(3, &[("shards.count", "4")]);
    let begin = now_ms() - 28 * 86_400_000;
    let (mut claude_sent, mut codex_sent) = ([0.0; 4], [0.0; 4]);
    let mut codex_counters = [0.0; 4];
    for day in 0..28i64 {
        if day == 9 {
            let duty = duty_node(&cluster);
            cluster.node_mut(duty).kill();
        }
        if day == 18 {
            let dead = (0..3).find(|at| !cluster.node(*at).runs()).expect("one is dead");
            cluster.node_mut(dead).restart();
            cluster.add();
        }
        let http = cluster.node(cluster.running()[0]).http();
        for hour in 0..4i64 {
            let at = begin + day * 86_400_000 + hour * 3_600_000;
            let mut request = WriteRequest::new();
            // a session an hour, of two samples
            let session = format!("s{day}-{hour}");
            let values = [100.0 + hour as f64, 10.0 * day as f64 + 1.0, 1_000.0, 7.0];
            claude(&mut request, &session, at, values);
            claude(&mut request, &session, at + 600_000, values.map(|v| v * 2.0));
            claude_sent.iter_mut().zip(values).for_each(|(sum, v)| *sum += v * 2.0);
            // one process a day
            let more = [500.0, 300.0, 90.0, 60.0].map(|v| v + hour as f64);
            let counters =
                if hour == 0 { more } else { std::array::from_fn(|k| codex_counters[k] + more[k]) };
            codex_counters = counters;
            codex_sent.iter_mut().zip(more).for_each(|(sum, v)| *sum += v);
            codex(&mut request, at, codex_counters);
            let mut sent = 0;
            wait_until("the request to be taken twice", SETTLE_LIMIT, || {
                sent += usize::from(request.send(&http).is_ok_and(|answer| answer.status / 100 == 2));
                sent >= 2
            });
        }
    }
    cluster.wait_settled(SETTLE_LIMIT);
    let [input, cached, output, reasoning] = codex_sent;
    let expected = [
        ("claude_code", "input", claude_sent[0], 3_000_000),
        ("claude_code", "output", claude_sent[1], 15_000_000),
        ("claude_code", "cache_read", claude_sent[2], 300_000),
        ("claude_code", "cache_write", claude_sent[3], 3_750_000),
        ("codex", "input", input - cached, 1_250_000),
        ("codex", "cache_read", cached, 125_000),
        ("codex", "output", output - reasoning, 10_000_000),
        ("codex", "reasoning", reasoning, 10_000_000),
    ];
    let priced: Vec<_> =
        expected.iter().map(|(s, k, tokens, pico)| (*s, *k, *tokens, dollars(*tokens, *pico))).collect();
    let priced: Vec<_> = priced.iter().map(|(s, k, tokens, cost)| (*s, *k, *tokens, cost.as_str())).collect();
    expect(&cluster.node(1).http(), REWORKED * 2, &priced);
}

fn duty_node(cluster: &Cluster) -> usize {
    let data = cluster.node(0).http().data("/api/v1/agents/status", &[]);
    let id = data["duty_of_node"].as_u64().expect("a shard has a leader");
    (0..3).find(|at| cluster.id_of(*at) == Some(id)).expect("a member")
}

/// Whole picodollars as the API writes them.
fn dollars(tokens: f64, pico: u128) -> String {
    let amount = tokens as u128 * pico;
    let rest = format!("{:012}", amount % 1_000_000_000_000);
    let shown = rest.trim_end_matches('0').len().max(2);
    format!("{}.{}", amount / 1_000_000_000_000, &rest[..shown])
}
