//! The client's own books: every sample that it sent, and what it was told about it.

use std::collections::BTreeMap;

/// What the writer knows about a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was acknowledged: it must be there.
    Acknowledged,
    /// The answer never came: it may be there or not.
    Perhaps,
}

/// All samples sent to some series: by series, then timestamp in ms, the value and its fate.
///
/// A timestamp is written with one value only; repeating it with the same value is allowed, as a client
/// that got no answer does.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    series: BTreeMap<usize, BTreeMap<i64, (u64, Fate)>>,
}

/// What a comparison with a server's answer has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged samples that are there with their value.
    pub kept: usize,
    /// Acknowledged samples that are not there.
    pub lost: usize,
    /// Samples that are there with another value.
    pub changed: usize,
    /// Samples that are there and were never sent.
    pub foreign: usize,
}

impl Ledger {
    /// Notes a sample; an acknowledgement is never taken back.
    pub fn note(&mut self, series: usize, at_ms: i64, value: f64, fate: Fate) {
        let entry = self.series.entry(series).or_default().entry(at_ms).or_insert((value.to_bits(), fate));
        if fate == Fate::Acknowledged {
            *entry = (value.to_bits(), fate);
        }
    }

    /// Takes over the books of another writer, who wrote other series.
    pub fn merge(&mut self, other: Self) {
        for (series, samples) in other.series {
            self.series.entry(series).or_default().extend(samples);
        }
    }

    /// The part of it between two times, both included.
    pub fn window(&self, from_ms: i64, to_ms: i64) -> Self {
        let cut = |samples: &BTreeMap<_, _>| -> BTreeMap<_, _> {
            samples.range(from_ms..=to_ms).map(|(at, sample)| (*at, *sample)).collect()
        };
        Self { series: self.series.iter().map(|(series, samples)| (*series, cut(samples))).collect() }
    }

    /// The series that it knows.
    pub fn series(&self) -> impl Iterator<Item = usize> + '_ {
        self.series.keys().copied()
    }

    /// How many samples were acknowledged.
    pub fn acknowledged(&self) -> usize {
        let all = self.series.values().flat_map(BTreeMap::values);
        all.filter(|(_, fate)| *fate == Fate::Acknowledged).count()
    }

    /// First and last timestamp of a series.
    pub fn span(&self, series: usize) -> Option<(i64, i64)> {
        let samples = self.series.get(&series)?;
        Some((*samples.first_key_value()?.0, *samples.last_key_value()?.0))
    }

    /// Compares one series with what a server says about it. Values are compared bit by bit.
    pub fn check(&self, series: usize, found: &BTreeMap<i64, f64>) -> Verdict {
        let mut verdict = Verdict::default();
        let empty = BTreeMap::new();
        let sent = self.series.get(&series).unwrap_or(&empty);
        for (at, (bits, fate)) in sent {
            match (found.get(at), fate) {
                (Some(value), _) if value.to_bits() != *bits => verdict.changed += 1,
                (Some(_), Fate::Acknowledged) => verdict.kept += 1,
                (None, Fate::Acknowledged) => verdict.lost += 1,
                (_, Fate::Perhaps) => {}
            }
        }
        verdict.foreign = found.keys().filter(|at| !sent.contains_key(at)).count();
        verdict
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.changed == 0 && self.foreign == 0
    }

    /// Adds the findings about another series.
    pub fn add(&mut self, other: Self) {
        self.kept += other.kept;
        self.lost += other.lost;
        self.changed += other.changed;
        self.foreign += other.foreign;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_changed_or_foreign_is_told_apart() {
        let mut ledger = Ledger::default();
        for (at, fate) in
            [(1, Fate::Acknowledged), (2, Fate::Acknowledged), (3, Fate::Acknowledged), (4, Fate::Perhaps)]
        {
            ledger.note(7, at, at as f64, fate);
        }
        let found = BTreeMap::from([(1, 1.0), (2, -2.0), (9, 9.0)]);
        assert_eq!(ledger.check(7, &found), Verdict { kept: 1, lost: 1, changed: 1, foreign: 1 });
        assert_eq!(ledger.span(7), Some((1, 4)));
        assert_eq!(ledger.acknowledged(), 3);
    }

    #[test]
    fn a_sample_that_is_acknowledged_at_the_second_try_must_be_there() {
        let mut ledger = Ledger::default();
        ledger.note(0, 1, 5.0, Fate::Perhaps);
        assert!(ledger.check(0, &BTreeMap::new()).is_good());
        ledger.note(0, 1, 5.0, Fate::Acknowledged);
        ledger.note(0, 1, 5.0, Fate::Perhaps);
        assert_eq!(ledger.check(0, &BTreeMap::new()).lost, 1);
    }
}
