//! Joins the parts of a series: clips them, merges what overlaps, shares timestamp columns.

use crate::codec::{Scratch, floats, histograms};
use crate::head::chunk::Chunk;
use crate::head::column;
use crate::head::late::{LateSamples, LateValue};
use plimsoll_model::{FloatColumn, Histogram, Samples, TimeRange, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;

/// Values of a part.
pub(crate) enum Values {
    Floats(Vec<f64>),
    Histograms(Vec<Arc<Histogram>>),
}

/// Samples of one series from one place. Parts that come later win.
pub(crate) struct Part {
    times: Arc<Vec<Timestamp>>,
    values: Values,
}

/// Columns and buffers of one read.
#[derive(Default)]
pub(crate) struct Assembler {
    pub(crate) scratch: Scratch,
    by_content: HashMap<u128, Arc<Vec<Timestamp>>>,
    /// Joined and clipped columns, by the addresses of those they were made of. Those are kept alive by `kept`.
    joined: HashMap<Vec<usize>, Arc<Vec<Timestamp>>>,
    kept: Vec<Arc<Vec<Timestamp>>>,
}

impl Part {
    /// Decodes a payload; `None` when its bytes are damaged.
    pub(crate) fn decode(
        times: Arc<Vec<Timestamp>>,
        histogram: bool,
        mut payload: &[u8],
        scratch: &mut Scratch,
    ) -> Option<Self> {
        let n = times.len();
        let values = if histogram {
            Values::Histograms(histograms::take(&mut payload, n)?)
        } else {
            let mut values = Vec::with_capacity(n);
            floats::take(&mut payload, n, scratch, &mut values)?;
            Values::Floats(values)
        };
        Some(Self { times, values })
    }

    /// The part of a chunk in memory.
    pub(crate) fn of_chunk(chunk: &Chunk, assembler: &mut Assembler) -> Self {
        let times = match assembler.by_content.get(&chunk.column.hash) {
            Some(times) => times.clone(),
            None => {
                let times = Arc::new(chunk.column.read(&mut assembler.scratch));
                assembler.by_content.insert(chunk.column.hash, times.clone());
                times
            }
        };
        Self::decode(times, chunk.histogram, &chunk.payload, &mut assembler.scratch)
            .expect("the chunk was encoded by this process")
    }

    /// The part of decoded floats.
    pub(crate) fn of_floats(times: Vec<Timestamp>, values: Vec<f64>, assembler: &mut Assembler) -> Self {
        Self { times: assembler.intern(times), values: Values::Floats(values) }
    }

    /// The part of histogram records.
    pub(crate) fn of_records(times: &[Timestamp], mut records: &[u8], assembler: &mut Assembler) -> Self {
        let all = histograms::take(&mut records, times.len()).expect("records were written by this process");
        Self { times: assembler.intern(times.to_vec()), values: Values::Histograms(all) }
    }

    /// Parts of late samples: one of floats, one of histograms.
    pub(crate) fn of_late(late: &LateSamples, range: TimeRange, mut out: impl FnMut(Self)) {
        let (mut float_times, mut values) = (Vec::new(), Vec::new());
        let (mut histogram_times, mut all) = (Vec::new(), Vec::new());
        for (at, value) in late.range(range.start..=range.end) {
            match value {
                LateValue::Float(v) => {
                    float_times.push(*at);
                    values.push(*v);
                }
                LateValue::Histogram(h) => {
                    histogram_times.push(*at);
                    all.push(h.clone());
                }
            }
        }
        if !values.is_empty() {
            out(Self { times: Arc::new(float_times), values: Values::Floats(values) });
        }
        if !all.is_empty() {
            out(Self { times: Arc::new(histogram_times), values: Values::Histograms(all) });
        }
    }

    /// Its samples that do not lie in `range`; `None` when none is left.
    pub(crate) fn without(mut self, range: TimeRange) -> Option<Self> {
        let within = self.within(range);
        if within.is_empty() {
            return Some(self);
        }
        if within.len() == self.times.len() {
            return None;
        }
        let mut times = self.times.to_vec();
        times.drain(within.clone());
        self.times = Arc::new(times);
        match &mut self.values {
            Values::Floats(values) => drop(values.drain(within)),
            Values::Histograms(values) => drop(values.drain(within)),
        }
        Some(self)
    }

    /// Which of its samples lie in `range`.
    fn within(&self, range: TimeRange) -> std::ops::Range<usize> {
        let (Some(first), Some(last)) = (self.times.first(), self.times.last()) else { return 0..0 };
        if range.start <= *first && *last <= range.end {
            return 0..self.times.len();
        }
        let start = self.times.partition_point(|t| *t < range.start);
        start..self.times.partition_point(|t| *t <= range.end).max(start)
    }
}

impl Assembler {
    /// The column with this content, so that equal ones share an allocation.
    fn intern(&mut self, times: Vec<Timestamp>) -> Arc<Vec<Timestamp>> {
        self.by_content.entry(column::hash(&times)).or_insert_with(|| Arc::new(times)).clone()
    }

    /// The samples of a series from its parts, in `range`, in order, each timestamp once.
    pub(crate) fn join(&mut self, parts: Vec<Part>, range: TimeRange) -> Samples {
        let mut parts: Vec<(Part, std::ops::Range<usize>)> = parts
            .into_iter()
            .map(|p| {
                let within = p.within(range);
                (p, within)
            })
            .filter(|(_, within)| !within.is_empty())
            .collect();
        let edges = |(p, w): &(Part, std::ops::Range<usize>)| (p.times[w.start], p.times[w.end - 1]);
        let simple = parts.iter().all(|(p, _)| matches!(p.values, Values::Floats(_)))
            && (parts.len() < 2 || {
                let mut order: Vec<_> = parts.iter().map(edges).collect();
                order.sort_unstable();
                order.windows(2).all(|w| w[0].1 < w[1].0)
            });
        if !simple {
            return self.merge(parts);
        }
        parts.sort_by_key(edges);
        self.concatenate(parts)
    }

    /// Parts of floats that follow each other.
    fn concatenate(&mut self, mut parts: Vec<(Part, std::ops::Range<usize>)>) -> Samples {
        let times = self.joined_times(&parts);
        let values = if let [(Part { values: Values::Floats(values), .. }, within)] = parts.as_mut_slice() {
            values.truncate(within.end);
            values.drain(..within.start);
            std::mem::take(values)
        } else {
            let mut all = Vec::with_capacity(times.len());
            for (p, within) in &parts {
                if let Values::Floats(values) = &p.values {
                    all.extend_from_slice(&values[within.clone()]);
                }
            }
            all
        };
        Samples { floats: FloatColumn { timestamps: times, values }, histograms: Vec::new() }
    }

    fn joined_times(&mut self, parts: &[(Part, std::ops::Range<usize>)]) -> Arc<Vec<Timestamp>> {
        if let [(p, within)] = parts
            && *within == (0..p.times.len())
        {
            return p.times.clone();
        }
        let key: Vec<usize> = parts.iter().map(|(p, _)| Arc::as_ptr(&p.times) as usize).collect();
        if let Some(times) = self.joined.get(&key) {
            return times.clone();
        }
        let mut all = Vec::with_capacity(parts.iter().map(|(_, w)| w.len()).sum());
        for (p, within) in parts {
            all.extend_from_slice(&p.times[within.clone()]);
            self.kept.push(p.times.clone());
        }
        let times = self.intern(all);
        self.joined.insert(key, times.clone());
        times
    }

    /// Parts that overlap or hold histograms: the later part wins where two have the same timestamp.
    fn merge(&mut self, parts: Vec<(Part, std::ops::Range<usize>)>) -> Samples {
        let mut all: Vec<(Timestamp, usize, LateValue)> = Vec::new();
        for (order, (p, within)) in parts.into_iter().enumerate() {
            let times = p.times[within.clone()].iter().map(|t| (*t, order));
            match p.values {
                Values::Floats(v) => {
                    all.extend(times.zip(&v[within]).map(|((t, o), v)| (t, o, LateValue::Float(*v))));
                }
                Values::Histograms(h) => {
                    all.extend(
                        times.zip(&h[within]).map(|((t, o), h)| (t, o, LateValue::Histogram(h.clone()))),
                    );
                }
            }
        }
        all.sort_by_key(|(t, order, _)| (*t, *order));
        let (mut times, mut values, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
        for (i, (t, _, value)) in all.iter().enumerate() {
            if all.get(i + 1).is_some_and(|(next, ..)| next == t) {
                continue;
            }
            match value {
                LateValue::Float(v) => {
                    times.push(*t);
                    values.push(*v);
                }
                LateValue::Histogram(h) => histograms.push((*t, h.clone())),
            }
        }
        Samples { floats: FloatColumn { timestamps: self.intern(times), values }, histograms }
    }
}
