//! From numbers to a verdict: pure, told the time.

use std::time::{Duration, Instant};

/// At most this share of a file system is kept free: a default for disks must not make a small one useless.
const MOST_SHARE: u64 = 20;
/// This share of the limit must be free beyond it before writes are taken again; else a node at its limit would turn
/// back and forth, and its leaderships with it.
const BEYOND_SHARE: u64 = 10;
/// A slow disk must have been quick for so long before its node may lead again.
const QUICK_FOR: Duration = Duration::from_secs(5);

/// What a file system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes free to this process.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// How the disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes writes, quickly.
    Writable,
    /// It takes no more.
    ReadOnly {
        /// Why, and what helps.
        reason: String,
    },
    /// It takes writes, slowly: a node on it follows.
    Slow {
        /// For so many seconds so far.
        since_s: u64,
    },
}

/// Where full and slow begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// `storage.min_free_disk`.
    pub min_free: u64,
    /// An answer that takes longer is slow.
    pub slow: Duration,
}

/// What follows from a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub state: State,
    pub may_lead: bool,
    /// Of all file systems the least that is free.
    pub free: u64,
    /// The limit of that one.
    pub floor: u64,
}

/// Remembers what a verdict depends on beside the numbers.
pub struct Judge {
    limits: Limits,
    read_only: bool,
    slow_since: Option<Instant>,
    quick_since: Option<Instant>,
    /// For looks that tell nothing.
    last: Option<(String, u64, u64)>,
}

impl Judge {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, read_only: false, slow_since: None, quick_since: None, last: None }
    }

    /// After a look: `spaces` of all file systems, or why there are none; `stalled` is how long the log has been
    /// waiting for the disk.
    pub(super) fn verdict(
        &mut self,
        now: Instant,
        spaces: Result<&[Space], String>,
        stalled: Option<Duration>,
    ) -> Verdict {
        self.time(now, stalled);
        let (reason, free, floor) = match spaces {
            Ok(spaces) => self.weigh(spaces),
            // a disk that cannot be looked at cannot be trusted with more
            Err(reason) => {
                self.read_only = true;
                (reason, 0, 0)
            }
        };
        self.last = Some((reason.clone(), free, floor));
        self.conclude(now, reason, free, floor)
    }

    /// While a look is under way for `since`, which tells nothing about space.
    pub(super) fn stalled(&mut self, now: Instant, since: Duration) -> Verdict {
        self.time(now, Some(since));
        let (reason, free, floor) = self.last.clone().unwrap_or_default();
        self.conclude(now, reason, free, floor)
    }

    fn conclude(&self, now: Instant, reason: String, free: u64, floor: u64) -> Verdict {
        let state = match self.slow_since {
            _ if self.read_only => State::ReadOnly { reason },
            Some(since) => State::Slow { since_s: now.duration_since(since).as_secs() },
            None => State::Writable,
        };
        Verdict { may_lead: state == State::Writable, state, free, floor }
    }

    fn weigh(&mut self, spaces: &[Space]) -> (String, u64, u64) {
        let floor_of = |space: &Space| self.limits.min_free.min(space.total / MOST_SHARE);
        let needed = |space: &Space| {
            let floor = floor_of(space);
            if self.read_only { floor + floor / BEYOND_SHARE } else { floor }
        };
        // the file system that is nearest to its limit decides
        let Some(worst) = spaces.iter().min_by_key(|space| space.free.saturating_sub(floor_of(space))) else {
            return (String::new(), u64::MAX, 0);
        };
        let needs = needed(worst);
        let full = spaces.iter().any(|space| space.free < needed(space));
        self.read_only = full;
        let reason = format!(
            "the disk is full: {} MiB are free and {} MiB must be (storage.min_free_disk, at most a twentieth of the \
             disk); free some space or shorten storage.retention, the node recovers by itself",
            worst.free >> 20,
            needs >> 20
        );
        (reason, worst.free, floor_of(worst))
    }

    /// Slow at once, quick again only after a while.
    fn time(&mut self, now: Instant, stalled: Option<Duration>) {
        if stalled.is_some_and(|waited| waited >= self.limits.slow) {
            self.slow_since.get_or_insert(now);
            self.quick_since = None;
        } else if self.slow_since.is_some() {
            let quick_since = *self.quick_since.get_or_insert(now);
            if now.duration_since(quick_since) >= QUICK_FOR {
                (self.slow_since, self.quick_since) = (None, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const LIMITS: Limits = Limits { min_free: 1024 * MIB, slow: Duration::from_secs(5) };

    /// Verdicts over a row of free MiB on a disk of 100 GiB.
    fn read_only(row: &[u64]) -> Vec<bool> {
        let mut judge = Judge::new(LIMITS);
        let now = Instant::now();
        let look = |free: &u64| {
            let space = Space { free: free * MIB, total: 102_400 * MIB };
            let verdict = judge.verdict(now, Ok(&[space]), None);
            assert_eq!(verdict.may_lead, verdict.state == State::Writable);
            matches!(verdict.state, State::ReadOnly { .. })
        };
        row.iter().map(look).collect()
    }

    #[test]
    fn the_limit_is_passed_downwards_at_once_and_upwards_with_a_tenth_to_spare() {
        assert_eq!(
            read_only(&[2000, 1024, 1023, 1024, 1100, 1126, 1127, 1024, 0]),
            [false, false, true, true, true, true, false, false, true]
        );
    }

    #[test]
    fn a_small_disk_is_not_read_only_for_ever() {
        let mut judge = Judge::new(LIMITS);
        let mut look = |free: u64| {
            let verdict =
                judge.verdict(Instant::now(), Ok(&[Space { free: free * MIB, total: 400 * MIB }]), None);
            (matches!(verdict.state, State::ReadOnly { .. }), verdict.floor / MIB)
        };
        // a twentieth of 400 MiB
        assert_eq!(
            [look(300), look(20), look(19), look(22)],
            [(false, 20), (false, 20), (true, 20), (false, 20)]
        );
    }

    #[test]
    fn the_fuller_of_two_file_systems_decides() {
        let mut judge = Judge::new(LIMITS);
        let (store, log) =
            (Space { free: 9000 * MIB, total: 90_000 * MIB }, Space { free: MIB, total: 1000 * MIB });
        let verdict = judge.verdict(Instant::now(), Ok(&[store, log]), None);
        let State::ReadOnly { reason } = verdict.state else { panic!("the log's disk is full") };
        assert!(reason.contains("1 MiB are free and 50 MiB must be"), "{reason}");
        assert_eq!(verdict.free, MIB);
    }

    #[test]
    fn a_disk_that_cannot_be_looked_at_takes_no_writes_until_it_can() {
        let mut judge = Judge::new(LIMITS);
        let verdict = judge.verdict(Instant::now(), Err("gone".to_owned()), None);
        assert_eq!(verdict.state, State::ReadOnly { reason: "gone".to_owned() });
        let space = Space { free: 9000 * MIB, total: 90_000 * MIB };
        assert_eq!(judge.verdict(Instant::now(), Ok(&[space]), None).state, State::Writable);
    }

    #[test]
    fn a_slow_disk_must_be_quick_for_a_while_before_its_node_leads_again() {
        let mut judge = Judge::new(LIMITS);
        let began = Instant::now();
        let mut look = |at_s: u64, stalled_s: u64| {
            let space = Space { free: 9000 * MIB, total: 90_000 * MIB };
            let now = began + Duration::from_secs(at_s);
            judge.verdict(now, Ok(&[space]), Some(Duration::from_secs(stalled_s))).state
        };
        assert_eq!(look(0, 4), State::Writable);
        assert_eq!(look(1, 5), State::Slow { since_s: 0 });
        assert_eq!(look(3, 7), State::Slow { since_s: 2 });
        assert_eq!(look(4, 0), State::Slow { since_s: 3 }, "quick for no time yet");
        assert_eq!(look(8, 0), State::Slow { since_s: 7 });
        assert_eq!(look(9, 0), State::Writable);
        assert_eq!(look(10, 6), State::Slow { since_s: 0 });
        // quick and slow in turns is slow
        assert_eq!([look(14, 1), look(15, 6), look(19, 0)].map(|s| s == State::Writable), [false; 3]);
        assert_eq!(look(24, 0), State::Writable);
    }

    #[test]
    fn a_look_that_hangs_is_a_slow_disk_with_the_space_of_the_last_one() {
        let mut judge = Judge::new(LIMITS);
        let space = Space { free: 9000 * MIB, total: 90_000 * MIB };
        judge.verdict(Instant::now(), Ok(&[space]), None);
        let hangs = judge.stalled(Instant::now(), Duration::from_secs(6));
        assert!(matches!(hangs.state, State::Slow { .. }) && !hangs.may_lead);
        assert_eq!(hangs.free, 9000 * MIB);
    }
}
