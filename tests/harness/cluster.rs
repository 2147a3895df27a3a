//! Several nodes that form one cluster by `--join`, and what they say about it.

use crate::http::Http;
use crate::plimsoll::{Node, Place};
use crate::wait::wait_until;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Forming and healing may take this long; a busy machine elects late and copies slowly.
pub const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// One look at a node's view of the cluster; a node that is stopped or cut off does not answer.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// Nodes by the order of their start. A node that was killed stays in its place.
pub struct Cluster {
    nodes: Vec<Node>,
    looks: Vec<Http>,
    settings: Vec<(String, String)>,
    place: Box<dyn FnMut(usize) -> Place + Send>,
}

impl Cluster {
    /// Starts `count` nodes on loopback and waits until they are settled.
    pub fn start(count: usize, settings: &[(&str, &str)]) -> Self {
        Self::start_at(count, settings, |_| Place::default())
    }

    /// As [`Cluster::start`], each node where `place` says.
    pub fn start_at(
        count: usize,
        settings: &[(&str, &str)],
        place: impl FnMut(usize) -> Place + Send + 'static,
    ) -> Self {
        let settings = settings.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect();
        let mut cluster = Self { nodes: Vec::new(), looks: Vec::new(), settings, place: Box::new(place) };
        for _ in 0..count {
            cluster.add();
        }
        cluster.wait_settled(SETTLE_LIMIT);
        cluster
    }

    /// Goes on with a first node that runs already: `count` nodes in all.
    pub fn of(first: Node, count: usize, settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self::start_at(0, settings, |_| Place::default());
        cluster.looks.push(Http::with_timeout(first.url(), LOOK_LIMIT));
        cluster.nodes.push(first);
        while cluster.nodes.len() < count {
            cluster.add();
        }
        cluster.wait_settled(SETTLE_LIMIT);
        cluster
    }

    /// The addresses of all nodes as the command line takes them.
    pub fn urls(&self) -> String {
        self.nodes.iter().map(Node::url).collect::<Vec<_>>().join(",")
    }

    /// Starts one more node, which joins, and waits until it is ready. Returns its place.
    pub fn add(&mut self) -> usize {
        let at = self.prepare();
        self.nodes[at].restart();
        at
    }

    /// One more node that would join; its start is the caller's.
    pub fn prepare(&mut self) -> usize {
        let at = self.nodes.len();
        let mut place = (self.place)(at);
        if place.join.is_empty() {
            // any two that run: one of them may be about to be killed
            let seeds = self.running().into_iter().take(2).map(|i| self.nodes[i].address());
            place.join = seeds.collect();
        }
        let settings: Vec<(&str, &str)> = self.settings.iter().map(|(p, v)| (&**p, &**v)).collect();
        let node = Node::at(place, &settings);
        self.looks.push(Http::with_timeout(node.url(), LOOK_LIMIT));
        self.nodes.push(node);
        at
    }

    /// How many nodes were ever started.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node at a place.
    pub fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    /// The node at a place, to be stopped or started.
    pub fn node_mut(&mut self, at: usize) -> &mut Node {
        &mut self.nodes[at]
    }

    /// Places of the nodes that run.
    pub fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.nodes[*at].runs()).collect()
    }

    /// `data` of `GET /api/v1/cluster` as the node at a place answers it, if it does.
    pub fn view_of(&self, at: usize) -> Option<Value> {
        let answer = self.looks[at].get("/api/v1/cluster", &[]).ok()?;
        let json: Value = serde_json::from_slice(&answer.body).ok()?;
        (answer.status == 200).then(|| json["data"].clone())
    }

    /// The view of the first running node that answers.
    pub fn view(&self) -> Option<Value> {
        self.running().into_iter().find_map(|at| self.view_of(at))
    }

    /// The number that the cluster gave the node at a place.
    pub fn id_of(&self, at: usize) -> Option<u64> {
        let address = self.nodes[at].address();
        let view = self.view()?;
        view["nodes"].as_array()?.iter().find(|node| node["address"] == *address)?["id"].as_u64()
    }

    /// The place of the node with a number.
    pub fn place_of(&self, view: &Value, id: u64) -> Option<usize> {
        let found = view["nodes"].as_array()?.iter().find(|node| node["id"] == id)?;
        self.nodes.iter().position(|node| found["address"] == *node.address())
    }

    /// The place of the node that leads the ownership group.
    pub fn ownership_leader(&self) -> Option<usize> {
        let view = self.view()?;
        self.place_of(&view, view["leader"].as_u64()?)
    }

    /// How many shards each place leads.
    pub fn leaders(&self) -> BTreeMap<usize, usize> {
        let mut led = BTreeMap::new();
        let Some(view) = self.view() else { return led };
        for shard in view["shards"].as_array().into_iter().flatten() {
            if let Some(at) = shard["leader"].as_u64().and_then(|id| self.place_of(&view, id)) {
                *led.entry(at).or_default() += 1;
            }
        }
        led
    }

    /// Why the cluster is not at rest, as the node at a place sees it; nothing when it is: every running node is known,
    /// active and live, every shard has all its replicas and a leader, nothing moves, replicas are spread to ±1.
    pub fn unrest(&self, at: usize) -> Option<String> {
        let Some(view) = self.view_of(at) else { return Some(format!("{at} does not answer")) };
        if view["quorum"] != true {
            return Some("the ownership group has no majority".to_owned());
        }
        let empty = Vec::new();
        let nodes = view["nodes"].as_array().unwrap_or(&empty);
        let active: BTreeSet<u64> =
            nodes.iter().filter(|n| n["state"] == "active").filter_map(|n| n["id"].as_u64()).collect();
        for at in self.running() {
            let address = self.nodes[at].address();
            let Some(node) = nodes.iter().find(|node| node["address"] == *address) else {
                return Some(format!("{address} is not known"));
            };
            if node["live"] != true || node["state"] == "joining" {
                return Some(format!("{address} is not live or has not joined"));
            }
        }
        let mut held: BTreeMap<u64, usize> = active.iter().map(|id| (*id, 0)).collect();
        for shard in view["shards"].as_array().unwrap_or(&empty) {
            if shard["state"] != "ok" {
                return Some(format!("shard {} is {}", shard["id"], shard["state"]));
            }
            for id in shard["voters"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
                *held.entry(id).or_default() += 1;
            }
        }
        if view["moves"].as_array().is_some_and(|moves| !moves.is_empty()) {
            return Some("replicas move".to_owned());
        }
        if held.len() != active.len() {
            return Some("a node that is not active holds replicas".to_owned());
        }
        let (least, most) = (held.values().min()?, held.values().max()?);
        (most - least > 1).then(|| format!("replicas are not balanced: {held:?}"))
    }

    /// Waits until every running node sees the cluster at rest; returns how long that took.
    pub fn wait_settled(&self, limit: Duration) -> Duration {
        let began = Instant::now();
        while let Some(unrest) = self.running().into_iter().find_map(|at| self.unrest(at)) {
            assert!(began.elapsed() < limit, "waited {limit:?} in vain for the cluster to settle: {unrest}");
            std::thread::sleep(Duration::from_millis(50));
        }
        began.elapsed()
    }

    /// Waits until some running node tells a leader of every shard.
    pub fn wait_led(&self, limit: Duration) {
        wait_until("a leader of every shard", limit, || {
            let Some(view) = self.view() else { return false };
            view["shards"].as_array().is_some_and(|shards| shards.iter().all(|s| s["leader"].is_u64()))
        });
    }
}
