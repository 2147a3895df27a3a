//! Adds up what senders count by the interval, so that a series holds a count since its beginning.
//!
//! Owns: what was counted of each series so far, and which intervals: the state that makes a repeated interval count
//! once. It follows from the log alone, is part of every checkpoint and snapshot, and goes with its series: an
//! interval that comes after that is older than what has expired.
//! Does not own: the samples that come of it (`head`), the log.
//!
//! Invariant: an interval adds to a series once at most, whatever is repeated, and no two that overlap are both counted.

mod intervals;
mod total;

pub(crate) use intervals::Verdict;
pub(crate) use total::Total;

use intervals::Intervals;
use plimsoll_model::{Increase, Interval, SeriesRef, varint};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// What is known of one series.
#[derive(Clone, Debug, PartialEq)]
struct Account {
    total: Total,
    /// Of the series that leads a data point; the others are counted with it.
    intervals: Option<Box<Intervals>>,
    /// Nothing was added yet.
    fresh: bool,
}

impl Account {
    fn begin(increase: &Increase) -> Self {
        Self { total: Total::begin(increase), intervals: None, fresh: true }
    }
}

/// The accounts of a shard. Ordered, because they are written in the order of their refs.
#[derive(Debug, Default)]
pub(crate) struct Accounts(BTreeMap<SeriesRef, Account>);

impl Accounts {
    /// Whether `interval` of the data point that `leader` leads is to be counted; if so it is from now on.
    /// Answers the newest end of an interval as well: that is when the new total is dated.
    pub(crate) fn judge(
        &mut self,
        leader: SeriesRef,
        interval: Interval,
        increase: &Increase,
    ) -> (Verdict, Interval) {
        let account = self.0.entry(leader).or_insert_with(|| Account::begin(increase));
        let intervals = account.intervals.get_or_insert_default();
        let verdict = intervals.take(interval, print(increase));
        (verdict, intervals.newest().unwrap_or(interval))
    }

    /// Adds to a series; answers its new total, and whether it is the first.
    pub(crate) fn add(&mut self, series: SeriesRef, increase: &Increase) -> (&Total, bool) {
        let account = self.0.entry(series).or_insert_with(|| Account::begin(increase));
        let first = std::mem::take(&mut account.fresh);
        account.total.add(increase);
        (&account.total, first)
    }

    /// Forgets a series that has expired.
    pub(crate) fn remove(&mut self, series: SeriesRef) {
        self.0.remove(&series);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Hands on the record of each series, ascending.
    ///
    /// ```text
    /// varint ref, u8: 1 for a histogram | 2 with intervals, total, intervals
    /// ```
    pub(crate) fn each_record(&self, mut put: impl FnMut(SeriesRef, &[u8])) {
        let mut record = Vec::new();
        for (r, account) in &self.0 {
            record.clear();
            varint::put(&mut record, u64::from(r.0));
            let histogram = u8::from(matches!(account.total, Total::Histogram(_)));
            record.push(histogram | u8::from(account.intervals.is_some()) << 1);
            account.total.encode(&mut record);
            if let Some(intervals) = &account.intervals {
                intervals.encode(&mut record);
            }
            put(*r, &record);
        }
    }

    /// A hash of all of them; 0 of none.
    pub(crate) fn digest(&self) -> u64 {
        let mut hash = 0u64;
        self.each_record(|_, record| hash = hash.wrapping_add(xxh3_64(record)));
        hash
    }

    /// Takes records back, except those of series that `lives` denies.
    pub(crate) fn restore(&mut self, mut records: &[u8], lives: impl Fn(SeriesRef) -> bool) -> Option<()> {
        while !records.is_empty() {
            let (series, account) = take(&mut records)?;
            if lives(series) {
                self.0.insert(series, account);
            }
        }
        Some(())
    }
}

fn take(input: &mut &[u8]) -> Option<(SeriesRef, Account)> {
    let series = SeriesRef(u32::try_from(varint::take(input)?).ok()?);
    let flags = varint::take_bytes(input, 1)?[0];
    let total = Total::decode(input, flags & 1 == 1)?;
    let intervals = if flags & 2 == 2 { Some(Box::new(Intervals::decode(input)?)) } else { None };
    Some((series, Account { total, intervals, fresh: false }))
}

/// Tells a repeated interval from another one with the same times.
fn print(increase: &Increase) -> u32 {
    let mut bytes = Vec::new();
    match increase {
        Increase::Float(v) => bytes.extend_from_slice(&v.to_bits().to_le_bytes()),
        Increase::Histogram(h) => h.encode(&mut bytes),
    }
    xxh3_64(&bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Histogram;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const LEADER: SeriesRef = SeriesRef(300);

    fn interval(start_ns: i64, end_ns: i64) -> Interval {
        Interval { start_ns, end_ns }
    }

    fn records(accounts: &Accounts) -> Vec<u8> {
        let mut out = Vec::new();
        accounts.each_record(|_, record| out.extend_from_slice(record));
        out
    }

    #[test]
    fn records_are_golden_and_come_back() {
        let mut accounts = Accounts::default();
        let three = Increase::Float(3.0);
        for (start, end) in [(1000, 2000), (2000, 3000)] {
            assert_eq!(accounts.judge(LEADER, interval(start, end), &three).0, Verdict::Counted);
            accounts.add(LEADER, &three);
        }
        accounts.add(SeriesRef(2), &Increase::Histogram(Histogram { count: 1.0, ..Histogram::default() }));
        let bytes = records(&accounts);
        let print = print(&three).to_le_bytes();
        let mut golden = vec![2, 1, 0, 0];
        golden.extend([[0u8; 8], [0; 8], 1f64.to_le_bytes(), [0; 8]].concat());
        golden.extend([0u8; 5]);
        golden.extend([0xac, 2, 2]);
        golden.extend([6f64.to_le_bytes(), [0; 8]].concat());
        // nothing forgotten; two intervals of 1000 ns each, the first ends 2000 after the epoch
        golden.extend([0, 2]);
        golden.extend([&[0xa0, 0x1f, 0xe8, 7][..], &print, &[0xd0, 0x0f, 0xe8, 7], &print].concat());
        assert_eq!(bytes, golden);
        let mut back = Accounts::default();
        assert_eq!(back.restore(&bytes, |r| r == LEADER), Some(()));
        assert_eq!((back.len(), back.0.get(&LEADER)), (1, accounts.0.get(&LEADER)));
        for n in 1..bytes.len() {
            let whole = Accounts::default().restore(&bytes[..n], |_| true).is_some();
            assert_eq!(whole, n == 41, "cut at {n}");
        }
    }

    proptest! {
        /// Intervals of different lengths side by side, sent in nearly any order and some of them again, over restarts.
        #[test]
        fn every_interval_counts_once(
            lengths in proptest::collection::vec((1i64..50, 0i64..3, -1000i32..1000), 1..40),
            order in proptest::collection::vec((0usize..40, 0u8..10), 0..120),
        ) {
            let (mut at, mut all) = (0, Vec::new());
            for (length, gap, value) in lengths {
                all.push((interval(at + gap, at + gap + length), f64::from(value)));
                at += gap + length;
            }
            let mut accounts = Accounts::default();
            let (mut counted, mut sum) = (BTreeSet::new(), 0.0);
            let mut order: Vec<(usize, u8)> = order.into_iter().map(|(i, dice)| (i % all.len(), dice)).collect();
            order.sort_by_key(|(i, dice)| i * 4 + usize::from(*dice));
            for (i, dice) in order {
                let (interval, value) = all[i];
                let increase = Increase::Float(value);
                let (verdict, newest) = accounts.judge(LEADER, interval, &increase);
                prop_assert!(newest.end_ns >= interval.end_ns);
                match verdict {
                    Verdict::Counted => {
                        prop_assert!(counted.insert(interval), "counted twice");
                        sum += value;
                        accounts.add(LEADER, &increase);
                    }
                    Verdict::Repeated => prop_assert!(counted.contains(&interval)),
                    // only what is older than the last eight
                    Verdict::Late => prop_assert!(counted.iter().filter(|c| c.end_ns >= interval.end_ns).count() >= 8),
                    Verdict::Overlapping => prop_assert!(false, "the intervals do not overlap"),
                }
                if dice == 0 {
                    let bytes = records(&accounts);
                    accounts = Accounts::default();
                    prop_assert_eq!(accounts.restore(&bytes, |_| true), Some(()));
                }
            }
            if let Some(account) = accounts.0.get(&LEADER) {
                prop_assert_eq!(account.total.clone(), Total::of_float(sum));
            }
        }
    }
}
