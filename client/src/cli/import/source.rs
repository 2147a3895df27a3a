//! Where an import comes from: pieces of text for a node, one after another, from a position on.

use super::super::exit::Problem;
use super::super::piece::Piece;
use super::blocks::Blocks;
use super::parquet::ParquetRows;
use super::remote_read::RemoteRead;
use super::text::TextLines;
use crate::TextFormat;
use bytes::Bytes;

/// What a request sends.
#[derive(Debug)]
pub(super) struct Chunk {
    pub format: TextFormat,
    pub body: Bytes,
    /// Where the source goes on behind it.
    pub position: u64,
    /// Lines of text, or samples where they are counted.
    pub items: u64,
}

pub(super) enum Source {
    Text(TextLines),
    Parquet(Box<ParquetRows>),
    Blocks(Box<Blocks>),
    RemoteRead(Box<RemoteRead>),
}

impl Source {
    pub async fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        match self {
            Self::Text(source) => source.next(),
            Self::Parquet(source) => source.next(),
            Self::Blocks(source) => source.next(),
            Self::RemoteRead(source) => source.next().await,
        }
    }

    /// What the positions count, for messages.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Text(_) => "byte",
            Self::Parquet(_) => "row",
            Self::Blocks(_) => "series",
            Self::RemoteRead(_) => "millisecond",
        }
    }

    /// The position behind the last chunk, where it is known.
    pub fn end(&self) -> Option<u64> {
        match self {
            Self::Text(source) => source.total,
            Self::Parquet(source) => Some(source.rows()),
            Self::Blocks(source) => Some(source.series()),
            Self::RemoteRead(source) => Some(source.end()),
        }
    }

    /// What one item is called, for messages.
    pub fn items(&self) -> &'static str {
        if matches!(self, Self::Text(_)) { "lines" } else { "samples" }
    }
}

/// Lines of JSON that grow to a request.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    samples: u64,
}

/// Samples on a line at most: some megabytes, below what a node takes of a line.
const LINE_SAMPLES: usize = 100_000;

/// Histograms on a line at most, each of which may have hundreds of buckets.
const LINE_HISTOGRAMS: usize = 1_000;

impl Lines {
    pub fn add(&mut self, piece: Piece) {
        self.samples += piece.len() as u64;
        for floats in piece.floats.chunks(LINE_SAMPLES) {
            let labels = piece.labels.clone();
            Piece { labels, floats: floats.to_vec(), ..Piece::default() }.write_line(&mut self.bytes);
        }
        for histograms in piece.histograms.chunks(LINE_HISTOGRAMS) {
            let labels = piece.labels.clone();
            Piece { labels, histograms: histograms.to_vec(), ..Piece::default() }.write_line(&mut self.bytes);
        }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn take(&mut self, position: u64) -> Chunk {
        let Self { bytes, samples } = std::mem::take(self);
        Chunk { format: TextFormat::JsonLines, body: bytes.into(), position, items: samples }
    }
}
