//! Samples of one shard as JSON lines.

use super::Consistency;
use plimsoll_model::{Matcher, ShardId, TimeRange};
use plimsoll_proto::ingest::write_json_line;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

/// Series decoded at a time.
const BLOCK: usize = 64;

/// What a peer is asked to export.
#[derive(Serialize, Deserialize)]
pub struct Export {
    /// A series has to fulfil one of them.
    pub selectors: Vec<Vec<Matcher>>,
    /// Samples of this range.
    pub range: TimeRange,
    /// The shards.
    pub shards: Vec<ShardId>,
    /// How sure the answer must be.
    pub consistency: Consistency,
}

/// Writes a line a series. Memory is bounded by a block of series.
pub fn export(
    shard: &Arc<plimsoll_storage::Shard>,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut seen = HashSet::new();
    let (mut samples, mut line) = (Vec::new(), Vec::new());
    for matchers in selectors {
        let selection = shard.select(matchers, range).map_err(io::Error::other)?;
        for first in (0..selection.len()).step_by(BLOCK) {
            let block = first..selection.len().min(first + BLOCK);
            samples.clear();
            selection.read(block.clone(), &mut samples).map_err(io::Error::other)?;
            for (series, samples) in block.zip(&samples) {
                let labels = selection.labels(series);
                let again = selectors.len() > 1 && !seen.insert(labels.fingerprint());
                if !again && !samples.is_empty() {
                    line.clear();
                    write_json_line(&mut line, &labels, samples);
                    out.write_all(&line)?;
                }
            }
        }
    }
    Ok(())
}
