//! What a node says of itself, made anew for each round of the watch.

use crate::cluster::Cluster;
use crate::peer::Report;
use crate::shard::Shards;
use parking_lot::Mutex;
use plimsoll_consensus::Log;
use plimsoll_storage::Database;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sizes on disk change slowly, and adding them up reads a directory.
const DISK_ROUND: Duration = Duration::from_secs(3);

/// Makes the node's reports.
pub struct Reporter {
    /// Ownership.
    pub cluster: Cluster,
    /// The shards.
    pub shards: Shards,
    /// RocksDB.
    pub database: Arc<Database>,
    /// The log of all groups.
    pub log: Log,
    /// The data folder.
    pub folder: PathBuf,
    /// Whether this node may lead.
    pub may_lead: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Bytes used and free, and when they were read.
    pub disk: Mutex<Option<(Instant, u64, u64)>>,
}

impl Reporter {
    /// The report of this moment.
    pub fn report(&self) -> Report {
        let (disk_bytes, disk_free_bytes) = self.disk();
        let shards = self.shards.locals();
        Report {
            epoch: self.cluster.read(|s| s.epoch().0),
            now_ms: crate::now_ms(),
            disk_bytes,
            disk_free_bytes,
            read_only: false,
            may_not_lead: !(self.may_lead)(),
            ownership_leader: self.cluster.group().leader().map(|l| l.0),
            ownership_quorum: self.cluster.leads_with_quorum(),
            shards: shards.iter().filter_map(|s| Some(s.live().ok()?.report(s.id))).collect(),
        }
    }

    fn disk(&self) -> (u64, u64) {
        let mut known = self.disk.lock();
        if let Some((at, used, free)) = *known
            && at.elapsed() < DISK_ROUND
        {
            return (used, free);
        }
        let used = self.database.disk_bytes().unwrap_or_default() + self.log.stats().disk_bytes;
        let free = rustix::fs::statvfs(&self.folder).map_or(0, |s| s.f_bavail * s.f_frsize);
        *known = Some((Instant::now(), used, free));
        (used, free)
    }
}
