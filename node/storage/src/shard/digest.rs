use super::Shard;
use crate::Error;
use plimsoll_model::{Labels, Samples, TimeRange, varint};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Series that are read at a time; bounds the memory.
const BATCH_SERIES: usize = 256;

/// What a shard answers in a range of time, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Hash of the labels and samples of all series, floats by their bits, and of what was counted of increases. Does not
    /// depend on how they are stored.
    pub hash: u64,
    /// Series with a sample in the range.
    pub series: u64,
    /// Samples in the range.
    pub samples: u64,
    /// The position of the log that it covers: replicas are compared at the same one.
    pub position: Option<Vec<u8>>,
    /// Whether damaged rows are missing from it.
    pub damaged: bool,
}

impl Shard {
    /// A hash of all that the shard answers in `range`. Replicas with the same position have the same one, however
    /// their samples are stored.
    pub fn digest(self: &Arc<Self>, range: TimeRange) -> Result<u64, Error> {
        Ok(self.digest_at(range)?.hash)
    }

    /// As [`Self::digest`], with the position that it covers and what went into it.
    pub fn digest_at(self: &Arc<Self>, range: TimeRange) -> Result<Digest, Error> {
        let (selection, position, accounts) = {
            // No command is half applied while the selection and the position are taken.
            let _writer = self.writer.lock();
            (self.select(&[], range)?, self.position(), self.head.read().increases.digest())
        };
        let mut digest = Digest { position, hash: accounts, ..Digest::default() };
        let mut samples = Vec::new();
        for start in (0..selection.len()).step_by(BATCH_SERIES) {
            let which = start..(start + BATCH_SERIES).min(selection.len());
            selection.read(which.clone(), &mut samples)?;
            for (i, samples) in which.zip(&samples).filter(|(_, samples)| !samples.is_empty()) {
                digest.series += 1;
                digest.samples += samples.len() as u64;
                // A sum, because the order of the series is that of their refs.
                digest.hash = digest.hash.wrapping_add(hash(&selection.labels(i), samples));
            }
        }
        digest.damaged = !selection.warnings().is_empty();
        Ok(digest)
    }
}

/// The hash of one series: labels, then floats, then histograms, each with its timestamp and the length of all.
fn hash(labels: &Labels, samples: &Samples) -> u64 {
    let mut hasher = Xxh3::new();
    let mut bytes = Vec::new();
    for (name, value) in labels.iter() {
        for text in [name, value] {
            varint::put(&mut bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    let mut add = |bytes: &mut Vec<u8>| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
        bytes.clear();
    };
    add(&mut bytes);
    for (at, v) in samples.floats.timestamps.iter().zip(&samples.floats.values) {
        bytes.extend_from_slice(&at.to_le_bytes());
        bytes.extend_from_slice(&v.to_bits().to_le_bytes());
    }
    add(&mut bytes);
    for (at, histogram) in &samples.histograms {
        bytes.extend_from_slice(&at.to_le_bytes());
        histogram.encode(&mut bytes);
    }
    add(&mut bytes);
    hasher.digest()
}
