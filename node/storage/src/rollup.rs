//! Hours of a series in a few numbers, so that a query of weeks need not read every sample.
//!
//! An hour is open at its start and closed at its end, as the windows of PromQL are: the hour of a sample is named by
//! its end. So the sample at midnight belongs to the last hour of the day before, and a day has up to 25 hours of which
//! the first holds that sample alone.

use plimsoll_model::{FloatColumn, Timestamp, is_stale};

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// What is asked of the samples of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The sum.
    Sum,
    /// How many there are.
    Count,
    /// The oldest.
    First,
    /// The newest.
    Last,
}

/// The samples of one hour, stale markers left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hour {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) sum: f64,
    /// What the sum has lost to rounding so far; not kept on disk.
    rest: f64,
    pub(crate) count: f64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// From the first to the last sample; a counter that falls has begun again at zero.
    pub(crate) increase: f64,
}

/// Hours of one series with the times of their ends, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hours {
    pub(crate) ends: Vec<Timestamp>,
    pub(crate) hours: Vec<Hour>,
}

impl Hour {
    fn of(v: f64) -> Self {
        Self { min: v, max: v, sum: v, rest: 0.0, count: 1.0, first: v, last: v, increase: 0.0 }
    }

    fn push(&mut self, v: f64) {
        // NaN gives way to everything; of equals the oldest stays, as with PromQL's functions.
        if v < self.min || self.min.is_nan() {
            self.min = v;
        }
        if v > self.max || self.max.is_nan() {
            self.max = v;
        }
        let sum = self.sum + v;
        if sum.is_finite() {
            self.rest += if self.sum.abs() >= v.abs() { (self.sum - sum) + v } else { (v - sum) + self.sum };
        }
        self.sum = sum;
        self.count += 1.0;
        self.increase += if v >= self.last { v - self.last } else { v };
        self.last = v;
    }

    pub(crate) fn get(&self, fold: Fold) -> f64 {
        match fold {
            Fold::Min => self.min,
            Fold::Max => self.max,
            Fold::Sum => self.sum + self.rest,
            Fold::Count => self.count,
            Fold::First => self.first,
            Fold::Last => self.last,
        }
    }
}

impl Fold {
    /// Of two parts of one hour, the older one first.
    fn join(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Min if b < a || a.is_nan() => b,
            Self::Max if b > a || a.is_nan() => b,
            Self::Last => b,
            Self::Sum | Self::Count => a + b,
            Self::Min | Self::Max | Self::First => a,
        }
    }
}

/// The end of the hour in which a sample lies.
pub(crate) fn end_of(at: Timestamp) -> Timestamp {
    match at.rem_euclid(HOUR_MS) {
        0 => at,
        over => at.saturating_add(HOUR_MS - over),
    }
}

impl Hours {
    /// Takes further samples, which are newer than those before.
    pub(crate) fn extend(&mut self, floats: &FloatColumn) {
        for (at, v) in floats.timestamps.iter().zip(&floats.values) {
            if is_stale(*v) {
                continue;
            }
            let end = end_of(*at);
            match self.hours.last_mut() {
                Some(hour) if self.ends.last() == Some(&end) => hour.push(*v),
                _ => {
                    self.ends.push(end);
                    self.hours.push(Hour::of(*v));
                }
            }
        }
    }

    /// The hours as samples of their ends.
    pub(crate) fn fold(&self, fold: Fold, out: &mut Folded) {
        for (end, hour) in self.ends.iter().zip(&self.hours) {
            out.push(*end, hour.get(fold), fold);
        }
    }
}

/// Parts of hours in the order of their samples, joined where two are of one hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folded {
    pub(crate) ends: Vec<Timestamp>,
    pub(crate) values: Vec<f64>,
}

impl Folded {
    pub(crate) fn push(&mut self, end: Timestamp, v: f64, fold: Fold) {
        match self.values.last_mut() {
            Some(last) if self.ends.last() == Some(&end) => *last = fold.join(*last, v),
            _ => {
                self.ends.push(end);
                self.values.push(v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn column(samples: &[(i64, f64)]) -> FloatColumn {
        let (times, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
        FloatColumn { timestamps: Arc::new(times), values }
    }

    #[test]
    fn an_hour_is_open_at_its_start_and_closed_at_its_end() {
        assert_eq!([0, 1, HOUR_MS, HOUR_MS + 1, -1].map(end_of), [0, HOUR_MS, HOUR_MS, 2 * HOUR_MS, 0]);
        assert_eq!(end_of(i64::MAX), i64::MAX, "no overflow");
    }

    #[test]
    fn an_hour_tells_its_extremes_sum_count_ends_and_increase() {
        let stale = f64::from_bits(plimsoll_model::STALE_NAN_BITS);
        let mut hours = Hours::default();
        hours.extend(&column(&[(1, 5.0), (2, stale), (3, 7.0), (4, 2.0)]));
        hours.extend(&column(&[(HOUR_MS, 3.0), (HOUR_MS + 1, f64::NAN)]));
        assert_eq!(hours.ends, [HOUR_MS, 2 * HOUR_MS]);
        let hour = hours.hours[0];
        let told =
            [Fold::Min, Fold::Max, Fold::Sum, Fold::Count, Fold::First, Fold::Last].map(|f| hour.get(f));
        assert_eq!(told, [2.0, 7.0, 17.0, 4.0, 5.0, 3.0]);
        assert_eq!(hour.increase, 2.0 + 2.0 + 1.0, "up by 2, anew up to 2, up by 1");
        assert!(hours.hours[1].min.is_nan());
    }

    #[test]
    fn parts_of_an_hour_join_as_if_they_had_been_one() {
        let samples: Vec<(i64, f64)> =
            [4.0, f64::NAN, -1.0, 9.0].iter().map(|v| (*v as i64 + 10, *v)).collect();
        for fold in [Fold::Min, Fold::Max, Fold::Sum, Fold::Count, Fold::First, Fold::Last] {
            for cut in 1..samples.len() {
                let mut parts = Folded::default();
                for part in [&samples[..cut], &samples[cut..]] {
                    let mut hours = Hours::default();
                    hours.extend(&column(part));
                    hours.fold(fold, &mut parts);
                }
                let mut whole = Hours::default();
                whole.extend(&column(&samples));
                let whole = whole.hours[0].get(fold);
                assert_eq!(parts.values.len(), 1);
                assert_eq!(parts.values[0].to_bits(), whole.to_bits(), "{fold:?} cut at {cut}");
            }
        }
    }
}
