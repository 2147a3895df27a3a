//! Several nodes as one: they form by `--join`, keep what they acknowledged, and refuse what would break them.

use crate::fixture::{self, COUNT, SOON, now_ms, seconds};
use plimsoll_tests::answer::Answer;
use plimsoll_tests::cluster::{Cluster, SETTLE_LIMIT};
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::{Node, Place};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use plimsoll_tests::wait::wait_until;
use std::path::Path;
use std::process::Command;

/// Series and samples of the fixture.
const WHOLE: (usize, usize) = (25, 25 * COUNT as usize);

/// Everything, as raw samples, read strongly.
fn everything(http: &Http, at_ms: i64) -> Result<Answer, String> {
    let time = seconds(at_ms);
    let parameters = [("query", "{__name__=~\".+\"}[1h]"), ("time", &time), ("consistency", "strong")];
    Answer::read(&http.get("/api/v1/query", &parameters).map_err(|e| e.to_string())?.body)
}

fn size(http: &Http, at_ms: i64) -> (usize, usize) {
    everything(http, at_ms).unwrap_or_else(|e| panic!("{e}")).size()
}

/// Many series with one sample each: all shards get some.
fn spread(name: &str, at_ms: i64) -> WriteRequest {
    let mut request = WriteRequest::new();
    for number in 0..64 {
        let series = SeriesBytes::new(&[("__name__", name), ("series", &number.to_string())]);
        request.series(&series, &[(at_ms, f64::from(number))]);
    }
    request
}

fn post(http: &Http, what: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let answer = http.post_form(&format!("/api/v1/cluster/{what}"), parameters);
    let answer = answer.unwrap_or_else(|e| panic!("{what}: {e}"));
    (answer.status, answer.text())
}

/// Starts a node that must refuse, and returns what it said.
fn refusal(mut node: Node) -> String {
    node.launch();
    let status = node.wait_ended(SOON * 2);
    assert!(!status.success(), "the node should have refused to start:\n{}", node.log());
    node.log()
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.is_ok_and(|status| status.success()), "cannot copy {}", from.display());
}

#[test]
fn three_nodes_form_and_neither_a_kill_nor_the_kill_of_all_costs_an_acknowledged_sample() {
    let mut cluster = Cluster::start(3, &[]);
    let view = cluster.view().expect("a settled cluster answers");
    for shard in view["shards"].as_array().expect("a list") {
        assert_eq!(shard["voters"].as_array().map(Vec::len), Some(3), "{shard}");
    }
    let end = now_ms() - 1000;
    fixture::write(&cluster.node(0).http(), &fixture::request(end));
    for at in 0..3 {
        assert_eq!(size(&cluster.node(at).http(), end + 1), WHOLE, "node {at}");
    }

    // The founder, which led everything at first.
    cluster.node_mut(0).kill();
    fixture::write(&cluster.node(1).http(), &spread("after_a_kill", end));
    let whole = (WHOLE.0 + 64, WHOLE.1 + 64);
    assert_eq!(size(&cluster.node(2).http(), end + 1), whole);
    cluster.node_mut(0).restart();
    cluster.wait_settled(SETTLE_LIMIT);
    assert_eq!(size(&cluster.node(0).http(), end + 1), whole);

    (0..3).for_each(|at| cluster.node_mut(at).kill());
    (0..3).for_each(|at| cluster.node_mut(at).launch());
    (0..3).for_each(|at| cluster.node_mut(at).wait_ready());
    for at in 0..3 {
        assert_eq!(size(&cluster.node(at).http(), end + 1), whole, "node {at} after the kill of all");
    }
}

#[test]
fn one_of_three_nodes_takes_no_writes_and_says_what_it_cannot_read() {
    let mut cluster = Cluster::start(3, &[]);
    let end = now_ms() - 1000;
    fixture::write(&cluster.node(0).http(), &fixture::request(end));
    cluster.node_mut(0).kill();
    cluster.node_mut(1).kill();
    let http = cluster.node(2).http();
    let answer = spread("below_majority", end).send(&http).expect("the node lives");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);

    let parameters = [("query", "count(up)"), ("partial_response", "true")];
    let answer = http.get("/api/v1/query", &parameters).expect("the node lives");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let warnings = answer.json()["warnings"].to_string();
    assert!(warnings.contains("missing"), "{warnings}");
    let whole = http.get("/api/v1/query", &[("query", "count(up)")]).expect("the node lives");
    assert_eq!(whole.status, 503, "{}", whole.text());

    cluster.node_mut(0).restart();
    fixture::write(&http, &spread("majority_again", end));
    // what was answered 503 may have come in all the same, as one that hears nothing must assume
    let time = seconds(end + 1);
    let data = http.data("/api/v1/query", &[("query", "count(majority_again)"), ("time", &time)]);
    assert_eq!(data["result"][0]["value"][1], "64");
    assert!(size(&http, end + 1).0 >= WHOLE.0 + 64);
}

#[test]
fn folders_that_do_not_belong_are_refused_and_a_drain_that_costs_replicas_is() {
    let mut cluster = Cluster::start(3, &[("cluster.replace_after", "2s")]);
    let seed = cluster.node(0).address();
    let joining = |data: Option<&Path>| Place {
        join: vec![seed.clone()],
        data: data.map(Path::to_owned),
        ..Place::default()
    };

    // A node of another cluster.
    let mut stranger = Node::start();
    stranger.stop();
    stranger.place_mut().join = vec![seed.clone()];
    let said = refusal(stranger);
    assert!(said.contains("cluster"), "{said}");

    // A copy of the folder of a node that runs.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copied = folder.path().join("copied");
    cluster.node_mut(2).stop();
    copy(&cluster.node(2).data(), &copied);
    cluster.node_mut(2).restart();
    cluster.wait_settled(SETTLE_LIMIT);
    let said = refusal(Node::at(joining(Some(&copied)), &[]));
    assert!(said.contains("folder"), "{said}");

    // Three replicas need three nodes.
    let http = cluster.node(0).http();
    let id = cluster.id_of(2).expect("a member").to_string();
    let (status, text) = post(&http, "drain", &[("node", &id)]);
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("add a node first"), "{text}");

    // With a fourth node one may leave, and its folder never comes back.
    cluster.add();
    cluster.wait_settled(SETTLE_LIMIT);
    let (status, text) = post(&http, "drain", &[("node", &id)]);
    assert_eq!(status, 200, "{text}");
    wait_until("the drained node to be removable", SETTLE_LIMIT, || {
        post(&http, "remove", &[("node", &id)]).0 == 200
    });
    cluster.node_mut(2).kill();
    let gone = folder.path().join("gone");
    copy(&cluster.node(2).data(), &gone);
    let said = refusal(Node::at(joining(Some(&gone)), &[]));
    assert!(said.contains("removed"), "{said}");
}

/// Turns bits in every file of a shard's rows, in the first block and before the end, where RocksDB keeps what it needs to
/// open the file.
fn ruin(folder: &Path) -> usize {
    let mut ruined = 0;
    for entry in std::fs::read_dir(folder).expect("the store of a stopped node").flatten() {
        let mut bytes = std::fs::read(entry.path()).unwrap_or_default();
        let of_shard = bytes.windows(6).any(|w| w == b"shard-");
        if !entry.path().to_string_lossy().ends_with(".sst") || !of_shard {
            continue;
        }
        let rows = (bytes.len().saturating_sub(2048) / 2).max(100);
        bytes[16..rows].iter_mut().step_by(512).for_each(|byte| *byte ^= 16);
        std::fs::write(entry.path(), bytes).expect("a file of ours");
        ruined += 1;
    }
    ruined
}

#[test]
fn replicas_whose_rows_are_damaged_are_made_anew_from_the_others() {
    let mut cluster = Cluster::start(3, &[]);
    let end = now_ms() - 1000;
    fixture::write(&cluster.node(0).http(), &fixture::request(end));
    fixture::write(&cluster.node(0).http(), &spread("beside", end));
    let done = cluster.node(2).http().post("/api/v1/admin/checkpoint", &[], b"");
    assert!(done.is_ok_and(|answer| answer.status / 100 == 2));
    cluster.node_mut(2).kill();
    assert!(ruin(&cluster.node(2).data().join("store")) > 0);
    cluster.node_mut(2).restart();
    let digest = |at: usize, shard: usize| {
        let shard = shard.to_string();
        let answer = cluster.node(at).http().get("/api/v1/admin/replica", &[("shard", &shard)]).ok()?;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        json["data"]["digest"].as_str().map(str::to_owned)
    };
    wait_until("all replicas to be whole and equal", SETTLE_LIMIT, || {
        (0..16).all(|shard| digest(0, shard).is_some_and(|first| digest(2, shard) == Some(first)))
    });
    cluster.wait_settled(SETTLE_LIMIT);
    let log = cluster.node(2).log();
    assert!(log.contains("made anew from the other nodes"), "nothing was damaged:\n{log}");
    assert_eq!(size(&cluster.node(2).http(), end + 1), (WHOLE.0 + 64, WHOLE.1 + 64));
}
