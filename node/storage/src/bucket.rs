use plimsoll_model::{TimeRange, Timestamp};

const DAY_MS: i64 = 86_400_000;

/// A UTC day: days since the Unix epoch. Timestamps further out than any calendar fall into the first or last bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bucket(pub(crate) i32);

impl Bucket {
    /// `i32::MIN` is left to the rows of a shard that belong to no day (see `disk::keys`).
    const FIRST: i32 = i32::MIN + 1;
    const LAST: i32 = i32::MAX;

    /// The bucket in which `at` lies.
    #[inline]
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(at.div_euclid(DAY_MS).clamp(i64::from(Self::FIRST), i64::from(Self::LAST)) as i32)
    }

    /// The timestamps of this bucket.
    pub(crate) fn range(self) -> TimeRange {
        let start = if self.0 == Self::FIRST { Timestamp::MIN } else { i64::from(self.0) * DAY_MS };
        let end = if self.0 == Self::LAST { Timestamp::MAX } else { (i64::from(self.0) + 1) * DAY_MS - 1 };
        TimeRange { start, end }
    }

    /// Whether it is a day of 24 hours and not one of the two that hold all the rest of time.
    pub(crate) fn is_day(self) -> bool {
        self.0 != Self::FIRST && self.0 != Self::LAST
    }

    /// Slice `i` of `of` equal slices of this bucket; the slices cover it without a gap.
    pub(crate) fn slice(self, i: u8, of: u8) -> TimeRange {
        let whole = self.range();
        if of <= 1 {
            return whole;
        }
        let width = DAY_MS / i64::from(of);
        let start = whole.start.saturating_add(width * i64::from(i));
        let end = if i + 1 == of { whole.end } else { start.saturating_add(width - 1) };
        TimeRange { start: if i == 0 { whole.start } else { start }, end }
    }
}

/// The bucket asked for last: neighbours in a batch lie in one, and comparing is cheaper than dividing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastBucket {
    range: TimeRange,
    bucket: i32,
}

impl Default for LastBucket {
    fn default() -> Self {
        let bucket = Bucket::of(0);
        Self { range: bucket.range(), bucket: bucket.0 }
    }
}

impl LastBucket {
    /// The bucket in which `at` lies.
    #[inline]
    pub(crate) fn of(&mut self, at: Timestamp) -> i32 {
        if !self.range.contains(at) {
            let bucket = Bucket::of(at);
            *self = Self { range: bucket.range(), bucket: bucket.0 };
        }
        self.bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timestamp_lies_in_the_range_of_its_bucket() {
        for at in
            [0, -1, DAY_MS - 1, DAY_MS, 1_700_000_000_000, i64::MIN, i64::MAX, i64::MIN / 3, i64::MAX / 3]
        {
            assert!(Bucket::of(at).range().contains(at), "{at}");
        }
        assert_eq!((Bucket::of(-1), Bucket::of(0), Bucket::of(DAY_MS)), (Bucket(-1), Bucket(0), Bucket(1)));
    }

    #[test]
    fn slices_cover_a_bucket_without_gap_or_overlap() {
        for of in [1, 2, 7, 24] {
            let mut next = Bucket(20_000).range().start;
            for i in 0..of {
                let slice = Bucket(20_000).slice(i, of);
                assert_eq!(slice.start, next);
                next = slice.end + 1;
            }
            assert_eq!(next, Bucket(20_001).range().start);
        }
    }
}
