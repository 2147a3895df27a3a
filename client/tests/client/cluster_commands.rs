//! `plimsoll cluster` and `plimsoll token` as a person or a script meets them.

use crate::commands::run;
use crate::fake::{FakeNode, Say, cluster_of};
use serde_json::{Value, json};

const TAKEN: &str = r#"{"status":"success","data":{"epoch":8}}"#;

async fn three(change: impl FnOnce(&mut Value)) -> FakeNode {
    let node = FakeNode::start([]).await;
    let mut cluster = cluster_of(&[node.address(), "127.0.0.1:2", "127.0.0.1:3"]);
    change(&mut cluster);
    node.says_of_cluster(&cluster);
    node
}

#[tokio::test]
async fn a_status_is_tables_with_a_verdict_and_exit_4_when_degraded() {
    let well = three(|_| {}).await;
    let ran = run(&well, &["cluster", "status"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("NODE  ADDRESS"), "{}", ran.out);
    assert!(ran.out.contains("2 shards: 2 ok\n"), "{}", ran.out);
    assert!(ran.out.ends_with("\nhealthy: 3 nodes, 2 shards, 3 copies of every sample\n"), "{}", ran.out);
    let ill = three(|c| c["nodes"][2]["live"] = json!(false)).await;
    let ran = run(&ill, &["cluster", "status", "-o", "json"]).await;
    assert_eq!(ran.code, Some(4));
    let document: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(document["schema"], "plimsoll.cluster/1");
    assert!(document["verdict"].as_str().is_some_and(|v| v.starts_with("degraded: node 3")), "{document}");
    let ran = run(&ill, &["cluster", "status", "--shards", "-o", "csv"]).await;
    assert!(ran.out.starts_with("shard,state,leader,on,"), "{}", ran.out);
    assert!(ran.out.contains("\n1,ok,1,1 2 3,"), "{}", ran.out);
}

#[tokio::test]
async fn a_watch_without_a_terminal_is_lines_and_ends_when_all_is_well() {
    let node = three(|_| {}).await;
    let ran = run(&node, &["cluster", "watch", "--until-healthy", "--within", "10s"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.out.ends_with("  epoch 7  healthy: 3 nodes, 2 shards, 3 copies of every sample\n"),
        "{}",
        ran.out
    );
    let ill = three(|c| c["quorum"] = json!(false)).await;
    let ran =
        run(&ill, &["cluster", "watch", "--until-healthy", "--within", "200ms", "--every", "50ms"]).await;
    assert_eq!(ran.code, Some(4));
    assert!(ran.out.contains("no quorum"), "{}", ran.out);
}

#[tokio::test]
async fn a_drain_is_followed_until_the_node_holds_nothing() {
    let node = three(|c| c["nodes"][1]["state"] = json!("draining")).await;
    let holder = node.clone();
    let node = node.rule(move |asked| {
        assert_eq!(asked.uri.to_string(), "/api/v1/cluster/drain?node=2");
        let mut empty = cluster_of(&[holder.address(), "127.0.0.1:2", "127.0.0.1:3"]);
        empty["nodes"][1]["state"] = json!("draining");
        for shard in empty["shards"].as_array_mut().expect("a list") {
            (shard["voters"], shard["replicas"]) = (json!([1, 3]), json!([1, 3]));
        }
        // Told by another thread: this one holds the script.
        let holder = holder.clone();
        std::thread::spawn(move || holder.says_of_cluster(&empty));
        Some(Say::json(TAKEN))
    });
    let ran = run(&node, &["cluster", "drain", "2", "--within", "20s"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.out, "node 2 holds nothing; take it out with: plimsoll cluster remove 2\n");
}

#[tokio::test]
async fn a_drain_that_takes_too_long_says_that_it_goes_on() {
    let node = three(|c| c["nodes"][1]["state"] = json!("draining")).await.rule(|_| Some(Say::json(TAKEN)));
    let ran = run(&node, &["cluster", "drain", "2", "--within", "100ms"]).await;
    assert_eq!(ran.code, Some(4));
    assert!(ran.err.contains("not done in time: 2 replicas left"), "{}", ran.err);
    assert!(ran.err.contains("plimsoll cluster watch"), "{}", ran.err);
    let ran = run(&node, &["cluster", "drain", "2", "--no-wait", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&document["epoch"], &document["done"]), (&json!(8), &json!(false)));
}

#[tokio::test]
async fn refusals_name_the_next_step() {
    let refused = r#"{"status":"error","errorType":"conflict","error":"two nodes cannot keep three copies"}"#;
    let node = three(|_| {}).await.rule(move |_| Some(Say::status(409).body(refused)));
    let ran = run(&node, &["cluster", "drain", "2"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("error: two nodes cannot keep three copies\n  next: "), "{}", ran.err);
    for (arguments, next) in [
        (&["cluster", "remove", "2"][..], "next: plimsoll cluster drain 2"),
        (&["cluster", "remove", "9"], "the cluster has no node 9"),
        (&["cluster", "replace", "2"], "plimsoll cluster drain 2"),
        (&["cluster", "transfer", "0", "--to", "3"], "plimsoll cluster status --shards"),
        (&["cluster", "replication", "3"], "plimsoll cluster add"),
    ] {
        let ran = run(&node, arguments).await;
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        assert!(ran.err.contains(next), "{arguments:?}: {}", ran.err);
    }
    let old = FakeNode::start([]).await;
    let ran = run(&old, &["cluster", "status"]).await;
    assert!(ran.err.contains("may be older than this command"), "{}", ran.err);
}

#[tokio::test]
async fn add_prints_the_command_alone_and_the_log_is_a_table() {
    let join = r#"{"data":{"command":"plimsoll start --data-dir d2 --join 10.0.0.1:7777"}}"#;
    let log = r#"{"data":[{"epoch":3,"at_ms":0,"author":"node 1","what":"node 2 registered"}]}"#;
    let node = FakeNode::start([Say::json(join), Say::json(log)]).await;
    let ran = run(&node, &["cluster", "add"]).await;
    assert_eq!(ran.out, "plimsoll start --data-dir d2 --join 10.0.0.1:7777\n");
    let ran = run(&node, &["cluster", "log"]).await;
    assert_eq!(
        ran.out,
        "EPOCH  TIME                  AUTHOR  CHANGE\n    3  1970-01-01T00:00:00Z  node 1  node 2 registered\n"
    );
}

#[tokio::test]
async fn a_new_token_is_alone_on_stdout() {
    let made = r#"{"data":{"name":"g","role":"read","token":"plim_x","expires_ms":null}}"#;
    let list = r#"{"data":[{"name":"g","role":"read","created_ms":0,"expires_ms":1000}]}"#;
    let node = FakeNode::start([Say::json(made), Say::json(list)]).await;
    let ran = run(&node, &["token", "create", "g", "--role", "read"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "plim_x\n"), "{}", ran.err);
    let ran = run(&node, &["token", "list", "-o", "csv"]).await;
    assert_eq!(
        ran.out,
        "name,role,created,expires\ng,read,1970-01-01T00:00:00Z,1970-01-01T00:00:01Z (over)\n"
    );
    assert_eq!(run(&node, &["token", "revoke", "g"]).await.code, Some(0));
    assert_eq!(run(&node, &["token", "create", "g", "--role", "king"]).await.code, Some(2));
}

#[tokio::test]
async fn status_and_doctor_tell_of_the_cluster() {
    let node = three(|c| {
        c["nodes"][1]["live"] = json!(false);
        c["replication"] = json!(2);
    })
    .await
    .rule(|asked| {
        Some(match asked.uri.path() {
            "/api/v1/status" => Say::json(r#"{"data":{"node":{"ready":true}}}"#),
            _ => Say::json(r#"{"data":{"version":"2.55.0","plimsollVersion":"0.1.0"}}"#),
        })
    });
    let ran = run(&node, &["status"]).await;
    assert_eq!(ran.code, Some(4), "{}", ran.out);
    assert!(ran.out.contains("degraded: node 2 (127.0.0.1:2) is not heard of"), "{}", ran.out);
    let ran = run(&node, &["doctor", "-o", "csv"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.out.contains("\nFAIL,node,node 2 (127.0.0.1:2) is not heard of"), "{}", ran.out);
    assert!(ran.out.contains("\nWARN,replication,"), "{}", ran.out);
    assert!(ran.out.contains("plimsoll cluster replace 2"), "{}", ran.out);
}
