//! Several nodes that are one cluster.

use crate::http::Http;
use crate::plimsoll::{Node, folder};
use crate::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

/// A cluster may take this long to fill a new node with what little a test has.
const WHOLE_LIMIT: Duration = Duration::from_secs(90);

/// The first node founds the cluster, the others join it.
pub struct Cluster {
    /// The nodes in the order of their start; number `n` of the cluster is at `n - 1`.
    pub nodes: Vec<Node>,
    settings: Vec<(String, String)>,
}

impl Cluster {
    /// So many nodes with these settings; every shard has as many copies as there are nodes, up to three.
    pub fn start(nodes: usize, settings: &[(&str, &str)]) -> Self {
        Self::of(Node::start_with(settings), nodes, settings)
    }

    /// As [`Cluster::start`], around a first node that runs already.
    pub fn of(first: Node, nodes: usize, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut cluster = Self { nodes: vec![first], settings };
        while cluster.nodes.len() < nodes {
            cluster.add();
        }
        cluster.wait_whole(nodes.min(3));
        cluster
    }

    /// Starts one more node and waits until it is ready, not until it is filled.
    pub fn add(&mut self) -> &Node {
        let first = self.nodes[0].address();
        let mut settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        settings.push(("node.join", &first));
        self.nodes.push(Node::start_in(folder(), &settings, None));
        &self.nodes[self.nodes.len() - 1]
    }

    /// A client of node `number`, counted from 1 as the cluster does.
    pub fn http(&self, number: usize) -> Http {
        self.nodes[number - 1].http()
    }

    /// The addresses of all nodes as the command line takes them.
    pub fn urls(&self) -> String {
        self.nodes.iter().map(Node::url).collect::<Vec<_>>().join(",")
    }

    /// Waits until every shard has a leader and so many copies, and none moves.
    pub fn wait_whole(&self, copies: usize) {
        wait_until(&format!("{copies} copies of every shard"), WHOLE_LIMIT, || {
            is_whole(&self.http(1).data("/api/v1/cluster", &[]), copies)
        });
    }
}

/// Whether every shard of what `/api/v1/cluster` answered has `copies` copies and a leader, and none moves.
pub fn is_whole(cluster: &Value, copies: usize) -> bool {
    cluster["shards"].as_array().is_some_and(|shards| {
        !shards.is_empty()
            && shards.iter().all(|shard| {
                shard["state"] == "ok"
                    && shard["voters"].as_array().is_some_and(|voters| voters.len() == copies)
            })
    })
}
