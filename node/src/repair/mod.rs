//! Mends damaged replicas: what a checksum refuses is fetched from a sound replica and written again through the log.
//!
//! Owns: the look for damage (found by reads, merges and scrubs), the scrub once a day, the fetch.
//! Does not own: finding and forgetting damage (`plimsoll-storage`), who leads meanwhile (`shard::walk` gives the
//! leadership of a damaged replica away).
//!
//! Written again, equal samples change nothing on sound replicas and come back on the damaged one. Only then its damaged
//! rows are dropped.

use crate::collector::{Collector, Format};
use crate::query::{Consistency, Export, export_question};
use crate::shard::{Shard, Shards};
use bytes::{Bytes, BytesMut};
use plimsoll_model::{NodeId, TimeRange};
use plimsoll_proto::ingest::Encoding;
use plimsoll_storage::{DamagedRange, Repair};
use std::time::Duration;

/// Between two looks for damage.
const LOOK: Duration = Duration::from_secs(2);
/// Between two scrubs of all replicas.
const SCRUB: Duration = Duration::from_secs(86_400);
/// Pause after some MiB of a scrub, so that nobody notices it.
const SCRUB_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of lines written at a time.
const WRITE_BYTES: usize = 4 << 20;

/// Runs for ever.
pub async fn keep(shards: Shards, collector: Collector) {
    let mut scrubbed = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        if scrubbed.elapsed() > SCRUB {
            scrub(&shards, SCRUB_PAUSE).await;
            scrubbed = tokio::time::Instant::now();
        }
        for shard in shards.locals() {
            let Ok(live) = shard.live() else { continue };
            for range in live.storage().damaged() {
                match mend(&shards, &collector, &shard, &range).await {
                    Ok(()) => {
                        tracing::info!(shard = %shard.id, start = range.start, end = range.end, "damage was mended");
                        metrics::counter!("plimsoll_repaired_ranges_total").increment(1);
                    }
                    Err(e) => tracing::error!(shard = %shard.id, error = e, "damage is not mended yet"),
                }
            }
        }
    }
}

/// Reads everything that this node holds and verifies it; answers how many rows are damaged.
pub async fn scrub(shards: &Shards, pause: Duration) -> u64 {
    let mut damaged = 0;
    for shard in shards.locals() {
        let Ok(live) = shard.live() else { continue };
        let storage = live.storage();
        let work = move || storage.scrub(|_| std::thread::sleep(pause));
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(found)) => damaged += found.damaged,
            Ok(Err(e)) => tracing::error!(shard = %shard.id, error = %e, "a scrub ended early"),
            Err(e) => tracing::error!(shard = %shard.id, error = %e, "a scrub ended early"),
        }
    }
    damaged
}

async fn mend(
    shards: &Shards,
    collector: &Collector,
    shard: &Shard,
    range: &DamagedRange,
) -> Result<(), String> {
    if range.repair == Repair::Replace {
        return Err(if shards.cluster().place(shard.id).0.len() > 2 {
            "labels are damaged: this copy is made anew as soon as all others answer".to_owned()
        } else {
            "labels are damaged: drain this node (plimsoll cluster drain), and start it with a new data folder".to_owned()
        });
    }
    let from = sound(shards, shard).ok_or("no sound replica answers; it is tried again")?;
    let time = TimeRange { start: range.start, end: range.end };
    let selectors = vec![Vec::new()];
    let asked = Export { selectors, range: time, shards: vec![shard.id], consistency: Consistency::Follower };
    let mut pieces = shards.peers().ask(from, export_question(&asked)).await.map_err(|e| e.to_string())?;
    let mut lines = BytesMut::new();
    while let Some(piece) = pieces.next().await.map_err(|e| e.to_string())? {
        lines.extend_from_slice(&piece);
        if lines.len() >= WRITE_BYTES
            && let Some(end) = lines.iter().rposition(|b| *b == b'\n')
        {
            write(collector, lines.split_to(end + 1).freeze()).await?;
        }
    }
    write(collector, lines.freeze()).await?;
    let storage = shard.live().map_err(|e| e.to_string())?.storage();
    let forget = move || storage.forget_damage(time);
    let forgotten = tokio::task::spawn_blocking(forget).await.map_err(|e| e.to_string())?;
    forgotten.map(drop).map_err(|e| e.to_string())
}

async fn write(collector: &Collector, lines: Bytes) -> Result<(), String> {
    if lines.is_empty() {
        return Ok(());
    }
    let taken = collector.ingest(Format::JsonLines(Encoding::Identity), lines).await;
    taken.map(drop).map_err(|e| e.to_string())
}

/// Another node with a replica that knows of no damage.
fn sound(shards: &Shards, shard: &Shard) -> Option<NodeId> {
    let view = shards.cluster().view();
    let (replicas, _) = shards.cluster().place(shard.id);
    replicas.into_iter().find(|node| {
        let report = view.of(*node).map(|(_, report)| report);
        let own = report.and_then(|r| r.shards.into_iter().find(|s| s.shard == shard.id));
        *node != shards.node() && view.is_alive(*node) && own.is_some_and(|s| s.damaged == 0)
    })
}
