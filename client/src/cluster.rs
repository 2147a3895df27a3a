//! The cluster: what it looks like, and what may be asked of it.

use crate::encode::Params;
use crate::query::get;
use crate::status::without_nulls;
use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const CLUSTER_PATH: &str = "/api/v1/cluster";

/// The cluster as one of its nodes sees it. Every field may be missing: a client meets nodes of other versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// Its identity.
    pub id: String,
    /// Version of the ownership metadata.
    pub epoch: u64,
    /// Replicas that a shard should have.
    pub replication: u64,
    /// The node that leads the ownership group, if there is one.
    pub leader: Option<u64>,
    /// Whether the ownership group can decide; without it data is still written and read, but nothing is moved.
    pub quorum: bool,
    /// The node that answered.
    pub asked: u64,
    /// Whether shards are moved to balance the nodes.
    pub rebalancing: bool,
    /// All nodes that were ever registered.
    pub nodes: Vec<ClusterNode>,
    /// All shards.
    pub shards: Vec<ClusterShard>,
    /// Replicas on their way.
    pub moves: Vec<Move>,
    /// What a newer node adds.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// A node of a [`Cluster`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterNode {
    /// Its number, never used again.
    pub id: u64,
    /// Where clients reach it, `host:port`.
    pub address: String,
    /// Where its peers reach it, `host:port`.
    pub peer_address: String,
    /// Nodes of a zone fail together; may be empty.
    pub zone: String,
    /// The version of its binary.
    pub version: String,
    /// `joining`, `active`, `draining`, `dead` or `removed`.
    pub state: String,
    /// Whether the node that answered hears of it.
    pub live: bool,
    /// Seconds since it was heard of last.
    pub seen_seconds: Option<f64>,
    /// Whether it votes in the ownership group.
    pub voter: bool,
    /// Replicas that it holds.
    pub replicas: u64,
    /// Shards that it leads.
    pub leaders: u64,
    /// Bytes of its data.
    pub disk_bytes: u64,
    /// Bytes that its disk has left.
    pub disk_free_bytes: Option<u64>,
    /// Whether it takes no writes, for want of room or because its disk stalls.
    pub read_only: bool,
    /// By how much its clock is ahead of the clock of the node that answered, where that is known.
    pub clock_offset_ms: Option<i64>,
}

/// A shard of a [`Cluster`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterShard {
    /// Its number.
    pub id: u64,
    /// The nodes that shall hold it.
    pub replicas: Vec<u64>,
    /// The nodes that hold it and count for its majority.
    pub voters: Vec<u64>,
    /// The nodes that are being filled.
    pub learners: Vec<u64>,
    /// The node that takes its writes, if there is one.
    pub leader: Option<u64>,
    /// The node that shall take its writes.
    pub wanted_leader: Option<u64>,
    /// Version of this entry.
    pub epoch: u64,
    /// `ok`, `moving`, `under_replicated` or `no_leader`.
    pub state: String,
    /// Bytes of one replica.
    pub bytes: u64,
    /// Its series.
    pub series: u64,
}

/// A replica on its way to a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Move {
    /// The shard.
    pub shard: u64,
    /// The node that gets it.
    pub to: u64,
    /// `snapshot`, `catching_up`, `joining` or `leaving`.
    pub phase: String,
    /// Bytes that have arrived.
    pub bytes_done: u64,
    /// Bytes that shall arrive.
    pub bytes_total: u64,
    /// Seconds since it began.
    pub seconds: f64,
    /// Seconds that it will take from now on, where that can be told.
    pub eta_seconds: Option<f64>,
}

/// A change of the ownership metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogEntry {
    /// The version that it made.
    pub epoch: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who asked for it.
    pub author: String,
    /// What changed.
    pub what: String,
}

/// What shall become of balancing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// Shards move by themselves when nodes come and go.
    On,
    /// Nothing moves but what a lost or drained node makes necessary.
    Off,
    /// The same as `On`: for those who wait for it.
    Now,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Changed {
    epoch: u64,
}

#[derive(Deserialize)]
struct JoinCommand {
    command: String,
}

impl Client {
    /// The cluster as the node that answers sees it. The client also learns its nodes from the answer.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        let reply = self.transport.send(&Request::get(CLUSTER_PATH.to_owned())).await?;
        let bad = |e: serde_json::Error| Error::Answer { url: reply.url.clone(), reason: e.to_string() };
        let answer: Reported<serde_json::Value> = Self::read(&reply)?;
        let cluster: Cluster = serde_json::from_value(without_nulls(answer.data)).map_err(bad)?;
        if let Ok(from) = crate::transport::BaseUrl::parse(&reply.url) {
            self.transport.nodes().learn(&cluster, &from, std::time::Instant::now());
        }
        Ok(cluster)
    }

    /// The last `limit` changes of the ownership metadata, the newest last.
    pub async fn cluster_log(&self, limit: u64) -> Result<Vec<LogEntry>, Error> {
        let mut p = Params::default();
        p.add("limit", &limit.to_string());
        Ok(self.ask(&get("/api/v1/cluster/log", &p)).await?.data)
    }

    /// The command that starts a further node, to be run on its machine.
    pub async fn join_command(&self) -> Result<String, Error> {
        let answer: Reported<JoinCommand> =
            self.ask(&Request::get("/api/v1/cluster/join-command".into())).await?;
        Ok(answer.data.command)
    }

    /// Lets `node` give its replicas away. Refused where that would leave too few copies, unless `force`.
    ///
    /// Like all changes it answers the epoch that the change made, and may be asked for twice without harm.
    pub async fn drain(&self, node: u64, force: bool) -> Result<u64, Error> {
        let mut p = Params::default();
        p.add("node", &node.to_string());
        p.add_if("force", force.then_some(true));
        self.change("drain", &p).await
    }

    /// Lets `node` take replicas again.
    pub async fn undrain(&self, node: u64) -> Result<u64, Error> {
        self.change_node("undrain", node).await
    }

    /// Declares `node` dead at once, so that its replicas are rebuilt elsewhere.
    pub async fn replace(&self, node: u64) -> Result<u64, Error> {
        self.change_node("replace", node).await
    }

    /// Takes `node` out of the cluster for good. Refused unless it is drained or dead.
    pub async fn remove(&self, node: u64) -> Result<u64, Error> {
        self.change_node("remove", node).await
    }

    /// Switches balancing on or off.
    pub async fn rebalance(&self, what: Rebalance) -> Result<u64, Error> {
        let mut p = Params::default();
        p.add(
            "on",
            match what {
                Rebalance::On => "true",
                Rebalance::Off => "false",
                Rebalance::Now => "now",
            },
        );
        self.change("rebalance", &p).await
    }

    /// Hands the leadership of `shard` to `to`, which must hold a replica.
    pub async fn transfer(&self, shard: u64, to: u64) -> Result<u64, Error> {
        let mut p = Params::default();
        p.add("shard", &shard.to_string()).add("to", &to.to_string());
        self.change("transfer", &p).await
    }

    /// Sets how many replicas a shard should have.
    pub async fn set_replication(&self, replicas: u64) -> Result<u64, Error> {
        let mut p = Params::default();
        p.add("replicas", &replicas.to_string());
        self.change("replication", &p).await
    }

    /// The settings of the cluster that are not at their defaults.
    pub async fn cluster_settings(&self) -> Result<BTreeMap<String, String>, Error> {
        Ok(self.ask(&Request::get("/api/v1/cluster/settings".into())).await?.data)
    }

    /// Sets a setting of the cluster; an empty value takes it back to its default.
    pub async fn set_cluster_setting(&self, key: &str, value: &str) -> Result<u64, Error> {
        let mut p = Params::default();
        p.add("key", key).add("value", value);
        self.change("settings", &p).await
    }

    async fn change_node(&self, what: &str, node: u64) -> Result<u64, Error> {
        let mut p = Params::default();
        p.add("node", &node.to_string());
        self.change(what, &p).await
    }

    async fn change(&self, what: &str, params: &Params) -> Result<u64, Error> {
        let mut request = Request::form(&format!("/api/v1/cluster/{what}?{}", params.as_str()), "");
        // A change states what shall be, so a second one finds it done.
        request.repeatable = true;
        let answer: Reported<Changed> = self.ask(&request).await?;
        Ok(answer.data.epoch)
    }
}

impl Cluster {
    /// The node with the number `id`.
    pub fn node(&self, id: u64) -> Option<&ClusterNode> {
        self.nodes.iter().find(|n| n.id == id)
    }

    /// Shards of which `id` holds a replica, or is to hold or to lose one.
    pub fn shards_on(&self, id: u64) -> usize {
        let holds = |s: &&ClusterShard| {
            s.voters.contains(&id) || s.learners.contains(&id) || s.replicas.contains(&id)
        };
        self.shards.iter().filter(holds).count()
    }

    /// Shards that are not yet where they shall be.
    pub fn unsettled(&self) -> usize {
        let same = |a: &[u64], b: &[u64]| a.len() == b.len() && a.iter().all(|n| b.contains(n));
        let settled = |s: &&ClusterShard| s.learners.is_empty() && same(&s.voters, &s.replicas);
        self.shards.len() - self.shards.iter().filter(settled).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_missing_fields_and_new_ones_are_tolerated() {
        let json = serde_json::json!({
            "id": "ab", "leader": null, "nodes": [{"id": 1, "disk_free_bytes": null}], "planets": 9,
            "shards": [{"id": 0, "leader": null, "voters": [1]}], "moves": [{"shard": 1, "eta_seconds": null}],
        });
        let cluster: Cluster = serde_json::from_value(without_nulls(json)).expect("a cluster");
        assert_eq!(
            (cluster.leader, cluster.nodes[0].disk_free_bytes, cluster.shards[0].leader),
            (None, None, None)
        );
        assert!(cluster.more.contains_key("planets"));
    }

    #[test]
    fn a_shard_is_settled_when_those_who_shall_hold_it_do() {
        let shard = |replicas: &[u64], voters: &[u64], learners: &[u64]| ClusterShard {
            replicas: replicas.to_vec(),
            voters: voters.to_vec(),
            learners: learners.to_vec(),
            ..ClusterShard::default()
        };
        let shards = vec![
            shard(&[1, 2, 3], &[3, 2, 1], &[]),
            shard(&[1, 2, 4], &[1, 2, 3], &[4]),
            shard(&[1, 2], &[1], &[]),
        ];
        let cluster = Cluster { shards, ..Cluster::default() };
        assert_eq!((cluster.unsettled(), cluster.shards_on(4), cluster.shards_on(1)), (2, 1, 3));
    }
}
