//! When a group is evaluated: at equally spaced times, each group at its own place within the interval, so that the
//! same group has the same times on every node and all groups together are spread.

use plimsoll_model::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

/// The times of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: i64,
    offset_ms: i64,
}

impl Schedule {
    /// The times of the group with this name.
    pub fn of(group: &str, interval_ms: i64) -> Self {
        let interval_ms = interval_ms.max(1);
        let offset_ms = (xxh3_64(group.as_bytes()) % interval_ms as u64) as i64;
        Self { interval_ms, offset_ms }
    }

    /// The last time that is not after `now`.
    pub fn last(&self, now: Timestamp) -> Timestamp {
        now - (now - self.offset_ms).rem_euclid(self.interval_ms)
    }

    /// The time after `time`.
    pub fn next(&self, time: Timestamp) -> Timestamp {
        time + self.interval_ms
    }

    /// How many times were passed over between an evaluation at `done` and the next one at `now`.
    pub fn missed(&self, done: Timestamp, now: Timestamp) -> u64 {
        u64::try_from((now - done) / self.interval_ms - 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spaced_and_the_same_for_everybody() {
        let s = Schedule::of("f;g", 30_000);
        let last = s.last(1_700_000_012_345);
        assert!(last <= 1_700_000_012_345 && last > 1_700_000_012_345 - 30_000);
        assert_eq!(s.last(last), last);
        assert_eq!(s.last(last + 29_999), last);
        assert_eq!(s.last(last + 30_000), s.next(last));
        assert_eq!((s.missed(last, last + 30_000), s.missed(last, last + 90_000)), (0, 2));
        assert_eq!(s.missed(last, last), 0);
    }

    #[test]
    fn groups_are_spread_over_the_interval() {
        let mut halves = [0, 0];
        for n in 0..100 {
            let s = Schedule::of(&format!("file;group {n}"), 30_000);
            halves[usize::from(s.offset_ms >= 15_000)] += 1;
        }
        assert!(halves.iter().all(|n| *n > 30), "{halves:?}");
    }
}
