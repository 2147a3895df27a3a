use crate::codec::{Scratch, timestamps};
use plimsoll_model::{TimeRange, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// An encoded timestamp column, shared by the chunks of the series that were scraped together.
#[derive(Debug)]
pub(crate) struct Column {
    /// Hash of the timestamps: columns with equal hashes are equal.
    pub(crate) hash: u128,
    pub(crate) samples: u32,
    /// First and last timestamp.
    pub(crate) range: TimeRange,
    pub(crate) bytes: Box<[u8]>,
}

/// Hash by which equal columns are found.
pub(crate) fn hash(times: &[Timestamp]) -> u128 {
    let mut hasher = Xxh3::new();
    let mut buffer = [0u8; 512];
    for part in times.chunks(64) {
        for (slot, t) in buffer.chunks_exact_mut(8).zip(part) {
            slot.copy_from_slice(&t.to_le_bytes());
        }
        hasher.update(&buffer[..part.len() * 8]);
    }
    hasher.digest128()
}

impl Column {
    /// The column of `times`, which are ascending and not empty.
    pub(crate) fn new(times: &[Timestamp], hash: u128, scratch: &mut Scratch) -> Self {
        let mut bytes = Vec::new();
        timestamps::put(&mut bytes, times, scratch);
        let range = TimeRange { start: times[0], end: times[times.len() - 1] };
        Self { hash, samples: times.len() as u32, range, bytes: bytes.into() }
    }

    /// The timestamps.
    pub(crate) fn read(&self, scratch: &mut Scratch) -> Vec<Timestamp> {
        let mut out = Vec::with_capacity(self.samples as usize);
        timestamps::take(&mut &self.bytes[..], self.samples as usize, scratch, &mut out)
            .expect("the column was encoded by this process");
        out
    }
}

/// Columns of the chunks in memory, by hash.
#[derive(Default)]
pub(crate) struct ColumnPool(HashMap<u128, Arc<Column>>);

impl ColumnPool {
    pub(crate) fn get(&mut self, times: &[Timestamp], scratch: &mut Scratch) -> Arc<Column> {
        let hash = hash(times);
        self.0.entry(hash).or_insert_with(|| Arc::new(Column::new(times, hash, scratch))).clone()
    }

    /// Forgets all columns; chunks that use one keep it alive.
    pub(crate) fn clear(&mut self) {
        self.0 = HashMap::new();
    }
}
