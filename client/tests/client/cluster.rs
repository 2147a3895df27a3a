//! The cluster's own calls: what is sent, and how answers and streams are read.

use crate::fake::{FakeNode, Say, cluster_of};
use plimsoll_client::{Client, Error, Rebalance};
use std::time::Duration;

#[tokio::test]
async fn changes_are_posted_with_what_they_are_about() {
    let done = || Say::json(r#"{"status":"success","data":{"epoch":18}}"#);
    let node = FakeNode::start((0..9).map(|_| done())).await;
    let c = Client::builder().url(&node.url).discover(false).build().expect("a client");
    assert_eq!(c.drain(2, true).await.expect("taken"), 18);
    c.undrain(2).await.expect("taken");
    c.remove(2).await.expect("taken");
    c.replace(3).await.expect("taken");
    c.rebalance(Rebalance::Now).await.expect("taken");
    c.transfer(5, 1).await.expect("taken");
    c.set_replication(2).await.expect("taken");
    c.set_cluster_setting("rebalance", "off").await.expect("taken");
    c.set_cluster_setting("rebalance", "").await.expect("taken");
    let asked = node.asked();
    assert!(asked.iter().all(|a| a.method == "POST"));
    let calls: Vec<_> = asked.iter().map(|a| a.uri.to_string().replace("/api/v1/cluster/", "")).collect();
    let expected = [
        "drain?node=2&force=true",
        "undrain?node=2",
        "remove?node=2",
        "replace?node=3",
        "rebalance?on=now",
        "transfer?shard=5&to=1",
        "replication?replicas=2",
        "settings?key=rebalance&value=off",
        "settings?key=rebalance&value=",
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn the_cluster_and_its_log_are_read() {
    let log = r#"{"data":[{"epoch":3,"at_ms":5,"author":"node 1","what":"node 2 registered"}]}"#;
    let join = r#"{"data":{"command":"plimsoll start --data-dir d2 --join a:1"}}"#;
    let node = FakeNode::start([Say::json(log), Say::json(join)]).await;
    node.says_of_cluster(&cluster_of(&["a:1", "b:1"]));
    let c = Client::builder().url(&node.url).discover(false).build().expect("a client");
    let cluster = c.cluster().await.expect("a cluster");
    assert_eq!((cluster.nodes.len(), cluster.shards.len(), cluster.unsettled()), (2, 2, 0));
    assert_eq!(c.cluster_log(5).await.expect("a log")[0].what, "node 2 registered");
    assert_eq!(c.join_command().await.expect("a command"), "plimsoll start --data-dir d2 --join a:1");
    assert_eq!(node.asked()[0].uri.to_string(), "/api/v1/cluster/log?limit=5");
}

#[tokio::test]
async fn tokens_are_made_listed_and_taken_back() {
    let made = r#"{"data":{"name":"g/1","role":"read","token":"plim_x","expires_ms":9}}"#;
    let list = r#"{"data":[{"name":"g/1","role":"read","created_ms":1,"expires_ms":null}]}"#;
    let node = FakeNode::start([Say::json(made), Say::json(list)]).await;
    let c = Client::builder().url(&node.url).discover(false).build().expect("a client");
    let token = c.create_token("g/1", "read", Some(Duration::from_secs(60))).await.expect("made");
    assert_eq!(token.token, "plim_x");
    assert!(!format!("{token:?}").contains("plim_x"), "the token shows in Debug");
    assert_eq!(c.tokens().await.expect("a list")[0].expires_ms, None);
    c.revoke_token("g/1").await.expect("taken back");
    let asked = node.asked();
    let body: serde_json::Value = serde_json::from_slice(&asked[0].body).expect("JSON");
    assert_eq!(body, serde_json::json!({"name": "g/1", "role": "read", "expires_seconds": 60}));
    assert_eq!((asked[2].method.as_str(), asked[2].uri.path()), ("DELETE", "/api/v1/tokens/g%2F1"));
}

fn pieces(all: &[&str], end: bool) -> String {
    // Lengths below 128 and their zeros are text, which is what a script's body is.
    let mut out = String::new();
    for piece in all {
        out.push(char::from(piece.len() as u8));
        out.push_str("\0\0\0");
        out.push_str(piece);
    }
    if end {
        out.push_str("\0\0\0\0");
    }
    out
}

#[tokio::test]
async fn a_backup_is_read_piece_by_piece_and_a_cut_one_is_an_error() {
    let info = r#"{"data":{"cluster":"c1","shards":16,"replication":3,"format":1}}"#;
    let (whole, cut) = (pieces(&["one", "twoo"], true), pieces(&["one", "twoo"], false));
    let node = FakeNode::start([Say::json(info), Say::json(&whole), Say::json(&cut)]).await;
    let c = Client::builder().url(&node.url).discover(false).build().expect("a client");
    assert_eq!(c.backup_info().await.expect("what there is").shards, 16);
    let mut stream = c.backup_shard(3).await.expect("a stream");
    assert_eq!(stream.next().await.expect("a piece").as_deref(), Some(&b"one"[..]));
    assert_eq!(stream.next().await.expect("a piece").as_deref(), Some(&b"twoo"[..]));
    assert_eq!(stream.next().await.expect("the end"), None);
    assert_eq!(stream.next().await.expect("the end stays the end"), None);
    assert_eq!(node.asked()[1].uri.path(), "/api/v1/backup/shard/3");
    let mut stream = c.backup_shard(3).await.expect("a stream");
    stream.next().await.expect("a piece");
    stream.next().await.expect("a piece");
    let e = stream.next().await.expect_err("it was cut");
    assert!(matches!(e, Error::Interrupted { .. }), "{e:?}");
}
