use super::{Head, Outcome};
use crate::increases::{Total, Verdict};
use plimsoll_model::{Increase, Interval, SeriesRef, Timestamp};
use std::sync::Arc;

/// What became of a data point with increases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Its series have a new total.
    Added,
    /// It was counted before: nothing was done.
    Repeated,
    /// It overlaps what was counted: nothing was done.
    Overlapping,
    /// Nobody knows whether it was counted: nothing was done.
    Late,
    /// Older than what has expired: nothing was done.
    Expired,
}

impl Head {
    /// Adds a data point up: each of its series gets its total since its beginning as a sample. The first of `members`,
    /// which are known here, leads. `sampled` hears what became of each sample.
    ///
    /// The sample is dated by the end of the newest interval: what comes late is counted from there on, so that totals
    /// never fall. Before its first increase a series gets a zero at the start of the interval, so that the first
    /// increase is seen as one.
    pub(crate) fn increase(
        &mut self,
        interval: Interval,
        members: &[(SeriesRef, Increase)],
        mut sampled: impl FnMut(SeriesRef, Outcome),
    ) -> Counted {
        let Some((leader, increase)) = members.first() else { return Counted::Repeated };
        if interval.end() < self.expired_before {
            self.counters.expired += members.len() as u64;
            return Counted::Expired;
        }
        let (verdict, newest) = self.increases.judge(*leader, interval, increase);
        match verdict {
            Verdict::Counted => {}
            Verdict::Repeated => {
                self.counters.duplicates += members.len() as u64;
                return Counted::Repeated;
            }
            Verdict::Overlapping => return Counted::Overlapping,
            Verdict::Late => return Counted::Late,
        }
        for (r, increase) in members {
            let (total, first) = self.increases.add(*r, increase);
            let (total, zero) = (total.clone(), first.then(|| total.zero()));
            if let Some(zero) = zero
                && interval.start() >= self.expired_before
            {
                self.total(*r, interval.start(), zero);
            }
            let outcome = self.total(*r, newest.end(), total);
            sampled(*r, outcome);
        }
        Counted::Added
    }

    fn total(&mut self, r: SeriesRef, at: Timestamp, total: Total) -> Outcome {
        match total {
            Total::Float { sum, rest } => self.float(r, at, sum + rest),
            Total::Histogram(h) => self.histogram(r, at, Arc::new(*h)),
        }
    }
}
