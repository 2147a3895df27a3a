use super::chunk::{Chunk, Sealer};
use super::late::LateSamples;
use super::{Active, Head, Series};
use crate::disk::{accounts, open_streams};
use plimsoll_model::{SeriesRef, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// What a checkpoint writes, as it was at one position of the log.
#[derive(Default)]
pub(crate) struct Frozen {
    /// Full chunks by series, ascending.
    pub(crate) chunks: Vec<(SeriesRef, Vec<Arc<Chunk>>)>,
    pub(crate) late: HashMap<SeriesRef, LateSamples>,
    /// Rows of open streams: first ref and records.
    pub(crate) open: Vec<(SeriesRef, Vec<u8>)>,
    /// Rows of accounts: first ref and records.
    pub(crate) accounts: Vec<(SeriesRef, Vec<u8>)>,
    /// Series that became active in a bucket.
    pub(crate) fresh: Active,
    pub(crate) position: Option<Vec<u8>>,
    pub(crate) next_ref: u32,
    pub(crate) expired_before: Timestamp,
    pub(crate) deletions: Vec<(u64, u64)>,
}

impl Frozen {
    /// Full chunks of one series.
    pub(crate) fn chunks_of(&self, r: SeriesRef) -> &[Arc<Chunk>] {
        self.chunks.binary_search_by_key(&r, |(r, _)| *r).map_or(&[], |i| &self.chunks[i].1)
    }
}

impl Head {
    /// Takes out what a checkpoint writes. Streams whose newest sample is older than `idle_before` are closed and
    /// give their memory back; the others stay open and are copied.
    pub(crate) fn freeze(&mut self, idle_before: Timestamp, next_ref: u32) -> Frozen {
        let mut frozen = Frozen {
            late: std::mem::take(&mut self.late),
            fresh: std::mem::take(&mut self.fresh),
            accounts: accounts::rows(&self.increases),
            position: self.position.clone(),
            next_ref,
            expired_before: self.expired_before,
            deletions: self.deletions.clone(),
            ..Frozen::default()
        };
        let Self { series, sealer, .. } = self;
        let mut rows = OpenRows::default();
        series.for_each_mut(|r, s| {
            s.settle(idle_before, sealer);
            if !s.chunks.is_empty() {
                frozen.chunks.push((r, std::mem::take(&mut s.chunks)));
            }
            if !s.open.is_empty() {
                rows.put(r, s);
            }
        });
        sealer.columns.clear();
        frozen.open = rows.finish();
        frozen
    }

    /// The newest timestamp of all open samples.
    pub(crate) fn newest(&self) -> Timestamp {
        let newest = |s: &Series| {
            let histogram = s.histograms.as_ref().and_then(|h| h.times.last().copied());
            histogram.max((!s.open.is_empty()).then(|| s.open.last()))
        };
        self.series.iter().filter_map(|(_, s)| newest(s)).max().unwrap_or(Timestamp::MIN)
    }
}

impl Series {
    /// Closes histograms, and floats that have gone quiet.
    fn settle(&mut self, idle_before: Timestamp, sealer: &mut Sealer) {
        let quiet = self.open.last() < idle_before || idle_before == Timestamp::MAX;
        if self.histograms.is_some() || (quiet && !self.open.is_empty()) {
            self.seal(sealer);
        }
        if quiet {
            self.open.release();
        }
    }
}

/// Records of open streams cut into rows.
#[derive(Default)]
struct OpenRows {
    rows: Vec<(SeriesRef, Vec<u8>)>,
}

impl OpenRows {
    fn put(&mut self, r: SeriesRef, s: &Series) {
        if self.rows.last().is_none_or(|(_, row)| row.len() >= open_streams::ROW_BYTES) {
            self.rows.push((r, Vec::new()));
        }
        let (_, row) = self.rows.last_mut().expect("one was just pushed");
        open_streams::put(row, r, &s.open);
    }

    fn finish(self) -> Vec<(SeriesRef, Vec<u8>)> {
        self.rows
    }
}
