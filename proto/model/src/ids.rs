use serde::{Deserialize, Serialize};
use std::fmt;

/// A range of the series hash; all of a series lives in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardId(pub u16);

/// Dense number of a series inside its shard, given out in log order, so all replicas agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesRef(pub u32);

/// Version of the ownership metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// A node; never used again after the node is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl ShardId {
    /// The shard of `hash` when the hash space is cut into `shards` equal ranges.
    pub fn of_hash(hash: u64, shards: u16) -> Self {
        Self(((u128::from(hash) * u128::from(shards)) >> 64) as u16)
    }

    /// The shard whose leader does what is done once in the cluster under the name `key`.
    pub fn of_key(key: &str, shards: u16) -> Self {
        Self::of_hash(xxhash_rust::xxh3::xxh3_64(key.as_bytes()), shards)
    }
}

impl SeriesRef {
    /// The ref as an index into a vector.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard-{:04}", self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_ranges_cover_the_whole_space_in_order() {
        for shards in [1u16, 3, 16, 256] {
            assert_eq!(ShardId::of_hash(0, shards), ShardId(0));
            assert_eq!(ShardId::of_hash(u64::MAX, shards), ShardId(shards - 1));
        }
        assert_eq!(ShardId::of_hash(1 << 63, 2), ShardId(1));
        assert_eq!(ShardId::of_hash((1 << 63) - 1, 2), ShardId(0));
    }
}
