//! `GET /api/v1/export`: samples as JSON lines, streamed.

use super::{ApiError, AppState, Params, json};
use axum::extract::State;
use axum::response::Response;
use plimsoll_model::{Matcher, TimeRange};
use plimsoll_proto::ingest::write_json_line;
use std::io::{self, Write};
use std::sync::Arc;

/// Series decoded at a time.
const BLOCK: usize = 64;

/// Streams the samples of the series that match, a line a series. Memory is bounded by a block of series.
pub async fn export(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let selectors: Vec<Vec<Matcher>> = super::series::selectors(&params)?;
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided; add match[]=<selector>"));
    }
    let range = super::series::range(&params)?;
    let shards = app.shards.iter().map(|s| s.live().map(|l| l.storage())).collect::<Result<Vec<_>, _>>()?;
    Ok(json::stream("application/x-ndjson", move |out| {
        for shard in shards {
            export_shard(&shard, &selectors, range, out)?;
        }
        Ok(())
    }))
}

fn export_shard(
    shard: &Arc<plimsoll_storage::Shard>,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut seen = std::collections::HashSet::new();
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
