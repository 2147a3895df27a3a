//! The command line against a node with known samples: formats, exit codes, where messages go.

use crate::fixture::{self, now_ms, seconds};
use plimsoll_tests::plimsoll::{Node, run};
use serde_json::Value;
use std::process::Output;

struct Shell {
    node: Node,
    at: String,
}

impl Shell {
    fn new() -> Self {
        let node = Node::start();
        let end = now_ms() - 1000;
        fixture::write(&node.http(), &fixture::request(end));
        Self { at: seconds(end + 1), node }
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&[args, &["--url", &self.node.url()]].concat())
    }

    /// Data on stdout of a command that must succeed.
    fn data(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {messages}");
        String::from_utf8(output.stdout).expect("the output is UTF-8")
    }

    fn json(&self, args: &[&str]) -> Value {
        let text = self.data(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}"))
    }
}

#[test]
fn reads_print_json_with_a_schema_and_csv_with_a_header() {
    let shell = Shell::new();
    let at = shell.at.as_str();
    let reads: [&[&str]; 5] = [
        &["query", "sum by (code) (http_requests_total)", "--time", at],
        &["range", "up", "--end", at, "--start", "now-10m"],
        &["labels"],
        &["series", "up"],
        &["status"],
    ];
    for args in reads {
        let json = shell.json(args);
        assert!(json["schema"].as_str().is_some_and(|schema| schema.contains('/')), "{args:?}: {json}");
        let csv = shell.data(&[args, &["-o", "csv"]].concat());
        assert!(csv.lines().count() >= 2, "{args:?}: a header and rows: {csv}");
        assert!(!shell.data(args).is_empty(), "{args:?}");
    }
}

#[test]
fn a_query_prints_the_value() {
    let shell = Shell::new();
    let csv = shell.data(&["query", "sum(up)", "--time", &shell.at, "-o", "csv"]);
    let row = csv.lines().nth(1).unwrap_or_default();
    assert!(row.split(',').any(|cell| cell == "3"), "{csv}");
    let json = shell.json(&["query", "up{instance=\"a:9100\"}", "--time", &shell.at]);
    assert!(json.to_string().contains("a:9100"), "{json}");
}

#[test]
fn exit_codes_tell_failure_usage_and_absence_apart() {
    let shell = Shell::new();
    let bad = shell.run(&["query", "sum(("]);
    assert!(matches!(bad.status.code(), Some(1 | 2)), "{:?}", bad.status);
    assert!(bad.stdout.is_empty() && !bad.stderr.is_empty(), "messages belong on stderr");
    assert_eq!(shell.run(&["query"]).status.code(), Some(2));
    let nobody = run(&["query", "up", "--url", "http://127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(5), "{}", String::from_utf8_lossy(&nobody.stderr));
}

#[test]
fn what_is_exported_can_be_imported_into_another_node() {
    let shell = Shell::new();
    let lines = shell.data(&["export", "{__name__=~\".+\"}", "--start", "now-1h"]);
    let other = Shell { node: Node::start(), at: shell.at.clone() };
    let file = other.node.folder().join("export.jsonl");
    std::fs::write(&file, &lines).expect("a temporary file");
    other.data(&["import", &file.to_string_lossy()]);
    let count = ["query", "count({__name__=~\".+\"})", "--time", &shell.at, "-o", "csv"];
    assert_eq!(other.data(&count), shell.data(&count));
}
