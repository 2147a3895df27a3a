use plimsoll_model::{Interval, varint};

/// Intervals that are told apart. A sender repeats its last one; several that send for one series reorder a few.
const REMEMBERED: usize = 8;

/// What is to be done with an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new: count it.
    Counted,
    /// It was counted.
    Repeated,
    /// A part of it was counted, or all of it with another value.
    Overlapping,
    /// It ended before those that are remembered, so nobody knows.
    Late,
}

/// The newest intervals that were counted, ascending and apart from one another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Intervals {
    /// End of the newest one that is not remembered any more.
    forgotten_ns: i64,
    last: Vec<Counted>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Counted {
    interval: Interval,
    print: u32,
}

impl Intervals {
    /// Judges an interval, and remembers it when it is to be counted.
    pub(super) fn take(&mut self, interval: Interval, print: u32) -> Verdict {
        let verdict = self.judge(interval, print);
        if verdict == Verdict::Counted {
            let at = self.last.partition_point(|c| c.interval.end_ns < interval.end_ns);
            self.last.insert(at, Counted { interval, print });
            if self.last.len() > REMEMBERED {
                self.forgotten_ns = self.last.remove(0).interval.end_ns;
            }
        }
        verdict
    }

    fn judge(&self, interval: Interval, print: u32) -> Verdict {
        let Interval { start_ns, end_ns } = interval;
        if let Some(same) = self.last.iter().find(|c| c.interval == interval) {
            return if same.print == print { Verdict::Repeated } else { Verdict::Overlapping };
        }
        if end_ns <= self.forgotten_ns {
            return Verdict::Late;
        }
        let cut = |c: &Counted| start_ns < c.interval.end_ns && c.interval.start_ns < end_ns;
        if start_ns < self.forgotten_ns || self.last.iter().any(cut) {
            return Verdict::Overlapping;
        }
        Verdict::Counted
    }

    /// The one that ended last.
    pub(super) fn newest(&self) -> Option<Interval> {
        self.last.last().map(|c| c.interval)
    }

    /// ```text
    /// signed end of what is forgotten, varint intervals, then of each:
    ///   signed distance of its end from the one before, varint length, both in nanoseconds, u32 print
    /// ```
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        varint::put_signed(out, self.forgotten_ns);
        varint::put(out, self.last.len() as u64);
        let mut before = self.forgotten_ns;
        for Counted { interval, print } in &self.last {
            varint::put_signed(out, interval.end_ns.wrapping_sub(before));
            varint::put(out, interval.end_ns.wrapping_sub(interval.start_ns) as u64);
            out.extend_from_slice(&print.to_le_bytes());
            before = interval.end_ns;
        }
    }

    pub(super) fn decode(input: &mut &[u8]) -> Option<Self> {
        let forgotten_ns = varint::take_signed(input)?;
        let count = usize::try_from(varint::take(input)?).ok().filter(|n| *n <= REMEMBERED)?;
        let (mut last, mut end_ns) = (Vec::with_capacity(count), forgotten_ns);
        for _ in 0..count {
            end_ns = end_ns.wrapping_add(varint::take_signed(input)?);
            let start_ns = end_ns.wrapping_sub(varint::take(input)? as i64);
            let print = u32::from_le_bytes(varint::take_bytes(input, 4)?.try_into().ok()?);
            last.push(Counted { interval: Interval { start_ns, end_ns }, print });
        }
        Some(Self { forgotten_ns, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start_ns: i64, end_ns: i64) -> Interval {
        Interval { start_ns, end_ns }
    }

    #[test]
    fn intervals_are_judged_by_what_was_counted() {
        let mut i = Intervals::default();
        for (start, end, print, want) in [
            (10, 20, 1, Verdict::Counted),
            (10, 20, 1, Verdict::Repeated),
            (10, 20, 2, Verdict::Overlapping),
            (15, 25, 1, Verdict::Overlapping),
            (10, 30, 1, Verdict::Overlapping),
            (12, 18, 1, Verdict::Overlapping),
            (30, 40, 1, Verdict::Counted),
            (20, 30, 1, Verdict::Counted),
            (5, 10, 1, Verdict::Counted),
            (5, 40, 1, Verdict::Overlapping),
        ] {
            assert_eq!(i.take(interval(start, end), print), want, "{start} to {end}");
        }
        for n in 4..9 {
            assert_eq!(i.take(interval(n * 10, n * 10 + 10), 1), Verdict::Counted);
        }
        // (5, 10) is forgotten now
        assert_eq!(i.take(interval(5, 10), 1), Verdict::Late);
        assert_eq!(i.take(interval(0, 4), 1), Verdict::Late);
        assert_eq!(i.take(interval(8, 12), 1), Verdict::Overlapping);
        assert_eq!(i.take(interval(10, 20), 1), Verdict::Repeated);
        assert_eq!(i.newest(), Some(interval(80, 90)));
    }
}
