//! The first five minutes: `plimsoll demo`, every line that it prints to be tried, and every way to break it.

use crate::fixture::SOON;
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::binary;
use plimsoll_tests::process::{Process, free_port};
use plimsoll_tests::wait::{wait_for, wait_until};
use serde_json::Value;
use std::env;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

/// Three nodes start one after another, and a debug log may be long in coming on a busy machine.
const LONG: Duration = Duration::from_secs(120);

struct Demo {
    folder: TempDir,
    process: Process,
    address: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(binary());
        command.args(["demo", "--listen", &address]).args(arguments);
        command.env("TMPDIR", folder.path()).env("XDG_RUNTIME_DIR", folder.path());
        let process = Process::start(&mut command, folder.path().join("log"));
        let mut demo = Self { folder, process, address };
        wait_until("the demo to greet", LONG, || {
            assert!(demo.process.ended().is_none(), "the demo ended:\n{}", demo.process.log());
            demo.process.log().contains("plimsoll range")
        });
        demo
    }

    fn http(&self) -> Http {
        Http::new(format!("http://{}", self.address))
    }

    /// Runs `plimsoll demo ...` as from another terminal.
    fn tell(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.arg("demo").args(arguments);
        command.env("TMPDIR", self.folder.path()).env("XDG_RUNTIME_DIR", self.folder.path());
        command.output().expect("the program runs")
    }

    /// As [`Demo::tell`], for what must succeed; answers what it said.
    fn order(&self, arguments: &[&str]) -> String {
        let output = self.tell(arguments);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {messages}\n{}", self.process.log());
        String::from_utf8(output.stdout).expect("text")
    }

    /// The figure that follows `word` in the line of state.
    fn figure(&self, word: &str) -> u64 {
        let line = self.order(&["status"]);
        let rest = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).1;
        let digits: String =
            rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
        digits.replace(',', "").parse().unwrap_or_else(|e| panic!("{word:?} in {line:?}: {e}"))
    }

    /// Waits until so many more samples are acknowledged, and some more of what was is found again.
    fn goes_on(&self, samples: u64) {
        let (acknowledged, checked) = (self.figure("acknowledged"), self.figure("checks"));
        wait_until("writes to go on", LONG, || self.figure("acknowledged") >= acknowledged + samples);
        wait_until("checks to go on", LONG, || self.figure("checks") > checked);
        assert_eq!(self.figure("lost:"), 0, "{}", self.process.log());
    }

    fn stop(mut self) {
        assert!(self.process.stop(LONG).success(), "the demo did not end well:\n{}", self.process.log());
        let names = |entry: std::fs::DirEntry| entry.file_name();
        let left: Vec<_> =
            std::fs::read_dir(self.folder.path()).expect("ours").flatten().map(names).collect();
        assert_eq!(left, ["log"], "the demo takes its temporary data with it");
    }
}

#[test]
fn the_demo_prints_lines_that_give_real_answers() {
    let demo = Demo::start(&["--nodes", "1"]);
    let greeting = demo.process.log();
    let http = demo.http();
    for metric in [
        "loop_execution_duration_seconds_bucket",
        "llm_tokens_total",
        "tool_invocations_total",
        "loop_errors_total",
        "active_loops",
        "system_cpu_usage",
    ] {
        let query = format!("count({metric})");
        wait_until(metric, SOON, || {
            let data = http.data("/api/v1/query", &[("query", &query)]);
            data["result"].as_array().is_some_and(|series| !series.is_empty())
        });
    }

    let lines: Vec<&str> = greeting.lines().map(str::trim).filter(|line| is_question(line)).collect();
    assert!(lines.len() >= 3, "the demo prints questions to try:\n{greeting}");
    let programs = binary().parent().expect("a program lies in a folder").to_owned();
    let path = env::join_paths(
        [programs].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    )
    .expect("the search path is one already");
    for line in lines {
        wait_until(line, SOON, || {
            let shell =
                Command::new("sh").args(["-c", line]).env("PATH", &path).output().expect("there is a shell");
            assert!(shell.status.success(), "{line}: {}", String::from_utf8_lossy(&shell.stderr));
            String::from_utf8_lossy(&shell.stdout).lines().count() >= 2
        });
    }
    demo.stop();
}

fn is_question(line: &str) -> bool {
    line.starts_with("plimsoll query") || line.starts_with("plimsoll range")
}

#[test]
fn a_node_of_one_that_is_killed_comes_back_with_everything() {
    let demo = Demo::start(&["--nodes", "1"]);
    demo.goes_on(1_000);
    assert!(demo.order(&["kill", "1"]).contains("plimsoll demo start 1"));
    let again = demo.tell(&["kill", "1"]);
    assert!(!again.status.success(), "it is dead already");
    assert!(demo.order(&["start", "1"]).contains("node 1 is up again"));
    demo.goes_on(1_000);
    let wrong = demo.tell(&["kill", "7"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no node 7"));
    demo.stop();
}

#[test]
fn nodes_end_with_a_demo_that_is_killed() {
    let mut demo = Demo::start(&["--nodes", "1"]);
    let http = demo.http();
    assert!(http.get("/-/ready", &[]).is_ok());
    demo.process.kill();
    wait_until("the node to end with its demo", LONG, || http.get("/-/ready", &[]).is_err());
}

#[test]
fn an_order_without_a_demo_says_how_to_start_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(binary());
    command.args(["demo", "kill", "2"]).env("TMPDIR", folder.path()).env("XDG_RUNTIME_DIR", folder.path());
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("start one with `plimsoll demo`"), "{message}");
}

#[test]
fn three_nodes_outlive_one_and_take_in_a_fourth() {
    let demo = Demo::start(&[]);
    let (one, cluster) = (demo.http(), || demo.http().data("/api/v1/cluster", &[]));
    wait_until("three copies of every shard", LONG, || is_whole(&cluster(), 3));
    demo.goes_on(2_000);

    demo.order(&["kill", "2"]);
    // Queries of a node that lives go on, apart from the moment in which leaders are elected.
    wait_until("a query without node 2", LONG, || answers(&one));
    demo.goes_on(5_000);
    for _ in 0..20 {
        assert!(answers(&one), "a query failed while one node of three is away");
    }
    let status = demo.order(&["status"]);
    assert!(status.starts_with("nodes 2/3 up"), "{status}");

    demo.order(&["start", "2"]);
    wait_until("node 2 to be whole again", LONG, || is_whole(&cluster(), 3));
    demo.goes_on(1_000);

    let said = demo.order(&["add"]);
    assert!(said.starts_with("node 4 is up: http://"), "{said}");
    wait_for("shards on node 4", LONG, || {
        let c = cluster();
        let four = c["nodes"].as_array()?.iter().find(|n| n["id"] == 4)?;
        (four["replicas"].as_u64()? >= 8 && is_whole(&c, 3)).then_some(())
    });
    demo.goes_on(2_000);
    assert!(!demo.process.log().lines().any(|line| line.contains("lost: ") && !line.contains("lost: 0")));
    demo.stop();
}

fn answers(http: &Http) -> bool {
    let answer = http.get("/api/v1/query", &[("query", "count(active_loops)")]);
    answer.is_ok_and(|answer| answer.status == 200 && answer.json()["data"]["result"][0]["value"][1] == "12")
}

/// Whether every shard has `copies` copies and a leader, and none moves.
fn is_whole(cluster: &Value, copies: usize) -> bool {
    cluster["shards"].as_array().is_some_and(|shards| {
        !shards.is_empty()
            && shards.iter().all(|shard| {
                shard["state"] == "ok"
                    && shard["voters"].as_array().is_some_and(|voters| voters.len() == copies)
            })
    })
}
