//! The series of one target from scrape to scrape: which labels a line means, and which series have ended.
//!
//! Invariant: a line whose bytes were seen before costs a hash and a comparison; its labels are read and relabelled
//! once. A stale marker is written only for a series that no other line of the same scrape stands for.

use crate::meaning::Rules;
use crate::negotiate::Form;
use plimsoll_model::{Histogram, Labels, Timestamp, stale_nan};
use plimsoll_proto::ingest::{self, Limits, Metadata, MetricType, RawLabels, Refusal, Sink, TextDialect};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Stands in for the timestamp of a sample that has none of its own.
const NO_TIME: Timestamp = Timestamp::MIN;
/// A series that was away for so many scrapes is forgotten.
const KEPT_ROUNDS: u32 = 3;
/// Metrics of a target whose metadata is kept.
const METADATA: usize = 5000;
const NOWHERE: u32 = u32::MAX;

/// A sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series.
    pub labels: Labels,
    /// When.
    pub timestamp: Timestamp,
    /// What.
    pub value: Value,
}

/// Value of a [`Sample`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A float, perhaps a stale marker.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// What a target says about a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Meta {
    /// The metric.
    pub name: String,
    /// Its type.
    pub kind: MetricType,
    /// A sentence for people.
    pub help: String,
    /// Its unit.
    pub unit: String,
}

/// What came of a body that could be read.
#[derive(Debug, Default)]
pub struct Scraped {
    /// Samples, and stale markers of series that have ended.
    pub samples: Vec<Sample>,
    /// Samples that the target sent.
    pub scraped: u64,
    /// Those that relabelling left.
    pub kept: u64,
    /// Series that were not there before.
    pub added: u64,
}

/// Why nothing of a body is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It is not in the format that it should be in.
    #[error("{0}")]
    Malformed(String),
    /// More samples than the job allows.
    #[error("sample_limit of {0} exceeded: raise it, or drop series with metric_relabel_configs")]
    Samples(u64),
    /// A series has labels that the job does not allow.
    #[error("{0}")]
    Labels(String),
}

/// What one target's series are known by.
#[derive(Default)]
pub struct Series {
    entries: Vec<Entry>,
    by_key: HashMap<u128, u32, BuildHasherDefault<KeyHasher>>,
    free: Vec<u32>,
    round: u32,
    /// Series of earlier rules, to be ended unless they come again.
    inherited: Vec<Labels>,
    meta: Vec<Arc<Meta>>,
}

struct Entry {
    key: u128,
    /// Nothing where relabelling drops the series.
    labels: Option<Labels>,
    /// The line that came after this one the last time.
    next: u32,
    /// The round in which it came last.
    seen: u32,
    /// Whether it came in this round without a timestamp of its own, or such are tracked.
    tracked: bool,
    /// Whether its last sample is no stale marker.
    live: bool,
    free: bool,
}

impl Series {
    /// Ends those of the series that another node, or this one before a restart, has scraped last which have not come
    /// again since.
    pub fn succeed(&self, before: Vec<Labels>, at: Timestamp) -> Vec<Sample> {
        let live = self.entries.iter().filter(|e| e.live).filter_map(|e| e.labels.as_ref());
        let live: HashSet<&Labels> = live.collect();
        before.into_iter().filter(|labels| !live.contains(labels)).map(|labels| stale(labels, at)).collect()
    }

    /// Forgets what lines mean, because the rules have changed; the series are ended unless they come again.
    pub fn forget_meaning(&mut self) {
        let live = self.entries.drain(..).filter(|e| e.live).filter_map(|e| e.labels);
        self.inherited.extend(live);
        self.by_key.clear();
        self.free.clear();
    }

    /// Takes a body. After a failure nothing of it is to be written but [`Series::end`]; what was counted so far comes
    /// with it.
    pub fn take(
        &mut self,
        body: &[u8],
        form: Form,
        at: Timestamp,
        rules: &Rules<'_>,
    ) -> Result<Scraped, (Failure, Scraped)> {
        self.round = self.round.wrapping_add(1);
        let mut reader = Reader {
            rules,
            at,
            last: NOWHERE,
            current: NOWHERE,
            out: Scraped { samples: Vec::with_capacity(self.by_key.len() + 8), ..Scraped::default() },
            failure: None,
            meta_at: 0,
            series: self,
        };
        let limits = Limits { decoded_bytes: usize::MAX, ..*rules.limits };
        let decoded = match form {
            Form::Text => {
                ingest::text(body, TextDialect::Prometheus, NO_TIME, 1, &limits, rules.seed, &mut reader)
            }
            Form::OpenMetrics => {
                ingest::text(body, TextDialect::OpenMetrics, NO_TIME, 1, &limits, rules.seed, &mut reader)
            }
            Form::Proto => {
                let classic = rules.job.classic_histograms;
                ingest::exposition_proto(body, NO_TIME, classic, &limits, rules.seed, &mut reader)
            }
        };
        let Reader { failure, mut out, meta_at, .. } = reader;
        self.meta.truncate(meta_at);
        let cut = form == Form::OpenMetrics && !body.trim_ascii_end().ends_with(b"# EOF");
        let failure = match decoded {
            Err(e) => Some(Failure::Malformed(e.to_string())),
            Ok(decoded) => failure.or_else(|| {
                let (_, _, example) = decoded.refused.iter().next()?;
                Some(Failure::Malformed(example.to_owned()))
            }),
        };
        let no_end = || Failure::Malformed("the text does not end with # EOF: it was cut".to_owned());
        if let Some(failure) = failure.or_else(|| cut.then(no_end)) {
            out.samples = Vec::new();
            return Err((failure, out));
        }
        self.close_round(at, &mut out.samples);
        Ok(out)
    }

    /// Ends all series, because the target did not answer well, or is one no longer.
    pub fn end(&mut self, at: Timestamp) -> Vec<Sample> {
        let mut out: Vec<Sample> = self.inherited.drain(..).map(|labels| stale(labels, at)).collect();
        for entry in &mut self.entries {
            if std::mem::take(&mut entry.live)
                && let Some(labels) = &entry.labels
            {
                out.push(stale(labels.clone(), at));
            }
        }
        out
    }

    /// What the target says about its metrics.
    pub fn meta(&self) -> &[Arc<Meta>] {
        &self.meta
    }

    /// Lines that are known.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no line is known.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// After a body was taken: ends what did not come again, and forgets what has long been away.
    fn close_round(&mut self, at: Timestamp, out: &mut Vec<Sample>) {
        let round = self.round;
        let mut gone: Vec<Labels> = std::mem::take(&mut self.inherited);
        for (place, entry) in self.entries.iter_mut().enumerate().filter(|(_, e)| !e.free) {
            let came = entry.seen == round;
            let live = came && entry.tracked && entry.labels.is_some();
            if std::mem::replace(&mut entry.live, live)
                && !came
                && let Some(labels) = &entry.labels
            {
                gone.push(labels.clone());
            }
            if round.wrapping_sub(entry.seen) > KEPT_ROUNDS {
                self.by_key.remove(&entry.key);
                entry.labels = None;
                entry.free = true;
                self.free.push(place as u32);
            }
        }
        if gone.is_empty() {
            return;
        }
        // the same series may stand there in another form: with its labels in another order, say
        let here = self.entries.iter().filter(|e| e.seen == round).filter_map(|e| e.labels.as_ref());
        let here: HashSet<&Labels> = here.collect();
        gone.retain(|labels| !here.contains(labels));
        out.extend(gone.into_iter().map(|labels| stale(labels, at)));
    }
}

fn stale(labels: Labels, timestamp: Timestamp) -> Sample {
    Sample { labels, timestamp, value: Value::Float(stale_nan()) }
}

/// One body on its way.
struct Reader<'a> {
    series: &'a mut Series,
    rules: &'a Rules<'a>,
    at: Timestamp,
    last: u32,
    current: u32,
    out: Scraped,
    failure: Option<Failure>,
    /// How many metrics the body has told of so far.
    meta_at: usize,
}

impl Reader<'_> {
    /// The entry of a line that was seen before.
    #[inline]
    fn find(&mut self, key: u128) -> Option<u32> {
        let entries = &mut self.series.entries;
        let guess = entries.get(self.last as usize).map_or(0, |e| e.next);
        if entries.get(guess as usize).is_some_and(|e| e.key == key && !e.free) {
            return Some(guess);
        }
        let found = *self.series.by_key.get(&key)?;
        if let Some(before) = entries.get_mut(self.last as usize) {
            before.next = found;
        }
        Some(found)
    }

    #[cold]
    fn define(&mut self, key: u128, raw: &dyn RawLabels) -> Result<u32, Refusal> {
        let labels = match self.rules.labels(raw)? {
            Ok(labels) => labels,
            Err(failure) => {
                self.failure.get_or_insert(failure);
                return Err(Refusal::MalformedLabels);
            }
        };
        self.out.added += u64::from(labels.is_some());
        let entry = Entry { key, labels, next: NOWHERE, seen: 0, tracked: false, live: false, free: false };
        let series = &mut *self.series;
        let at = match series.free.pop() {
            Some(at) => {
                series.entries[at as usize] = entry;
                at
            }
            None => {
                series.entries.push(entry);
                (series.entries.len() - 1) as u32
            }
        };
        series.by_key.insert(key, at);
        if let Some(before) = series.entries.get_mut(self.last as usize) {
            before.next = at;
        }
        Ok(at)
    }

    #[inline]
    fn sample(&mut self, own: Timestamp, value: Value) {
        self.out.scraped += 1;
        let Some(entry) = self.series.entries.get_mut(self.current as usize) else { return };
        let job = self.rules.job;
        let has_time = own != NO_TIME && job.honor_timestamps;
        entry.seen = self.series.round;
        entry.tracked = !has_time || job.track_timestamps_staleness;
        let Some(labels) = &entry.labels else { return };
        self.out.kept += 1;
        if let Some(limit) = job.limits.samples.filter(|limit| self.out.kept > *limit) {
            self.failure.get_or_insert(Failure::Samples(limit));
            return;
        }
        let timestamp = if has_time { own } else { self.at };
        self.out.samples.push(Sample { labels: labels.clone(), timestamp, value });
    }
}

impl Sink for Reader<'_> {
    #[inline]
    fn series(&mut self, key: u128, raw: &dyn RawLabels) -> Result<(), Refusal> {
        if matches!(self.failure, Some(Failure::Labels(_))) {
            return Err(Refusal::MalformedLabels);
        }
        let found = match self.find(key) {
            Some(found) => found,
            None => self.define(key, raw)?,
        };
        (self.current, self.last) = (found, found);
        Ok(())
    }

    #[inline]
    fn float(&mut self, timestamp: Timestamp, value: f64) -> Result<(), Refusal> {
        self.sample(timestamp, Value::Float(value));
        Ok(())
    }

    fn histogram(&mut self, timestamp: Timestamp, histogram: Histogram) -> Result<(), Refusal> {
        self.sample(timestamp, Value::Histogram(Arc::new(histogram)));
        Ok(())
    }

    fn metadata(&mut self, m: Metadata<'_>) {
        if self.meta_at >= METADATA {
            return;
        }
        let known = self.series.meta.get(self.meta_at).is_some_and(|old| {
            old.name == m.name && old.kind == m.metric_type && old.help == m.help && old.unit == m.unit
        });
        if !known {
            let (name, help, unit) = (m.name.to_owned(), m.help.to_owned(), m.unit.to_owned());
            let new = (self.rules.intern)(Meta { name, kind: m.metric_type, help, unit });
            self.series.meta.truncate(self.meta_at);
            self.series.meta.push(new);
        }
        self.meta_at += 1;
    }
}

/// Keys are xxh3-128 with a secret seed: spread already, and not to be steered by a target.
#[derive(Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}
