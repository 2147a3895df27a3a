//! Series in memory: a [`Source`] for tests and for the conformance runner.

use crate::error::SourceError;
use crate::regex::CompiledMatcher;
use crate::source::{Selection, Source, StartTimes};
use plimsoll_model::{Fault, FloatColumn, Histogram, Labels, Matcher, Samples, TimeRange, Timestamp};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A sample to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

#[derive(Clone, Debug, Default)]
struct Stored {
    samples: Samples,
    starts: StartTimes,
}

/// Series in memory, in order of their labels.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    series: BTreeMap<Labels, Stored>,
}

impl MemorySource {
    /// Stores a sample; `start` is its start timestamp, 0 when there is none. A sample at the same time is replaced.
    pub fn put(&mut self, labels: &Labels, time: Timestamp, sample: Sample, start: Timestamp) {
        let stored = self.series.entry(labels.clone()).or_default();
        let Samples { floats, histograms } = &mut stored.samples;
        match sample {
            Sample::Float(v) => {
                let times = Arc::make_mut(&mut floats.timestamps);
                match times.binary_search(&time) {
                    Ok(at) => {
                        floats.values[at] = v;
                        stored.starts.floats[at] = start;
                    }
                    Err(at) => {
                        times.insert(at, time);
                        floats.values.insert(at, v);
                        stored.starts.floats.insert(at, start);
                    }
                }
            }
            Sample::Histogram(h) => match histograms.binary_search_by_key(&time, |(t, _)| *t) {
                Ok(at) => {
                    histograms[at].1 = h;
                    stored.starts.histograms[at] = start;
                }
                Err(at) => {
                    histograms.insert(at, (time, h));
                    stored.starts.histograms.insert(at, start);
                }
            },
        }
    }

    /// Stores all samples of a series; columns keep their shared timestamps.
    pub fn put_series(&mut self, labels: Labels, samples: Samples) {
        let starts = StartTimes {
            floats: vec![0; samples.floats.values.len()],
            histograms: vec![0; samples.histograms.len()],
        };
        self.series.insert(labels, Stored { samples, starts });
    }

    /// The same series on `shards` shards, placed by their labels.
    pub fn shards(&self, shards: u16) -> Vec<Self> {
        let mut out = vec![Self::default(); usize::from(shards.max(1))];
        for (labels, stored) in &self.series {
            let shard = plimsoll_model::ShardId::of_hash(labels.shard_hash(), shards.max(1));
            out[usize::from(shard.0)].series.insert(labels.clone(), stored.clone());
        }
        out
    }
}

struct Selected<'a> {
    series: Vec<(&'a Labels, &'a Stored)>,
    range: TimeRange,
}

impl Source for MemorySource {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Result<Box<dyn Selection + '_>, SourceError> {
        let compiled = matchers
            .iter()
            .map(|m| CompiledMatcher::new(m).map_err(|message| SourceError { message, fault: Fault::Asker }))
            .collect::<Result<Vec<_>, _>>()?;
        let fits = |labels: &Labels| compiled.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")));
        let series = self.series.iter().filter(|(labels, _)| fits(labels)).collect();
        Ok(Box::new(Selected { series, range }))
    }
}

impl Selected<'_> {
    fn inside(&self, len: usize, time: impl Fn(usize) -> Timestamp) -> Range<usize> {
        let search = |fits: &dyn Fn(Timestamp) -> bool| {
            let (mut low, mut high) = (0, len);
            while low < high {
                let middle = (low + high) / 2;
                if fits(time(middle)) { low = middle + 1 } else { high = middle }
            }
            low
        };
        search(&|t| t < self.range.start)..search(&|t| t <= self.range.end)
    }

    fn ranges(&self, stored: &Stored) -> (Range<usize>, Range<usize>) {
        let (floats, histograms) = (&stored.samples.floats, &stored.samples.histograms);
        let times = &floats.timestamps;
        (self.inside(times.len(), |i| times[i]), self.inside(histograms.len(), |i| histograms[i].0))
    }
}

impl Selection for Selected<'_> {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, series: usize) -> Labels {
        self.series[series].0.clone()
    }

    fn read(&self, which: Range<usize>, out: &mut Vec<Samples>) -> Result<(), SourceError> {
        // Columns that are shared where they are stored stay shared when they are cut.
        let mut cut: Vec<(usize, Arc<Vec<Timestamp>>)> = Vec::new();
        for (_, stored) in &self.series[which] {
            let (f, h) = self.ranges(stored);
            let floats = &stored.samples.floats;
            let address = Arc::as_ptr(&floats.timestamps) as usize;
            let timestamps = if f.len() == floats.timestamps.len() {
                Arc::clone(&floats.timestamps)
            } else if let Some((_, known)) = cut.iter().find(|(a, _)| *a == address) {
                Arc::clone(known)
            } else {
                let times = Arc::new(floats.timestamps[f.clone()].to_vec());
                cut.push((address, Arc::clone(&times)));
                times
            };
            out.push(Samples {
                floats: FloatColumn { timestamps, values: floats.values[f].to_vec() },
                histograms: stored.samples.histograms[h].to_vec(),
            });
        }
        Ok(())
    }

    fn start_times(&self, series: usize) -> Option<StartTimes> {
        let stored = self.series[series].1;
        let (f, h) = self.ranges(stored);
        Some(StartTimes {
            floats: stored.starts.floats[f].to_vec(),
            histograms: stored.starts.histograms[h].to_vec(),
        })
    }
}
