//! Replicas of a shard that cover the same entries of the log have the same content, each looked at by itself.

use plimsoll_tests::cluster::Cluster;
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// One replica: the entry that it covers, and a digest of all that it answers.
#[derive(Clone, Debug, PartialEq)]
struct Copy {
    applied: Option<u64>,
    digest: String,
}

/// Waits until all replicas of every shard are equal. Nobody may write meanwhile. Returns how long that took, or what
/// is unequal after `limit`; unequal content at an equal position is told at once.
pub fn wait(cluster: &Cluster, limit: Duration) -> Result<Duration, String> {
    let began = Instant::now();
    loop {
        match look(cluster) {
            Look::Equal => return Ok(began.elapsed()),
            Look::Differ(what) => return Err(what),
            Look::Behind(what) if began.elapsed() > limit => return Err(what),
            Look::Behind(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

enum Look {
    Equal,
    Behind(String),
    Differ(String),
}

fn look(cluster: &Cluster) -> Look {
    let Some(view) = cluster.view() else { return Look::Behind("no node answers".to_owned()) };
    for shard in view["shards"].as_array().into_iter().flatten() {
        let id = shard["id"].as_u64().unwrap_or_default();
        let mut copies = BTreeMap::new();
        for node in shard["voters"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
            let Some(at) = cluster.place_of(&view, node).filter(|at| cluster.node(*at).runs()) else {
                continue;
            };
            match copy(cluster, at, id) {
                Some(copy) => drop(copies.insert(node, copy)),
                None => return Look::Behind(format!("node {node} does not answer for shard {id}")),
            }
        }
        let mut all = copies.values();
        let Some(first) = all.next() else { return Look::Behind(format!("nobody holds shard {id}")) };
        for other in all {
            if other.digest == first.digest {
                continue;
            }
            if other.applied == first.applied {
                return Look::Differ(format!("replicas of shard {id} at one position differ: {copies:?}"));
            }
            return Look::Behind(format!("replicas of shard {id} are not equal: {copies:?}"));
        }
    }
    Look::Equal
}

fn copy(cluster: &Cluster, at: usize, shard: u64) -> Option<Copy> {
    let answer =
        cluster.node(at).http().get("/api/v1/admin/replica", &[("shard", &shard.to_string())]).ok()?;
    let json: Value = serde_json::from_slice(&answer.body).ok()?;
    let data = &json["data"];
    Some(Copy { applied: data["applied"].as_u64(), digest: data["digest"].as_str()?.to_owned() })
}
