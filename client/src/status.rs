//! What a node says about itself. Every field may be missing: a client meets nodes of other versions.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer of `/api/v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The node that answered.
    pub node: NodeStatus,
    /// The cluster as this node knows it.
    pub cluster: ClusterStatus,
    /// The replicas on this node.
    pub shards: Vec<ShardStatus>,
    /// What is stored on this node.
    pub storage: StorageStatus,
    /// What came in since the start.
    pub ingest: IngestStatus,
    /// What is asked.
    pub queries: QueriesStatus,
    /// What a newer node adds.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Its number.
    #[serde(deserialize_with = "text")]
    pub id: String,
    /// The version of its binary.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: f64,
    /// Whether it takes writes and answers queries.
    pub ready: bool,
    /// Where it listens.
    pub listen: String,
    /// Where its data is.
    pub data_dir: String,
}

/// The cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterStatus {
    /// Its identity.
    #[serde(deserialize_with = "text")]
    pub id: String,
    /// Nodes, as a count or as a list of whatever the node tells about each.
    pub nodes: serde_json::Value,
    /// Number of shards.
    pub shards: u64,
    /// Replicas a shard should have.
    pub replication_factor: u64,
}

/// One replica of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardStatus {
    /// The shard.
    pub id: u64,
    /// The node that takes its writes.
    #[serde(deserialize_with = "text")]
    pub leader: String,
    /// What this node is to the shard.
    pub role: String,
    /// Raft term.
    pub term: u64,
    /// Log position that is applied.
    pub applied: u64,
    /// Series.
    pub series: u64,
    /// Samples that are not in a checkpoint yet.
    pub head_samples: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Storage of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageStatus {
    /// Series.
    pub series: u64,
    /// Samples that are not in a checkpoint yet.
    pub head_samples: u64,
    /// Bytes of chunks and index.
    pub disk_bytes: u64,
    /// Bytes of the raft log.
    pub log_bytes: u64,
    /// How long samples are kept.
    pub retention_seconds: f64,
}

/// Ingest since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngestStatus {
    /// Samples taken.
    pub samples_total: u64,
    /// Samples refused.
    pub refused_total: u64,
    /// Requests.
    pub requests_total: u64,
}

/// Queries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueriesStatus {
    /// Running now.
    pub active: u64,
    /// Since the start.
    pub total: u64,
}

/// The answer of `/api/v1/cardinality`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cardinality {
    /// Series that match.
    pub series: u64,
    /// The metrics with the most series.
    pub metrics: Vec<MetricCardinality>,
    /// The labels with the most values.
    pub labels: Vec<LabelCardinality>,
    /// The label pairs with the most series.
    pub pairs: Vec<PairCardinality>,
}

/// Series of a metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricCardinality {
    /// The metric.
    pub name: String,
    /// Its series.
    pub series: u64,
}

/// Values of a label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelCardinality {
    /// The label.
    pub name: String,
    /// Its values.
    pub values: u64,
    /// Series that have it.
    pub series: u64,
}

/// Series of a label pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PairCardinality {
    /// The label.
    pub name: String,
    /// The value.
    pub value: String,
    /// Series that have the pair.
    pub series: u64,
}

/// One entry of `/api/v1/metadata`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// counter, gauge, histogram, summary, unknown ...
    #[serde(rename = "type")]
    pub kind: String,
    /// What it means.
    pub help: String,
    /// Its unit.
    pub unit: String,
}

/// The answer of `/api/v1/status/buildinfo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildInfo {
    /// The version of Prometheus whose API the server follows.
    pub version: String,
    /// What the server is: `plimsoll`, or empty for others.
    pub application: String,
    /// The version of Plimsoll.
    #[serde(rename = "plimsollVersion")]
    pub plimsoll_version: String,
    /// The commit.
    pub revision: String,
}

/// `value` without members that are null: to say "not known" so is a node's right, and a default serves for it.
pub(crate) fn without_nulls(mut value: serde_json::Value) -> serde_json::Value {
    match &mut value {
        serde_json::Value::Object(members) => {
            members.retain(|_, v| !v.is_null());
            members.values_mut().for_each(|v| *v = without_nulls(v.take()));
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|v| *v = without_nulls(v.take())),
        _ => {}
    }
    value
}

/// Takes a number, a text or null as text: ids are shown, never reckoned with.
fn text<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(d)? {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(s) => s,
        other => other.to_string(),
    })
}

impl ClusterStatus {
    /// How many nodes the cluster has, as far as the answer tells.
    pub fn node_count(&self) -> Option<u64> {
        self.nodes.as_u64().or_else(|| self.nodes.as_array().map(|all| all.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_fields_and_new_ones_are_tolerated() {
        let status: Status =
            serde_json::from_str(r#"{"node":{"id":1,"ready":true},"cluster":{"nodes":3},"disks":[1]}"#)
                .expect("a status");
        assert_eq!((status.node.id.as_str(), status.node.ready), ("1", true));
        assert_eq!(status.cluster.node_count(), Some(3));
        assert!(status.more.contains_key("disks"));
        let status: Status =
            serde_json::from_str(r#"{"cluster":{"nodes":[{"id":1},{"id":2}]}}"#).expect("a status");
        assert_eq!(status.cluster.node_count(), Some(2));
        let nulls: serde_json::Value =
            serde_json::json!({"shards": [{"id": 2, "term": null, "leader": null}]});
        let status: Status = serde_json::from_value(without_nulls(nulls)).expect("a status");
        assert_eq!((status.shards[0].id, status.shards[0].term), (2, 0));
        assert_eq!(serde_json::from_str::<Status>("{}").expect("an empty status"), Status::default());
    }
}
