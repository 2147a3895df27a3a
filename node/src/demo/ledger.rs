//! What was written, what was acknowledged, and whether all of that is still there.
//!
//! Acknowledged samples are entered by *group* (an agent, the host) and *block* (ten seconds) as a count and a digest, so
//! that a day of them takes megabytes. A block is checked once nothing more will be written into it: its samples are
//! asked for and must have the same count and digest. Pure: the asking is `traffic`'s.

use plimsoll_client::{RangeSeries, Sample, SampleValue};
use plimsoll_model::{Labels, Timestamp};
use rand::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Length of a block.
pub const BLOCK_MS: i64 = 10_000;
/// Blocks that are remembered, some days of a dozen agents; the oldest are forgotten first.
const MOST_BLOCKS: usize = 400_000;

/// A block of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Number of the block since the Unix epoch.
    pub block: i64,
    /// Index of the group.
    pub group: u32,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    count: u64,
    digest: u64,
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    blocks: BTreeMap<Key, Content>,
    /// Closed blocks that were not checked yet.
    fresh: VecDeque<Key>,
    /// Blocks of which something is missing, and how much.
    missing: BTreeMap<Key, u64>,
    /// Blocks before this one are closed.
    open_from: i64,
    totals: Totals,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Samples that were sent, each counted once.
    pub written: u64,
    /// Samples that a node acknowledged.
    pub acknowledged: u64,
    /// Samples that a node refused.
    pub refused: u64,
    /// Acknowledged samples that are not there, or not with their value.
    pub lost: u64,
    /// Blocks that were found whole.
    pub checked: u64,
    /// Questions that no node answered.
    pub unanswered: u64,
}

impl Key {
    /// The block that a sample of this moment belongs to. Blocks are open on the left, as PromQL's ranges are.
    fn of(timestamp: Timestamp, group: u32) -> Self {
        Self { block: (timestamp - 1).div_euclid(BLOCK_MS), group }
    }

    /// The moment of its last sample.
    pub fn end(self) -> Timestamp {
        (self.block + 1) * BLOCK_MS
    }
}

impl Content {
    fn add(&mut self, labels: &Labels, timestamp: Timestamp, value: f64) {
        let mut hasher = DefaultHasher::new();
        (labels.as_bytes(), timestamp, value.to_bits()).hash(&mut hasher);
        self.count += 1;
        // a sum does not depend on the order in which samples come
        self.digest = self.digest.wrapping_add(hasher.finish());
    }

    /// The content of an answer.
    pub fn of(answer: &[RangeSeries]) -> Self {
        let mut content = Self::default();
        for series in answer {
            for (timestamp, value) in &series.floats {
                content.add(&series.labels, *timestamp, *value);
            }
        }
        content
    }
}

impl Ledger {
    /// Notes that `samples` are on their way.
    pub fn write(&mut self, samples: usize) {
        self.totals.written += samples as u64;
    }

    /// Notes that `samples` of `group` are acknowledged.
    pub fn acknowledge(&mut self, group: u32, samples: &[Sample]) {
        for sample in samples {
            if let SampleValue::Float(value) = sample.value {
                let content = self.blocks.entry(Key::of(sample.timestamp, group)).or_default();
                content.add(&sample.labels, sample.timestamp, value);
            }
        }
        self.totals.acknowledged += samples.len() as u64;
    }

    /// Notes that `samples` of `group` were refused, some of which may be stored: their blocks prove nothing.
    pub fn refuse(&mut self, group: u32, samples: &[Sample]) {
        for sample in samples {
            self.blocks.remove(&Key::of(sample.timestamp, group));
        }
        self.totals.refused += samples.len() as u64;
    }

    /// Notes that nothing more will be written at or before `timestamp`.
    pub fn close(&mut self, timestamp: Timestamp) {
        let open_from = Key::of(timestamp + 1, 0).block;
        if open_from > self.open_from {
            let closed = Key { block: self.open_from, group: 0 }..Key { block: open_from, group: 0 };
            self.fresh.extend(self.blocks.range(closed).map(|(key, _)| *key));
            self.open_from = open_from;
        }
        while self.blocks.len() > MOST_BLOCKS {
            self.blocks.pop_first();
        }
    }

    /// The block to check next: one that never was, or one that was not whole, or any.
    pub fn next(&mut self, random: &mut impl Rng) -> Option<Key> {
        if let Some(key) = self.fresh.pop_front() {
            return Some(key);
        }
        let suspicious = self.missing.len();
        if suspicious > 0 && random.random_bool(0.5) {
            return self.missing.keys().nth(random.random_range(0..suspicious)).copied();
        }
        let (first, _) = self.blocks.first_key_value()?;
        let block = random.random_range(first.block..self.open_from.max(first.block + 1));
        let group = random.random_range(0..=self.blocks.last_key_value()?.0.group);
        let key = Key { block, group };
        (block < self.open_from && self.blocks.contains_key(&key)).then_some(key)
    }

    /// Whether blocks wait for their first check.
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Notes what a check of `key` found.
    pub fn found(&mut self, key: Key, content: Content) {
        let Some(expected) = self.blocks.get(&key) else { return };
        if *expected == content {
            self.missing.remove(&key);
            self.totals.checked += 1;
        } else {
            // as many, but not the same: at least one has another value
            self.missing.insert(key, expected.count.saturating_sub(content.count).max(1));
        }
        self.totals.lost = self.missing.values().sum();
    }

    /// Notes that no node answered a check of `key`: it is asked for again later.
    pub fn unanswered(&mut self, key: Key) {
        self.totals.unanswered += 1;
        self.fresh.push_back(key);
    }

    /// The sums.
    pub fn totals(&self) -> Totals {
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn sample(timestamp: i64, value: f64) -> Sample {
        let labels =
            Labels::from_pairs([("__name__", "x"), ("instance", "a")]).expect("two names that differ");
        Sample::float(labels, timestamp, value)
    }

    fn answer(samples: &[Sample]) -> Vec<RangeSeries> {
        let float = |s: &Sample| match s.value {
            SampleValue::Float(v) => (s.timestamp, v),
            SampleValue::Histogram(_) => panic!("floats alone"),
        };
        let labels = samples[0].labels.clone();
        vec![RangeSeries { labels, floats: samples.iter().map(float).collect(), histograms: vec![] }]
    }

    fn ledger(samples: &[Sample]) -> (Ledger, Key) {
        let mut ledger = Ledger::default();
        ledger.write(samples.len());
        ledger.acknowledge(3, samples);
        ledger.close(samples.last().expect("some").timestamp + BLOCK_MS);
        let key = ledger.next(&mut SmallRng::seed_from_u64(1)).expect("a closed block");
        (ledger, key)
    }

    #[test]
    fn a_block_with_all_its_samples_in_any_order_is_whole() {
        let samples = [sample(20_000, 1.0), sample(10_001, f64::NAN), sample(15_000, -0.0)];
        let (mut ledger, key) = ledger(&samples);
        assert_eq!((key.block, key.group, key.end()), (1, 3, 20_000));
        let [a, b, c] = samples;
        ledger.found(key, Content::of(&answer(&[c, a, b])));
        let expected = Totals { written: 3, acknowledged: 3, checked: 1, ..Totals::default() };
        assert_eq!(ledger.totals(), expected);
    }

    #[test]
    fn a_sample_that_is_missing_or_changed_is_lost_until_it_is_there() {
        let samples = [sample(11_000, 1.0), sample(12_000, 2.0)];
        let (mut ledger, key) = ledger(&samples);
        ledger.found(key, Content::default());
        assert_eq!(ledger.totals().lost, 2);
        ledger.found(key, Content::of(&answer(&[sample(11_000, 1.0), sample(12_000, 2.5)])));
        assert_eq!(ledger.totals().lost, 1);
        ledger.found(key, Content::of(&answer(&samples)));
        assert_eq!(ledger.totals().lost, 0);
    }

    #[test]
    fn a_block_is_checked_only_when_nothing_more_comes_into_it() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut ledger = Ledger::default();
        ledger.acknowledge(0, &[sample(10_001, 1.0)]);
        ledger.close(10_001);
        assert_eq!(ledger.next(&mut random), None);
        ledger.acknowledge(0, &[sample(20_000, 1.0)]);
        ledger.close(20_000);
        let key = ledger.next(&mut random).expect("a closed block");
        assert!(!ledger.has_fresh());
        ledger.unanswered(key);
        assert_eq!(ledger.next(&mut random), Some(key), "it is asked for again");
    }

    #[test]
    fn a_refused_batch_proves_nothing() {
        let mut ledger = Ledger::default();
        ledger.acknowledge(0, &[sample(10_001, 1.0)]);
        ledger.refuse(0, &[sample(10_002, 1.0)]);
        ledger.close(30_000);
        assert_eq!(ledger.next(&mut SmallRng::seed_from_u64(1)), None);
        assert_eq!((ledger.totals().acknowledged, ledger.totals().refused), (1, 1));
    }
}
