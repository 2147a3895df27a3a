use anyhow::{Context, bail};
use plimsoll_model::NodeId;
use plimsoll_ownership::ClusterId;
use plimsoll_storage::Database;
use serde::{Deserialize, Serialize};

/// Key of the identity in the column family `node`.
const KEY: &[u8] = b"identity";

/// What makes a data folder this node's. Complete before the first raft group starts, and never changed then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Made at random with the folder.
    pub folder: u128,
    /// The node's number; 0 while it asks to join.
    pub node: u64,
    /// The cluster; 0 while it asks to join.
    #[serde(default)]
    pub cluster: u128,
    /// Number of shards of the cluster.
    #[serde(default)]
    pub shards: u16,
    /// Where peers reached the node at its last start.
    #[serde(default)]
    pub address: String,
    /// This folder began the cluster.
    #[serde(default)]
    pub founder: bool,
    /// The founder has begun the groups of all shards: from then on no group is ever begun again.
    #[serde(default)]
    pub founded: bool,
    /// Where peers were at the time of joining, until the ownership metadata tells.
    #[serde(default)]
    pub peers: Vec<(u64, String)>,
}

impl Identity {
    /// The identity in `database`, if it has one.
    pub fn load(database: &Database) -> anyhow::Result<Option<Self>> {
        let Some(bytes) = database.get(KEY)? else { return Ok(None) };
        let found: Self = serde_json::from_slice(&bytes).context(
            "the identity of this node is damaged: start with a new data folder and join again, or restore a backup",
        )?;
        Ok(Some(found))
    }

    /// Makes it durable.
    pub fn save(&self, database: &Database) -> anyhow::Result<()> {
        Ok(database.put(KEY, &serde_json::to_vec(self)?)?)
    }

    /// Of a node that begins a cluster of its own; the first one that the group registers has number 1.
    pub fn founder(shards: u16) -> Self {
        Self {
            folder: rand::random(),
            node: 1,
            cluster: rand::random(),
            shards,
            founder: true,
            founded: false,
            address: String::new(),
            peers: Vec::new(),
        }
    }

    /// Of a node that is about to ask to join.
    pub fn joining() -> Self {
        Self {
            folder: rand::random(),
            node: 0,
            cluster: 0,
            shards: 0,
            founder: false,
            founded: true,
            address: String::new(),
            peers: Vec::new(),
        }
    }

    /// Whether it belongs to a cluster.
    pub fn is_complete(&self) -> bool {
        self.node != 0
    }

    /// Number of the node.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.node)
    }

    /// The cluster.
    pub fn cluster_id(&self) -> ClusterId {
        ClusterId(self.cluster)
    }

    /// Refuses a folder whose number of shards is not what the settings say.
    pub fn check_shards(&self, wanted: u64, given: bool) -> anyhow::Result<()> {
        if given && wanted != u64::from(self.shards) {
            bail!(
                "shards.count is {wanted}, this cluster was founded with {}: set it back, the number is fixed",
                self.shards
            );
        }
        Ok(())
    }
}
