use super::column::{Column, ColumnPool};
use super::late::{LateSamples, LateValue};
use crate::bucket::Bucket;
use crate::codec::open::{Damaged, Open};
use crate::codec::{Scratch, floats, histograms};
use plimsoll_model::{Histogram, Timestamp};
use std::sync::Arc;

/// Samples in a chunk of late ones at most.
const LATE_SAMPLES: usize = 4096;

/// A full chunk that waits in memory for the next checkpoint.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) column: Arc<Column>,
    pub(crate) histogram: bool,
    pub(crate) payload: Box<[u8]>,
}

/// Buffers for making chunks.
#[derive(Default)]
pub(crate) struct Sealer {
    pub(crate) columns: ColumnPool,
    pub(crate) scratch: Scratch,
    times: Vec<Timestamp>,
    values: Vec<f64>,
    bytes: Vec<u8>,
}

impl Sealer {
    /// A chunk of the samples of `open`.
    pub(crate) fn seal_open(&mut self, open: &Open) -> Chunk {
        self.times.clear();
        self.values.clear();
        open.read(&mut self.times, &mut self.values)
            .expect("the stream was written or checked by this process");
        self.bytes.clear();
        floats::put(&mut self.bytes, &self.values, &mut self.scratch);
        let column = self.columns.get(&self.times, &mut self.scratch);
        Chunk { column, histogram: false, payload: self.bytes.as_slice().into() }
    }

    fn seal_floats(&mut self, times: &[Timestamp], values: &[f64]) -> Chunk {
        self.bytes.clear();
        floats::put(&mut self.bytes, values, &mut self.scratch);
        let column = self.columns.get(times, &mut self.scratch);
        Chunk { column, histogram: false, payload: self.bytes.as_slice().into() }
    }

    /// A chunk of histogram records.
    pub(crate) fn seal_records(&mut self, times: &[Timestamp], records: &[u8]) -> Chunk {
        let column = self.columns.get(times, &mut self.scratch);
        Chunk { column, histogram: true, payload: records.into() }
    }

    /// Chunks of late samples, each of one kind and one bucket.
    pub(crate) fn seal_late(&mut self, late: &LateSamples, mut out: impl FnMut(Chunk)) {
        let (mut times, mut values, mut all) = (Vec::new(), Vec::new(), Vec::new());
        let mut samples = late.iter().peekable();
        while let Some((&at, value)) = samples.next() {
            times.push(at);
            match value {
                LateValue::Float(v) => values.push(*v),
                LateValue::Histogram(h) => all.push(h.clone()),
            }
            let goes_on = samples.peek().is_some_and(|(next, v)| {
                Bucket::of(**next) == Bucket::of(at)
                    && matches!(v, LateValue::Float(_)) == matches!(value, LateValue::Float(_))
                    && times.len() < LATE_SAMPLES
            });
            if !goes_on {
                out(if all.is_empty() {
                    self.seal_floats(&times, &values)
                } else {
                    self.seal_records(&times, &records(&all))
                });
                times.clear();
                values.clear();
                all.clear();
            }
        }
    }
}

/// The records of these histograms.
pub(crate) fn records(all: &[Arc<Histogram>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, h) in all.iter().enumerate() {
        histograms::put(&mut out, i.checked_sub(1).map(|b| &*all[b]), h);
    }
    out
}

impl Chunk {
    /// The value at `at`, if the chunk has one.
    pub(crate) fn find(&self, at: Timestamp, scratch: &mut Scratch) -> Option<LateValue> {
        if !self.column.range.contains(at) {
            return None;
        }
        let i = self.column.read(scratch).binary_search(&at).ok()?;
        let n = self.column.samples as usize;
        let input = &mut &self.payload[..];
        if self.histogram {
            return Some(LateValue::Histogram(histograms::take(input, n)?.swap_remove(i)));
        }
        let mut values = Vec::with_capacity(n);
        floats::take(input, n, scratch, &mut values)?;
        Some(LateValue::Float(values[i]))
    }

    /// Bytes in memory, without the shared column.
    pub(crate) fn heap(&self) -> usize {
        self.payload.len() + 80
    }
}

/// The newest histograms of one series: records that grow sample by sample.
#[derive(Debug, Default)]
pub(crate) struct OpenHistograms {
    pub(crate) times: Vec<Timestamp>,
    pub(crate) records: Vec<u8>,
    last: Option<Arc<Histogram>>,
}

impl OpenHistograms {
    /// Histograms or bytes after which the records are sealed.
    const FULL_SAMPLES: usize = 128;
    const FULL_BYTES: usize = 8 << 10;

    pub(crate) fn is_full(&self) -> bool {
        self.times.len() >= Self::FULL_SAMPLES || self.records.len() >= Self::FULL_BYTES
    }

    pub(crate) fn push(&mut self, at: Timestamp, h: Arc<Histogram>) {
        histograms::put(&mut self.records, self.last.as_deref(), &h);
        self.times.push(at);
        self.last = Some(h);
    }

    /// The histogram at `at`, if there is one.
    pub(crate) fn find(&self, at: Timestamp) -> Option<Arc<Histogram>> {
        let i = self.times.binary_search(&at).ok()?;
        Some(histograms::take(&mut &self.records[..], i + 1)?.swap_remove(i))
    }
}

/// Rewrites `open` with `v` at `at`, which lies within it; answers the bits that were there.
pub(crate) fn insert_into(open: &mut Open, at: Timestamp, v: f64) -> Result<Option<u64>, Damaged> {
    let (mut times, mut values) = (Vec::with_capacity(open.len() + 1), Vec::with_capacity(open.len() + 1));
    open.read(&mut times, &mut values)?;
    let found = match times.binary_search(&at) {
        Ok(i) => {
            let old = values[i].to_bits();
            if old == v.to_bits() {
                return Ok(Some(old));
            }
            values[i] = v;
            Some(old)
        }
        Err(i) => {
            times.insert(i, at);
            values.insert(i, v);
            None
        }
    };
    open.clear();
    for (at, v) in times.into_iter().zip(values) {
        open.push(at, v);
    }
    Ok(found)
}
