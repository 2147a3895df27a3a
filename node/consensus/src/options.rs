//! What groups are called, and their timing and bounds.

use crate::Error;
use openraft::{Config, SnapshotPolicy};
use plimsoll_model::ShardId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A group's number in the log; the same on every node, never used for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u64);

impl GroupId {
    /// The group of the cluster's metadata.
    pub const OWNERSHIP: GroupId = GroupId(1);

    /// The group that replicates a shard.
    pub fn of_shard(shard: ShardId) -> Self {
        // Room below for further groups of the cluster.
        Self(0x100 + u64::from(shard.0))
    }

    /// The shard that the group replicates, if it does.
    pub fn shard(self) -> Option<ShardId> {
        self.0.checked_sub(0x100).and_then(|shard| u16::try_from(shard).ok()).map(ShardId)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard() {
            Some(shard) => write!(f, "the group of {shard}"),
            None if *self == Self::OWNERSHIP => write!(f, "the ownership group"),
            None => write!(f, "group {}", self.0),
        }
    }
}

/// Timing and bounds of a group. All members should have the same timing.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often a leader that has nothing to say makes itself heard, in milliseconds.
    pub heartbeat_ms: u64,
    /// The shortest silence of a leader after which a member stands for election, in milliseconds.
    pub election_min_ms: u64,
    /// The longest one; also how long a leader's lease lasts, so fail-over takes up to twice as long.
    pub election_max_ms: u64,
    /// How long an append to a member may take before it is sent anew, in milliseconds. Heartbeats go beside
    /// appends and do not wait for them.
    pub append_timeout_ms: u64,
    /// How long nothing of a snapshot may move, or its answer be missing after the last piece, before it is sent
    /// anew, in milliseconds. The answer includes the time in which the peer puts the state in place.
    pub snapshot_stall_ms: u64,
    /// The largest command in bytes.
    pub max_command_bytes: usize,
    /// Bytes of commands that may wait for their entries; beyond, proposals are refused as busy.
    pub max_waiting_bytes: usize,
    /// Entries that a checkpoint leaves in the log for members that are behind by no more than that.
    pub keep_for_peers: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // Fail-over within 2 s: the lease, then at most one more election time-out.
            heartbeat_ms: 200,
            election_min_ms: 650,
            election_max_ms: 900,
            // An append ends with an fsync over there: a time-out within what a loaded disk takes would send
            // the same entries again and again. A dead connection ends it sooner.
            append_timeout_ms: 2000,
            // Far above what putting a large state in place takes: a second try sends all of it again.
            snapshot_stall_ms: 60_000,
            max_command_bytes: 32 << 20,
            max_waiting_bytes: 64 << 20,
            keep_for_peers: 20_000,
        }
    }
}

/// How sure a read must be that it sees everything acknowledged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Trusts the leader's lease: no message, but clocks must not drift by more than the lease.
    Lease,
    /// Asks a majority.
    Index,
}

/// The same for openraft.
pub(crate) fn config(group: GroupId, options: &Options) -> Result<Config, Error> {
    let config = Config {
        cluster_name: "plimsoll".to_owned(),
        heartbeat_interval: options.heartbeat_ms,
        heartbeat_min_interval: Some(options.heartbeat_ms / 2),
        election_timeout_min: options.election_min_ms,
        election_timeout_max: options.election_max_ms,
        // Checkpoints are the shard's to time, and purging follows them.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 1 << 60,
        replication_lag_threshold: 100,
        // Proposals are bounded by bytes; these only size the queues.
        api_channel_size: Some(4096),
        notification_channel_size: Some(4096),
        enable_pre_vote: Some(true),
        // A leader sends entries before they are on its own disk. One that crashed and led on in its old term would
        // give their numbers to other entries, while a majority may have committed the first ones.
        enable_leader_restore: Some(false),
        // A member whose disk lost the end of its log gets it again, instead of being left behind for ever.
        allow_log_reversion: Some(true),
        ..Config::default()
    };
    config.validate().map_err(|error| Error::Settings { group, reason: error.to_string() })
}
