use super::chunk::{self, OpenHistograms, Sealer};
use super::late::LateValue;
use super::{Head, Series};
use crate::bucket::Bucket;
use plimsoll_model::{Histogram, SeriesRef, Timestamp};
use std::sync::Arc;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    /// Equal to one that is there: nothing was done.
    Duplicate,
    /// Took the place of a different one.
    Replaced,
    /// The series is not known: nothing was done.
    Unknown,
    /// Older than what has expired: nothing was done.
    Expired,
}

impl Series {
    fn newest(&self) -> Option<Timestamp> {
        let histogram = self.histograms.as_ref().and_then(|h| h.times.last().copied());
        let float = self.sampled.then(|| self.open.last());
        histogram.max(float)
    }

    /// Moves the open samples of both kinds into chunks.
    pub(super) fn seal(&mut self, sealer: &mut Sealer) {
        if !self.open.is_empty() {
            self.chunks.push(Arc::new(sealer.seal_open(&self.open)));
            self.open.clear();
        }
        if let Some(open) = self.histograms.take() {
            // The newest timestamp is kept where that of the floats is.
            let last = *open.times.last().expect("open histograms hold one at least");
            self.open.note(last);
            self.sampled = true;
            self.chunks.push(Arc::new(sealer.seal_records(&open.times, &open.records)));
        }
    }
}

impl Head {
    /// Reads from each series what the next append needs. The reads do not wait for each other, the appends would:
    /// most of an append's time is the way to memory.
    pub(crate) fn touch(&self, series: impl Iterator<Item = SeriesRef>) {
        let read = |r| self.series.get(r).map_or(0, |s: &Series| s.open.touch());
        std::hint::black_box(series.map(read).fold(0, |a, b| a ^ b));
    }

    /// Takes a float sample in.
    #[inline]
    pub(crate) fn float(&mut self, r: SeriesRef, at: Timestamp, v: f64) -> Outcome {
        let Some(s) = self.series.get_mut(r) else { return self.unknown() };
        let in_order = !s.open.is_empty()
            && at > s.open.last()
            && !s.open.is_full()
            && s.bucket == self.day.of(at)
            && s.histograms.is_none()
            && at >= self.expired_before;
        if in_order {
            s.open.push(at, v);
            self.counters.stored += 1;
            return Outcome::Stored;
        }
        let outcome = if at < self.expired_before { Outcome::Expired } else { self.float_aside(r, at, v) };
        self.count(outcome);
        outcome
    }

    /// Takes a histogram sample in.
    pub(crate) fn histogram(&mut self, r: SeriesRef, at: Timestamp, h: Arc<Histogram>) -> Outcome {
        let Self { series, sealer, expired_before, .. } = self;
        let Some(s) = series.get_mut(r) else { return self.unknown() };
        let outcome = if at < *expired_before {
            Outcome::Expired
        } else if s.newest().is_some_and(|newest| at <= newest) {
            self.take_late(r, at, LateValue::Histogram(h))
        } else {
            let full = s.histograms.as_ref().is_some_and(|o| o.is_full());
            let begins = s.histograms.is_none() || full || s.bucket != Bucket::of(at).0;
            if begins {
                s.seal(sealer);
                s.bucket = Bucket::of(at).0;
            }
            s.histograms.get_or_insert_with(|| Box::new(OpenHistograms::default())).push(at, h);
            if begins {
                self.activate(r, at);
            }
            Outcome::Stored
        };
        self.count(outcome);
        outcome
    }

    fn unknown(&mut self) -> Outcome {
        self.counters.unknown += 1;
        Outcome::Unknown
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.counters.stored += 1,
            Outcome::Duplicate => self.counters.duplicates += 1,
            Outcome::Replaced => {
                self.counters.stored += 1;
                self.counters.replaced += 1;
            }
            Outcome::Expired => self.counters.expired += 1,
            Outcome::Unknown => {}
        }
    }

    /// A float that does not simply go behind the last one.
    #[cold]
    fn float_aside(&mut self, r: SeriesRef, at: Timestamp, v: f64) -> Outcome {
        let Self { series, sealer, .. } = self;
        let s = series.get_mut(r).expect("the caller found the series");
        if s.newest().is_none_or(|newest| at > newest) {
            s.seal(sealer);
            s.bucket = Bucket::of(at).0;
            s.open.push(at, v);
            s.sampled = true;
            self.activate(r, at);
            return Outcome::Stored;
        }
        // A sample sent again is the usual case, so it is looked for first, where it most likely is.
        if !s.open.is_empty() && at == s.open.last() && v.to_bits() == s.open.last_bits() {
            return Outcome::Duplicate;
        }
        let within = !s.open.is_empty() && s.histograms.is_none() && at >= s.open.first();
        if within && !s.open.is_full() {
            let found =
                chunk::insert_into(&mut s.open, at, v).expect("the stream was written by this process");
            return match found {
                Some(bits) if bits == v.to_bits() => Outcome::Duplicate,
                Some(_) => Outcome::Replaced,
                None => {
                    self.counters.out_of_order += 1;
                    Outcome::Stored
                }
            };
        }
        self.take_late(r, at, LateValue::Float(v))
    }

    /// A sample that is older than the newest and does not fit into the open stream.
    fn take_late(&mut self, r: SeriesRef, at: Timestamp, value: LateValue) -> Outcome {
        let Self { series, sealer, late, .. } = self;
        let s = series.get_mut(r).expect("the caller found the series");
        // Late ones lie before all open ones (see the module's invariant).
        let opens = [
            (!s.open.is_empty()).then(|| s.open.first()),
            s.histograms.as_ref().and_then(|h| h.times.first().copied()),
        ];
        let reaches_open = opens.into_iter().flatten().any(|first| at >= first);
        if reaches_open {
            if let Some(found) = s.histograms.as_ref().and_then(|h| h.find(at))
                && LateValue::Histogram(found).is(&value)
            {
                return Outcome::Duplicate;
            }
            s.seal(sealer);
        }
        let known = late.get(&r).and_then(|l| l.get(&at)).cloned();
        let known = known.or_else(|| s.chunks.iter().rev().find_map(|c| c.find(at, &mut sealer.scratch)));
        if known.as_ref().is_some_and(|k| k.is(&value)) {
            return Outcome::Duplicate;
        }
        late.entry(r).or_default().insert(at, value);
        self.counters.out_of_order += 1;
        self.activate(r, at);
        if known.is_some() { Outcome::Replaced } else { Outcome::Stored }
    }

    /// Counts series that were defined without a sample to the newest bucket, so that their refs are durable and
    /// expire some day. Done with the definition and not with a checkpoint: what expires must follow from the log.
    pub(crate) fn date_the_undated(&mut self) {
        let newest = self.active.keys().next_back().copied();
        let oldest_kept = (self.expired_before > Timestamp::MIN).then(|| Bucket::of(self.expired_before));
        let bucket = newest.max(oldest_kept).unwrap_or(Bucket(0));
        for r in std::mem::take(&mut self.undated) {
            self.active.entry(bucket).or_default().insert(r);
            self.fresh.entry(bucket).or_default().insert(r);
        }
    }

    /// Notes that the series has a sample in the bucket of `at`.
    fn activate(&mut self, r: SeriesRef, at: Timestamp) {
        let bucket = Bucket::of(at);
        if self.active.entry(bucket).or_default().insert(r.0) {
            self.fresh.entry(bucket).or_default().insert(r.0);
        }
        self.undated.remove(r.0);
    }
}
