//! The first five minutes: `plimsoll demo`, and every line that it prints to be tried.

use crate::fixture::SOON;
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::binary;
use plimsoll_tests::process::{Process, free_port};
use plimsoll_tests::wait::wait_until;
use std::env;
use std::process::Command;

#[test]
fn the_demo_prints_lines_that_give_real_answers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(binary());
    command.args(["demo", "--listen", &address]).env("TMPDIR", folder.path());
    let mut demo = Process::start(&mut command, folder.path().join("log"));
    wait_until("the demo to greet", SOON, || {
        assert!(demo.ended().is_none(), "the demo ended:\n{}", demo.log());
        demo.log().contains("plimsoll range")
    });
    let greeting = demo.log();

    let http = Http::new(format!("http://{address}"));
    for metric in [
        "loop_execution_duration_bucket",
        "llm_tokens_used",
        "tool_invocations",
        "loop_errors",
        "active_loops",
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
    assert!(demo.stop(SOON).success(), "the demo did not end well:\n{}", demo.log());
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).expect("ours").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["log"], "the demo takes its temporary data with it");
}

fn is_question(line: &str) -> bool {
    line.starts_with("plimsoll query") || line.starts_with("plimsoll range")
}
