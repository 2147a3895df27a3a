//! What native histograms grew by, without extrapolation: for reports, which count to the last observation.

use super::reset::is_reset;
use super::total::Total;
use plimsoll_model::{Histogram, ResetHint};
use serde::{Deserialize, Serialize};

/// A sum of increases, of one series or of many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistogramIncrease {
    total: Option<Total>,
}

impl HistogramIncrease {
    /// Adds what one series grew by over `samples`, counted from `before`, or from nothing where there was no sample.
    /// Stale markers are skipped. Answers the counter resets on the way, or `None` when buckets with bounds of their
    /// own and exponential ones meet, which cannot be added.
    pub fn add<'a>(
        &mut self,
        before: Option<&'a Histogram>,
        samples: impl Iterator<Item = &'a Histogram>,
    ) -> Option<u64> {
        let mut resets = 0;
        let mut own = Self::default();
        let mut last = before;
        // the steps between two resets cancel out but for their ends
        let mut base = before;
        for now in samples.filter(|h| !h.is_stale()) {
            if let Some(earlier) = last.filter(|earlier| is_reset(now, earlier)) {
                own.put(Some(earlier), base)?;
                base = None;
                resets += 1;
            }
            last = Some(now);
        }
        own.put(last, base)?;
        self.join(own)?;
        Some(resets)
    }

    fn put(&mut self, end: Option<&Histogram>, base: Option<&Histogram>) -> Option<()> {
        let Some(end) = end else { return Some(()) };
        let mut step = Total::of(end);
        step.reset_hint = ResetHint::Unknown;
        if let Some(base) = base {
            let mut base = Total::of(base);
            base.reset_hint = ResetHint::Unknown;
            base.scale(-1.0);
            step.join(base).ok()?;
        }
        self.join(Self { total: Some(step) })
    }

    /// Adds another sum; `None` when the two cannot be added, which leaves this one as it was.
    pub fn join(&mut self, other: Self) -> Option<()> {
        let Some(other) = other.total else { return Some(()) };
        match &mut self.total {
            None => self.total = Some(other),
            Some(total) => {
                let mut joined = total.clone();
                joined.join(other).ok()?;
                *total = joined;
            }
        }
        Some(())
    }

    /// The sum as a histogram, where there was any sample.
    pub fn histogram(&self) -> Option<Histogram> {
        self.total.as_ref().map(Total::finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Span;

    fn of(counts: &[f64]) -> Histogram {
        Histogram {
            positive_spans: vec![Span { offset: 0, length: counts.len() as u32 }],
            positive_buckets: counts.to_vec(),
            count: counts.iter().sum(),
            sum: counts.iter().sum::<f64>() * 2.0,
            ..Histogram::default()
        }
    }

    fn increase(before: Option<Histogram>, samples: &[Histogram]) -> (f64, Option<u64>) {
        let mut sum = HistogramIncrease::default();
        let resets = sum.add(before.as_ref(), samples.iter());
        (sum.histogram().map_or(0.0, |h| h.count), resets)
    }

    #[test]
    fn steps_are_counted_and_a_reset_begins_at_nothing() {
        let (a, b, c) = (of(&[1.0, 2.0]), of(&[3.0, 4.0]), of(&[1.0, 0.0]));
        assert_eq!(increase(None, &[a.clone(), b.clone()]), (7.0, Some(0)));
        assert_eq!(increase(Some(a.clone()), std::slice::from_ref(&b)), (4.0, Some(0)));
        assert_eq!(increase(Some(a.clone()), &[b.clone(), c.clone(), b.clone()]), (4.0 + 7.0, Some(1)));
        assert_eq!(increase(Some(b.clone()), &[]), (0.0, Some(0)));
        let stale = Histogram { sum: f64::from_bits(plimsoll_model::STALE_NAN_BITS), ..b.clone() };
        assert_eq!(increase(Some(a), &[stale, b]), (4.0, Some(0)));
    }

    #[test]
    fn custom_and_exponential_buckets_are_not_added() {
        let custom = Histogram { schema: Histogram::CUSTOM_SCHEMA, custom_values: vec![1.0], ..of(&[1.0]) };
        let mut sum = HistogramIncrease::default();
        assert_eq!(sum.add(None, [of(&[1.0])].iter()), Some(0));
        assert_eq!(sum.add(None, [custom].iter()), None);
        assert_eq!(sum.histogram().map(|h| h.count), Some(1.0));
    }
}
