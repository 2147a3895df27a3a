//! When a target is scraped.

/// The moments of one target: every interval, at a place in it that is the target's own. The same on every node and
/// after every restart, so that a target's timestamps stay a row of equal steps whoever scrapes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: i64,
    offset_ms: i64,
}

impl Schedule {
    /// The moments of the target with `hash`; an interval is a millisecond at least.
    pub fn new(hash: u64, interval_ms: i64) -> Self {
        let interval_ms = interval_ms.max(1);
        Self { interval_ms, offset_ms: (hash % interval_ms.unsigned_abs()) as i64 }
    }

    /// The first moment after `now_ms`.
    pub fn next(self, now_ms: i64) -> i64 {
        let into = (now_ms - self.offset_ms).rem_euclid(self.interval_ms);
        now_ms + self.interval_ms - into
    }

    /// The timestamp of a scrape that was due at `due_ms` and began at `began_ms`: the exact moment where it began
    /// nearly in time (a hundredth of the interval), so that steps stay equal, which keeps samples small on disk.
    pub fn timestamp(self, due_ms: i64, began_ms: i64) -> i64 {
        if (began_ms - due_ms).abs() <= (self.interval_ms / 100).max(2) { due_ms } else { began_ms }
    }

    /// Milliseconds between two moments.
    pub fn interval_ms(self) -> i64 {
        self.interval_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_an_interval_apart_at_the_targets_own_place() {
        let s = Schedule::new(7_003, 1000);
        assert_eq!((s.next(0), s.next(3), s.next(2), s.next(999)), (3, 1003, 3, 1003));
        assert_eq!(s.next(1_700_000_000_500), 1_700_000_001_003);
        let mut at = 5;
        for _ in 0..10 {
            let next = s.next(at);
            assert!(next > at && next - at <= 1000 && next % 1000 == 3);
            at = next;
        }
    }

    #[test]
    fn a_scrape_that_begins_nearly_in_time_has_the_exact_timestamp() {
        let s = Schedule::new(0, 15_000);
        assert_eq!((s.timestamp(15_000, 15_150), s.timestamp(15_000, 15_151)), (15_000, 15_151));
    }
}
