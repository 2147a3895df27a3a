//! Marks that samples of long ago came in: who works on samples by windows of time has to go back for them.
//!
//! The mark is a sample in the same request, so it is durable when the request is acknowledged; who reads marks waits
//! until a request that was under way then has ended.

use crate::now_ms;
use plimsoll_model::{Labels, METRIC_NAME, NodeId, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

/// What is older than this when it arrives is marked. Windows are settled later than that by more than a request takes.
pub(super) const LATE_MS: i64 = 120_000;
/// A mark: its value is the oldest time in the request, in seconds.
pub const LATE_METRIC: &str = "plimsoll_late_samples_oldest_timestamp_seconds";

static LAST: AtomicI64 = AtomicI64::new(0);
/// Whether anybody reads marks. They are the process', as its clock is.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// From now on late samples are marked.
pub fn watch_late() {
    WATCHED.store(true, SeqCst);
}

pub(super) fn is_watched() -> bool {
    WATCHED.load(SeqCst)
}

/// The series of this node's marks.
pub fn series(node: NodeId) -> Labels {
    Labels::from_pairs([(METRIC_NAME, LATE_METRIC), ("node", &node.to_string())]).unwrap_or_default()
}

/// When the next mark is made: each at a time of its own, so that none replaces another one.
pub fn next_time() -> Timestamp {
    let now = now_ms();
    let last = LAST.fetch_update(SeqCst, SeqCst, |last| Some(now.max(last + 1)));
    now.max(last.unwrap_or(now) + 1)
}
