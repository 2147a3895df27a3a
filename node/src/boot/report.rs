//! What a node says of itself, made anew for each round of the watch.

use crate::disk::Health;
use crate::peer::Report;
use crate::shard::Shards;
use parking_lot::Mutex;
use plimsoll_consensus::Log;
use plimsoll_storage::Database;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sizes on disk change slowly, and adding them up reads a directory.
const DISK_ROUND: Duration = Duration::from_secs(3);

/// Makes the node's reports.
pub struct Reporter {
    /// The shards, and ownership behind them.
    pub shards: Shards,
    /// RocksDB.
    pub database: Arc<Database>,
    /// The log of all groups.
    pub log: Log,
    /// Whether the disk takes more.
    pub disk: Health,
    /// Whether this node may lead.
    pub may_lead: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Bytes on disk, and when they were read.
    pub sizes: Mutex<Option<(Instant, u64)>>,
}

impl Reporter {
    /// The report of this moment.
    pub fn report(&self) -> Report {
        let cluster = self.shards.cluster();
        let shards = self.shards.locals();
        Report {
            node: self.shards.node().0,
            epoch: cluster.read(|s| s.epoch().0),
            now_ms: crate::now_ms(),
            disk_bytes: self.disk_bytes(),
            disk_free_bytes: self.disk.free_bytes(),
            read_only: self.disk.check_writable().is_err(),
            may_not_lead: !(self.may_lead)(),
            ownership_leader: cluster.group().leader().map(|l| l.0),
            ownership_quorum: cluster.leads_with_quorum(),
            shards: shards.iter().filter_map(|shard| shard.report()).collect(),
        }
    }

    fn disk_bytes(&self) -> u64 {
        let mut known = self.sizes.lock();
        if let Some((at, bytes)) = *known
            && at.elapsed() < DISK_ROUND
        {
            return bytes;
        }
        let bytes = self.database.disk_bytes().unwrap_or_default() + self.log.stats().disk_bytes;
        *known = Some((Instant::now(), bytes));
        bytes
    }
}
