//! What counters grew by between two times, counted and not estimated.
//!
//! The increase over `(from, to]` is the sum of the steps between one sample and the next, the first step beginning at
//! the last sample at or before `from`, however long ago that was. A value below the one before it is a reset: that step
//! begins at 0. A series that has no sample at or before `from` begins at 0 too. NaN and stale markers are no samples.
//!
//! Reads a day at a time and some series of it, so that memory is bounded however long the period is.

use crate::Sum;
use plimsoll_model::{Histogram, Labels, Matcher, Samples, TimeRange, Timestamp};
use plimsoll_promql::{Budget, HistogramIncrease, Selection, Source, SourceError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Where the last sample before a period is looked for first. Most series have one within minutes.
const NEAR_MS: i64 = HOUR_MS;
/// The longest stretch that is read at a time for what is looked for further back.
const FAR_MS: i64 = 32 * DAY_MS;
/// Samples that a block of series should have: some 16 MB.
const BLOCK_SAMPLES: usize = 1 << 20;
/// Series in the first block, when nothing is known of how dense they are.
const FIRST_BLOCK: usize = 16;
const LARGEST_BLOCK: usize = 512;
/// Groups of one shard's answer.
pub const MAX_GROUPS: usize = 20_000;

/// Which counters, by which labels, between which times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The counters.
    pub matchers: Vec<Matcher>,
    /// Labels that tell groups apart; one that a series does not have counts as empty.
    pub by: Vec<String>,
    /// The period begins after this.
    pub from: Timestamp,
    /// The last moment of the period.
    pub to: Timestamp,
    /// Nothing older is kept, so nothing older is looked for.
    pub oldest: Timestamp,
}

/// What the series of one group grew by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Values of the labels that groups are made by.
    pub key: Vec<String>,
    /// Increase of the series of floats.
    pub total: Sum,
    /// Increase of the native histograms.
    pub histogram: HistogramIncrease,
    /// Series with samples in the period.
    pub series: u64,
    /// Counter resets in the period.
    pub resets: u64,
    /// Series of histograms that could not be added to the others.
    pub left_out: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The storage refused or failed.
    #[error("{}", .0.message)]
    Source(SourceError),
    /// Nobody waits any more, or the time is up.
    #[error(transparent)]
    Stopped(#[from] plimsoll_promql::Error),
    /// The labels make too many groups.
    #[error("{by} make more than {MAX_GROUPS} groups: group by fewer labels, or narrow the series down")]
    Groups {
        /// The labels.
        by: String,
    },
}

impl From<SourceError> for Error {
    fn from(e: SourceError) -> Self {
        Self::Source(e)
    }
}

/// What is known of a series.
#[derive(Default)]
struct Counter {
    group: usize,
    last: Option<f64>,
    last_histogram: Option<Arc<Histogram>>,
    /// The first sample in the period of a series that had none shortly before it.
    first: Option<f64>,
    first_histogram: Option<Arc<Histogram>>,
    seen: bool,
}

struct Count<'a> {
    ask: &'a Ask,
    budget: &'a Budget,
    keys: HashMap<Vec<String>, usize>,
    groups: Vec<Group>,
    counters: HashMap<u128, Counter>,
}

/// The increase of every group of one shard, in order of the keys.
pub fn increase(source: &dyn Source, ask: &Ask, budget: &Budget) -> Result<Vec<Group>, Error> {
    let (keys, groups, counters) = (HashMap::new(), Vec::new(), HashMap::new());
    let mut count = Count { ask, budget, keys, groups, counters };
    if ask.from >= ask.to {
        return Ok(Vec::new());
    }
    count.before(source)?;
    let mut start = ask.from + 1;
    while start <= ask.to {
        // a day's samples lie together on disk
        let end = ((start.div_euclid(DAY_MS) + 1) * DAY_MS - 1).min(ask.to);
        count.during(source, TimeRange { start, end })?;
        start = end + 1;
    }
    count.look_back(source)?;
    count.begin_at_nothing();
    let mut groups = count.groups;
    groups.retain(|g| g.series > 0);
    groups.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(groups)
}

/// Adds up what shards answered.
pub fn join(parts: impl IntoIterator<Item = Vec<Group>>) -> Vec<Group> {
    let mut all: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for group in parts.into_iter().flatten() {
        let into =
            all.entry(group.key.clone()).or_insert_with(|| Group { key: group.key, ..Group::default() });
        into.total.join(group.total);
        into.series += group.series;
        into.resets += group.resets;
        into.left_out += group.left_out + u64::from(into.histogram.join(group.histogram).is_none());
    }
    all.into_values().collect()
}

impl Count<'_> {
    /// Finds the last sample before the period of those that have one shortly before it.
    fn before(&mut self, source: &dyn Source) -> Result<(), Error> {
        let range = TimeRange { start: self.ask.from.saturating_sub(NEAR_MS), end: self.ask.from };
        let selection = source.select(&self.ask.matchers, range)?;
        let all = (0..selection.len()).collect();
        self.each(&*selection, all, |count, labels, samples| {
            let counter = count.counter(labels)?;
            counter.last = samples.floats.values.iter().rev().find(|v| !v.is_nan()).copied();
            counter.last_histogram = newest(samples);
            Ok(())
        })
    }

    fn during(&mut self, source: &dyn Source, range: TimeRange) -> Result<(), Error> {
        let selection = source.select(&self.ask.matchers, range)?;
        if selection.len() as u64 > self.budget.max_series {
            return Err(plimsoll_promql::Error::Series { limit: self.budget.max_series }.into());
        }
        let all = (0..selection.len()).collect();
        self.each(&*selection, all, |count, labels, samples| {
            if samples.is_empty() {
                return Ok(());
            }
            let counter = count.counter(labels)?;
            let (group, new) = (counter.group, !std::mem::replace(&mut counter.seen, true));
            let (steps, resets) = counter.floats(&samples.floats.values);
            let into = &mut count.groups[group];
            into.series += u64::from(new);
            into.total.join(steps);
            into.resets += resets;
            count.histograms(labels, samples);
            Ok(())
        })
    }

    fn histograms(&mut self, labels: &Labels, samples: &Samples) {
        let Some(counter) = self.counters.get_mut(&labels.fingerprint()) else { return };
        let mut all = samples.histograms.iter().map(|(_, h)| h).filter(|h| !h.is_stale());
        let Some(first) = (if counter.last_histogram.is_none() { all.next() } else { None })
            .cloned()
            .or_else(|| counter.last_histogram.clone())
        else {
            return;
        };
        if counter.last_histogram.is_none() {
            counter.first_histogram = Some(first.clone());
        }
        let group = &mut self.groups[counter.group];
        match group.histogram.add(Some(&first), all.map(|h| &**h)) {
            Some(resets) => group.resets += resets,
            None => group.left_out += 1,
        }
        counter.last_histogram = newest(samples).or(Some(first));
    }

    /// Looks further back for series whose first sample in the period may not be their first of all.
    fn look_back(&mut self, source: &dyn Source) -> Result<(), Error> {
        let mut end = self.ask.from.saturating_sub(NEAR_MS) - 1;
        let mut length = 6 * HOUR_MS;
        while end >= self.ask.oldest && self.counters.values().any(Counter::is_open) {
            let range = TimeRange { start: end.saturating_sub(length).max(self.ask.oldest), end };
            let selection = source.select(&self.ask.matchers, range)?;
            let open = |i: &usize| {
                let counter = self.counters.get(&selection.labels(*i).fingerprint());
                counter.is_some_and(Counter::is_open)
            };
            let wanted = (0..selection.len()).filter(open).collect();
            self.each(&*selection, wanted, |count, labels, samples| {
                let Some(counter) = count.counters.get_mut(&labels.fingerprint()) else { return Ok(()) };
                let group = &mut count.groups[counter.group];
                let older = samples.floats.values.iter().rev().find(|v| !v.is_nan());
                if let (Some(first), Some(older)) = (counter.first, older) {
                    group.total.add(step(*older, first));
                    group.resets += u64::from(first < *older);
                    counter.first = None;
                }
                if let (Some(first), Some(older)) = (&counter.first_histogram, newest(samples)) {
                    match group.histogram.add(Some(&older), std::iter::once(&**first)) {
                        Some(resets) => group.resets += resets,
                        None => group.left_out += 1,
                    }
                    counter.first_histogram = None;
                }
                Ok(())
            })?;
            end = range.start.saturating_sub(1);
            length = (length * 4).min(FAR_MS);
        }
        Ok(())
    }

    /// Those that are still open had no sample before the period.
    fn begin_at_nothing(&mut self) {
        for counter in self.counters.values_mut() {
            let group = &mut self.groups[counter.group];
            if let Some(first) = counter.first.take() {
                group.total.add(first.max(0.0));
            }
            if let Some(first) = counter.first_histogram.take() {
                group.left_out += u64::from(group.histogram.add(None, std::iter::once(&*first)).is_none());
            }
        }
    }

    fn counter(&mut self, labels: &Labels) -> Result<&mut Counter, Error> {
        let id = labels.fingerprint();
        if !self.counters.contains_key(&id) {
            let key: Vec<String> =
                self.ask.by.iter().map(|name| labels.get(name).unwrap_or("").to_owned()).collect();
            let next = self.groups.len();
            let group = *self.keys.entry(key.clone()).or_insert(next);
            if group == next {
                if next == MAX_GROUPS {
                    return Err(Error::Groups { by: self.ask.by.join(", ") });
                }
                self.groups.push(Group { key, ..Group::default() });
            }
            self.counters.insert(id, Counter { group, ..Counter::default() });
        }
        Ok(self.counters.entry(id).or_default())
    }

    /// Reads the series of `which` in blocks.
    fn each(
        &mut self,
        selection: &dyn Selection,
        which: Vec<usize>,
        mut take: impl FnMut(&mut Self, &Labels, &Samples) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (mut at, mut block, mut samples) = (0, FIRST_BLOCK, Vec::new());
        while at < which.len() {
            self.budget.stop.check()?;
            // what follows each other is read at once
            let first = which[at];
            let run = which[at..].iter().zip(first..).take(block).take_while(|(i, wanted)| **i == *wanted);
            let run = run.count();
            samples.clear();
            selection.read(first..first + run, &mut samples)?;
            let mut read = 0;
            for (series, samples) in (first..).zip(&samples) {
                read += samples.len();
                take(self, &selection.labels(series), samples)?;
            }
            block = (BLOCK_SAMPLES * run / read.max(1)).clamp(FIRST_BLOCK, LARGEST_BLOCK);
            at += run;
        }
        Ok(())
    }
}

impl Counter {
    /// Takes samples of the period; answers the sum of their steps and how many began at a reset.
    fn floats(&mut self, values: &[f64]) -> (Sum, u64) {
        let (mut steps, mut resets) = (Sum::default(), 0);
        for &v in values.iter().filter(|v| !v.is_nan()) {
            match self.last {
                None => self.first = Some(v),
                Some(last) => {
                    steps.add(step(last, v));
                    resets += u64::from(v < last);
                }
            }
            self.last = Some(v);
        }
        (steps, resets)
    }

    fn is_open(&self) -> bool {
        self.first.is_some() || self.first_histogram.is_some()
    }
}

/// What a counter grew by from one value to the next; after a reset it began at 0.
fn step(before: f64, now: f64) -> f64 {
    if now >= before { now - before } else { now.max(0.0) }
}

fn newest(samples: &Samples) -> Option<Arc<Histogram>> {
    samples.histograms.iter().rev().map(|(_, h)| h).find(|h| !h.is_stale()).cloned()
}
