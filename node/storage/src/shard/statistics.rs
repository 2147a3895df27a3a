use super::Shard;
use crate::head::Counters;
use plimsoll_model::{TimeRange, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;

/// Numbers of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Series with unexpired samples.
    pub series: u64,
    /// Series whose increases are added up here.
    pub increasing: u64,
    /// Label pairs.
    pub label_pairs: u64,
    /// Label names.
    pub label_names: u64,
    /// Samples in memory that no checkpoint has written; open streams included.
    pub head_samples: u64,
    /// Bytes of the head in memory, roughly.
    pub head_bytes: u64,
    /// Bytes of the index in memory, roughly.
    pub index_bytes: u64,
    /// Samples in runs on disk, duplicates included.
    pub disk_samples: u64,
    /// Bytes of runs on disk.
    pub disk_bytes: u64,
    /// Runs on disk.
    pub runs: u64,
    /// First and last timestamp, if there is any sample; exact to the run.
    pub range: Option<TimeRange>,
    /// Samples older than this are hidden.
    pub expired_before: Option<Timestamp>,
    /// What became of samples.
    pub counters: Counters,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Merges of runs.
    pub compactions: u64,
    /// Rows left out of answers because their checksum fails.
    pub quarantined: u64,
}

/// Which labels the series come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Series.
    pub series: u64,
    /// Label names by number of values, largest first.
    pub values_by_name: Vec<(String, u64)>,
    /// Metrics by number of series, largest first.
    pub series_by_metric: Vec<(String, u64)>,
    /// Label pairs by number of series, largest first.
    pub series_by_pair: Vec<(String, String, u64)>,
}

impl Shard {
    /// Bytes of runs on disk; cheap, unlike [`Shard::statistics`].
    pub fn disk_bytes(&self) -> u64 {
        self.head.read().runs.values().flatten().map(|run| run.bytes).sum()
    }

    /// The shard's numbers.
    pub fn statistics(&self) -> Statistics {
        let mut out = Statistics {
            checkpoints: self.damage.checkpoints.load(Ordering::Relaxed),
            compactions: self.damage.compactions.load(Ordering::Relaxed),
            quarantined: self.damage.rows(),
            ..Statistics::default()
        };
        let mut range = TimeRange { start: Timestamp::MAX, end: Timestamp::MIN };
        let mut widen = |start: Timestamp, end: Timestamp| {
            range = TimeRange { start: range.start.min(start), end: range.end.max(end) };
        };
        {
            let head = self.head.read();
            for (_, s) in head.series.iter() {
                out.head_bytes += (std::mem::size_of_val(s) + 4 + s.open.heap()) as u64;
                out.head_samples += s.open.len() as u64;
                if !s.open.is_empty() {
                    widen(s.open.first(), s.open.last());
                }
                if let Some(h) = s.histograms.as_deref() {
                    out.head_samples += h.times.len() as u64;
                    out.head_bytes += (h.records.capacity() + h.times.capacity() * 8) as u64;
                    widen(h.times[0], h.times[h.times.len() - 1]);
                }
                for c in &s.chunks {
                    out.head_samples += u64::from(c.column.samples);
                    out.head_bytes += c.heap() as u64;
                    widen(c.column.range.start, c.column.range.end);
                }
            }
            for late in head.late.values() {
                out.head_samples += late.len() as u64;
                out.head_bytes += late.len() as u64 * 40;
                if let (Some((first, _)), Some((last, _))) = (late.first_key_value(), late.last_key_value()) {
                    widen(*first, *last);
                }
            }
            for run in head.runs.values().flatten() {
                out.disk_samples += run.samples;
                out.disk_bytes += run.bytes;
                out.runs += 1;
                widen(run.range.start, run.range.end);
            }
            out.counters = head.counters;
            out.increasing = head.increases.len() as u64;
            out.expired_before = (head.expired_before > Timestamp::MIN).then_some(head.expired_before);
        }
        out.range = (range.start <= range.end).then_some(range);
        let index = self.index.read();
        out.series = index.len() as u64;
        out.label_names = index.name_count() as u64;
        index.for_each_pair(|_, _, _| out.label_pairs += 1);
        out.index_bytes = index.heap() as u64;
        out
    }

    /// Where the series come from, the `limit` largest of each kind.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        let index = self.index.read();
        let (mut metrics, mut pairs) = (Largest::new(limit), Largest::new(limit));
        index.for_each_pair(|name, value, series| {
            if name == plimsoll_model::METRIC_NAME {
                metrics.offer(series, || value.to_owned());
            }
            pairs.offer(series, || (name.to_owned(), value.to_owned()));
        });
        let mut values_by_name = Largest::new(limit);
        for (name, values) in index.values_by_name() {
            values_by_name.offer(values, || name.to_owned());
        }
        Cardinality {
            series: index.len() as u64,
            values_by_name: values_by_name.finish(),
            series_by_metric: metrics.finish(),
            series_by_pair: pairs.finish().into_iter().map(|((n, v), c)| (n, v, c)).collect(),
        }
    }
}

/// The largest few of many.
struct Largest<T> {
    limit: usize,
    heap: BinaryHeap<Reverse<(u64, Reverse<T>)>>,
}

impl<T: Ord> Largest<T> {
    fn new(limit: usize) -> Self {
        Self { limit, heap: BinaryHeap::new() }
    }

    fn offer(&mut self, count: u64, item: impl FnOnce() -> T) {
        let full = self.heap.len() >= self.limit;
        if full && self.heap.peek().is_none_or(|Reverse((least, _))| count < *least) {
            return;
        }
        self.heap.push(Reverse((count, Reverse(item()))));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Largest first; equal counts in the order of the items.
    fn finish(self) -> Vec<(T, u64)> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse((count, Reverse(item)))| (item, count)).collect()
    }
}
