//! Columns to bytes and back, bit for bit. Nothing here knows series, shards or keys.

pub(crate) mod decimal;
pub(crate) mod floats;
pub(crate) mod histograms;
pub(crate) mod integers;
pub(crate) mod open;
pub(crate) mod pack;
pub(crate) mod timestamps;

/// Samples in one chunk at most; a reader refuses more, so forged counts cannot exhaust memory.
pub(crate) const MAX_CHUNK_SAMPLES: usize = 1 << 16;

/// Buffers that encoders and decoders use again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) integers: Vec<i64>,
    pub(crate) more: Vec<i64>,
    pub(crate) work: Vec<i64>,
    pub(crate) words: Vec<u64>,
}
