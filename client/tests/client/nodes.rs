//! Several nodes: learning of them, and going around those that are away.

use crate::fake::{FakeNode, Gone, Say, cluster_of, wait_until};
use plimsoll_client::model::Labels;
use plimsoll_client::{Backoff, Client, Sample};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
const EMPTY_VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

async fn three() -> [FakeNode; 3] {
    let nodes = [FakeNode::mortal().await, FakeNode::mortal().await, FakeNode::mortal().await];
    let answer = cluster_of(&nodes.each_ref().map(FakeNode::address));
    nodes.map(|node| {
        node.says_of_cluster(&answer);
        node.rule(|asked| asked.uri.path().contains("query").then(|| Say::json(EMPTY_VECTOR)))
    })
}

/// Lets `client` learn of all the nodes.
async fn learn(client: &Client, count: usize) {
    client.query("x", None).await.expect("the node that was given answers");
    wait_until(LIMIT, || client.nodes().len() == count).await;
}

fn sample(timestamp: i64) -> Sample {
    Sample::float(Labels::from_pairs([("__name__", "up")]).expect("labels"), timestamp, 1.0)
}

#[tokio::test]
async fn a_client_of_one_url_learns_of_the_others_and_outlives_the_one() {
    let nodes = three().await;
    let client = Client::new(&nodes[0].url).expect("a client");
    learn(&client, 3).await;
    assert_eq!(client.nodes().iter().filter(|n| n.learned).count(), 2);
    nodes[0].die();
    for _ in 0..20 {
        client.query("x", None).await.expect("another node answers");
    }
    assert_eq!(nodes[1].asked().len() + nodes[2].asked().len(), 20);
}

#[tokio::test]
async fn a_dead_node_is_not_asked_again_and_again() {
    let nodes = three().await;
    let gone = Gone::new();
    let client = Client::builder().urls([&gone.url, &nodes[0].url]).build().expect("a client");
    client.query("x", None).await.expect("the second answers");
    let dead = client.nodes().into_iter().find(|n| n.url == gone.url).expect("what was given stays");
    assert!(dead.avoided);
}

#[tokio::test]
async fn a_writer_goes_on_with_another_node_and_loses_nothing() {
    let nodes = three().await;
    let client = Client::new(&nodes[0].url).expect("a client");
    learn(&client, 3).await;
    let backoff = Backoff { first: Duration::from_millis(5), ..Backoff::default() };
    let writer = client.writer().backoff(backoff).batch_samples(10).start();
    for t in 0..50 {
        writer.push(sample(t)).await.expect("room");
    }
    writer.flush().await.expect("all stored");
    nodes[0].die();
    for t in 50..100 {
        writer.push(sample(t)).await.expect("room");
    }
    writer.flush().await.expect("all stored, by others");
    let counters = writer.close(LIMIT).await;
    assert_eq!((counters.written, counters.lost()), (100, 0));
    let mut stored: Vec<i64> = nodes
        .iter()
        .flat_map(|n| n.asked())
        .filter(|asked| asked.uri.path() == "/api/v1/write")
        .flat_map(|asked| asked.samples())
        .map(|(_, timestamp, _)| timestamp)
        .collect();
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_address_that_never_answers_is_never_asked_anything() {
    let node = FakeNode::start([]).await.rule(|_| Some(Say::json(EMPTY_VECTOR)));
    let gone = Gone::new();
    node.says_of_cluster(&cluster_of(&[node.address(), gone.url.trim_start_matches("http://")]));
    let client = Client::new(&node.url).expect("a client");
    client.query("x", None).await.expect("an answer");
    wait_until(LIMIT, || node.looks() > 0).await;
    client.cluster().await.expect("an answer");
    assert_eq!(client.nodes().len(), 1);
}

#[tokio::test]
async fn an_address_that_leads_to_another_cluster_is_not_taken() {
    let (node, other) = (FakeNode::start([]).await, FakeNode::start([]).await);
    let mut foreign = cluster_of(&[other.address()]);
    foreign["id"] = "c2".into();
    other.says_of_cluster(&foreign);
    node.says_of_cluster(&cluster_of(&[node.address(), other.address()]));
    let client = Client::new(&node.url).expect("a client");
    client.cluster().await.expect("an answer");
    client.write(&[]).await.expect("taken");
    wait_until(LIMIT, || other.looks() > 0).await;
    assert_eq!(client.nodes().len(), 1);
}

#[tokio::test]
async fn a_client_that_shall_not_discover_asks_nobody_else() {
    let nodes = three().await;
    let client = Client::builder().url(&nodes[0].url).discover(false).build().expect("a client");
    for _ in 0..5 {
        client.query("x", None).await.expect("an answer");
    }
    client.cluster().await.expect("an answer");
    assert_eq!((client.nodes().len(), nodes[0].looks(), nodes[1].looks()), (1, 1, 0));
}

#[tokio::test]
async fn a_node_that_knows_no_cluster_is_not_asked_about_it_again() {
    let node = FakeNode::start([]).await.rule(|_| Some(Say::json(EMPTY_VECTOR)));
    let client = Client::new(&node.url).expect("a client");
    client.query("x", None).await.expect("an answer");
    wait_until(LIMIT, || node.looks() == 1).await;
    for _ in 0..10 {
        client.query("x", None).await.expect("an answer");
    }
    assert_eq!(node.looks(), 1);
}
