//! Blocks of Prometheus' storage, series by series.

use super::super::exit::Problem;
use super::super::tsdb::{Block, Meta, find};
use super::source::{Chunk, Lines};
use super::{super::units::show_count, Filter};
use std::path::{Path, PathBuf};

/// The series of all blocks of a folder, oldest block first. A position is a number of series over all blocks.
pub(super) struct Blocks {
    filter: Filter,
    chunk_bytes: usize,
    /// Each with how many series stand before it.
    blocks: Vec<(PathBuf, u64)>,
    total: u64,
    open: Option<(usize, Block)>,
    at: u64,
}

impl From<super::super::tsdb::Error> for Problem {
    fn from(e: super::super::tsdb::Error) -> Self {
        Self::fail(e.to_string())
    }
}

impl Blocks {
    pub fn open(folder: &Path, filter: Filter, from: u64, chunk_bytes: usize) -> Result<Self, Problem> {
        let wanted = |meta: &Meta| meta.start <= filter.end && filter.start < meta.end;
        let found = find(folder)?;
        if found.is_empty() {
            return Err(Problem::usage(format!("there is no block in {}", folder.display()))
                .next("name a folder with meta.json, or one that holds such folders; a running Prometheus puts its newest samples there on `POST /api/v1/admin/tsdb/snapshot`"));
        }
        let (mut blocks, mut total) = (Vec::new(), 0);
        for (path, _) in found.into_iter().filter(|(_, meta)| wanted(meta)) {
            let series = Block::open(&path)?.len() as u64;
            blocks.push((path, total));
            total += series;
        }
        eprintln!("{} blocks with {} series", blocks.len(), show_count(total));
        Ok(Self { filter, chunk_bytes, blocks, total, open: None, at: from })
    }

    pub fn series(&self) -> u64 {
        self.total
    }

    pub fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        let mut lines = Lines::default();
        while self.at < self.total && lines.len() < self.chunk_bytes {
            let number = self.blocks.partition_point(|(_, before)| *before <= self.at) - 1;
            let (path, before) = &self.blocks[number];
            if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
                self.open = Some((number, Block::open(path)?));
            }
            let Some((_, block)) = &self.open else { break };
            let piece = block.series((self.at - before) as usize, self.filter.start, self.filter.end)?;
            if piece.len() > 0 && self.filter.takes(&piece.labels) {
                lines.add(piece);
            }
            self.at += 1;
        }
        // A chunk without a line still moves the position on.
        Ok((lines.len() > 0).then(|| lines.take(self.at)))
    }
}
