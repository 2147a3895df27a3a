//! Who this node is, and which cluster it belongs to.
//!
//! Owns: the node's identity and the raft group of the ownership metadata.
//! Does not own: the data groups (`shard`), the rules of ownership (`plimsoll-ownership`).

use anyhow::{Context, bail};
use plimsoll_cluster_config::Settings;
use plimsoll_consensus::Log;
use plimsoll_model::NodeId;
use plimsoll_storage::Database;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// Key of the identity in the column family `node`.
const IDENTITY_KEY: &[u8] = b"identity";

/// Handle of the cluster as this node sees it.
#[derive(Clone)]
pub struct Cluster(Arc<Identity>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    cluster: String,
    node: u64,
    shards: u16,
}

impl Cluster {
    /// Takes the identity from the data folder, or founds a cluster of one.
    pub async fn open(
        database: &Arc<Database>,
        _log: &Log,
        settings: &Settings,
        _address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let identity = match database.get(IDENTITY_KEY)? {
            Some(bytes) => serde_json::from_slice(&bytes).context("the identity of this node is damaged")?,
            None => {
                let fresh = Identity {
                    cluster: format!("{:016x}", rand::random::<u64>()),
                    node: 1,
                    shards: settings.shards.count as u16,
                };
                database.put(IDENTITY_KEY, &serde_json::to_vec(&fresh)?)?;
                fresh
            }
        };
        if u64::from(identity.shards) != settings.shards.count {
            bail!(
                "shards.count is {}, this cluster was created with {}: set it back, the number is fixed",
                settings.shards.count,
                identity.shards
            );
        }
        Ok(Self(Arc::new(identity)))
    }

    /// This node.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.0.node)
    }

    /// Identity of the cluster.
    pub fn id(&self) -> String {
        self.0.cluster.clone()
    }

    /// Number of shards, fixed when the cluster was created.
    pub fn shard_count(&self) -> u16 {
        self.0.shards
    }

    /// Ends the ownership group.
    pub async fn stop(&self) {}
}
