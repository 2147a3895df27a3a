//! Looking after a cluster from the command line: every command against real nodes.

use crate::fixture::{SOON, now_ms};
use plimsoll_tests::cluster::Cluster;
use plimsoll_tests::plimsoll::run;
use plimsoll_tests::wait::wait_until;
use serde_json::Value;
use std::process::Output;

const SETTINGS: &[(&str, &str)] = &[("shards.count", "4")];

fn tell(urls: &str, arguments: &[&str]) -> Output {
    run(&[arguments, &["--url", urls]].concat())
}

/// What it printed; panics unless it ended with `code`.
fn ended(output: &Output, code: i32) -> (String, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b).into_owned());
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

#[test]
fn a_node_comes_and_goes_by_commands_alone() {
    let mut cluster = Cluster::start(3, SETTINGS);
    let urls = cluster.urls();
    let done = |arguments: &[&str]| ended(&tell(&urls, arguments), 0).0;
    // a leadership on its way to another node is a moment without a leader, which is no health
    let healthy = |arguments: &[&str]| {
        let mut last = None;
        wait_until("the cluster to be healthy", SOON, || {
            let output = tell(&urls, arguments);
            let healthy = output.status.success();
            last = Some(output);
            healthy
        });
        ended(&last.expect("it ran"), 0).0
    };
    let status = || -> Value {
        serde_json::from_str(&healthy(&["cluster", "status", "--shards", "-o", "json"])).expect("JSON")
    };

    let text = healthy(&["cluster", "status"]);
    assert!(text.ends_with("healthy: 3 nodes, 4 shards, 3 copies of every sample\n"), "{text}");
    assert_eq!(status()["items"].as_array().map(Vec::len), Some(4));
    let clocks = status()["cluster"]["nodes"].clone();
    for node in clocks.as_array().expect("a list") {
        assert!(node["clock_offset_ms"].as_i64().is_some_and(|ms| ms.abs() < 5_000), "{node}");
    }

    let (_, err) = ended(&tell(&urls, &["cluster", "drain", "3"]), 1);
    assert!(err.contains("add a node first") && err.contains("next: "), "{err}");
    let (_, err) = ended(&tell(&urls, &["cluster", "remove", "3"]), 1);
    assert!(err.contains("plimsoll cluster drain 3"), "{err}");
    let (_, err) = ended(&tell(&urls, &["cluster", "replace", "3"]), 1);
    assert!(err.contains("alive"), "{err}");

    let leader = status()["items"][0]["leader"].as_u64().expect("it has a leader");
    let other = (leader % 3 + 1).to_string();
    let said = done(&["cluster", "transfer", "0", "--to", &other, "--within", "30s"]);
    assert_eq!(said, format!("shard 0 is led by node {other}\n"));

    assert!(done(&["cluster", "settings"]).lines().count() <= 1);
    done(&["cluster", "settings", "rebalance=off"]);
    assert!(done(&["cluster", "settings", "-o", "csv"]).contains("rebalance,off"));
    assert!(healthy(&["cluster", "status"]).contains("balancing off"));
    ended(&tell(&urls, &["cluster", "settings", "no_such_thing=1"]), 1);
    done(&["cluster", "settings", "rebalance="]);
    assert!(healthy(&["cluster", "status"]).contains("balancing on"));

    assert!(done(&["cluster", "add"]).starts_with("plimsoll start --data-dir d2 --join 127.0.0.1:"));
    cluster.add();
    wait_until("node 4 to get replicas", SOON, || {
        let now = status();
        now["items"].as_array().expect("a list").iter().any(|s| s["replicas"].to_string().contains('4'))
    });
    done(&["cluster", "rebalance", "now", "--within", "60s"]);
    let said = done(&["cluster", "drain", "4", "--within", "60s"]);
    assert!(said.contains("plimsoll cluster remove 4"), "{said}");
    assert!(done(&["cluster", "undrain", "4"]).contains("takes replicas again"));
    done(&["cluster", "drain", "4", "--within", "60s"]);
    done(&["cluster", "remove", "4"]);
    done(&["cluster", "watch", "--until-healthy", "--within", "60s"]);
    assert!(healthy(&["cluster", "status"]).contains("healthy: 3 nodes, 4 shards, 3 copies"));

    let log: Value = serde_json::from_str(&done(&["cluster", "log", "-o", "json"])).expect("JSON");
    let entries = log["items"].as_array().expect("a list");
    assert!(entries.iter().all(|e| e["author"].as_str().is_some_and(|a| !a.is_empty())), "{log}");
    assert!(entries.iter().all(|e| e["at_ms"].as_i64().is_some_and(|at| (now_ms() - at).abs() < 600_000)));
    assert!(entries.iter().any(|e| e["author"] == "anyone (tokens are off)"), "{log}");
}

#[test]
fn a_node_that_is_lost_shows_and_can_be_given_up() {
    let mut cluster = Cluster::start(3, SETTINGS);
    let urls = cluster.urls();
    cluster.node_mut(2).kill();
    wait_until("the loss to show", SOON, || {
        let output = tell(&urls, &["cluster", "status"]);
        output.status.code() == Some(4) && String::from_utf8_lossy(&output.stdout).contains("is not heard of")
    });
    ended(&tell(&urls, &["status"]), 4);
    // not before other nodes lead what node 3 led: until then none of them calls itself ready
    wait_until("the doctor to name the cure", SOON, || {
        let output = tell(&urls, &["doctor"]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stdout).contains("plimsoll cluster replace 3")
    });
    ended(&tell(&urls, &["cluster", "watch", "--until-healthy", "--within", "1s"]), 4);
    // with two nodes left there is no room for a third copy; the order is taken all the same
    ended(&tell(&urls, &["cluster", "replace", "3", "--no-wait"]), 0);
    let (out, _) = ended(&tell(&urls, &["cluster", "log"]), 0);
    assert!(out.contains("dead"), "{out}");
    for at in 0..2 {
        let node = cluster.node_mut(at);
        node.kill();
    }
    let (_, err) = ended(&tell(&urls, &["cluster", "status"]), 5);
    assert!(err.contains("next: "), "{err}");
}
