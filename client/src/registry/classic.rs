use super::cells::Cell;
use super::native::NativeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Most bounds of a histogram with fixed buckets: each is a series at the node.
const MOST_BOUNDS: usize = 100;

/// Bounds for durations in seconds, from a cache hit to an agent that works for an hour.
pub const DURATION_BUCKETS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// The buckets that a histogram has.
#[derive(Clone, Debug, PartialEq)]
pub enum Buckets {
    /// Fixed upper bounds, ascending, without +Inf; each bucket is a series of its own.
    Classic(Vec<f64>),
    /// Exponential buckets in one series, `2^(2^-schema)` wide (schema -4 to 8, 3 is 9 % wide). When there would be
    /// more than 160, all become twice as wide.
    Native {
        /// The finest resolution.
        schema: i32,
    },
}

impl Default for Buckets {
    fn default() -> Self {
        Self::Native { schema: 3 }
    }
}

impl Buckets {
    /// [`DURATION_BUCKETS`].
    pub fn durations() -> Self {
        Self::Classic(DURATION_BUCKETS.to_vec())
    }

    /// `count` bounds from `first` on, each `factor` times the one before.
    pub fn exponential(first: f64, factor: f64, count: usize) -> Self {
        let next = |bound: &f64| Some(bound * factor);
        Self::Classic(std::iter::successors(Some(first), next).take(count.min(MOST_BOUNDS)).collect())
    }

    /// Why no histogram can have these buckets.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::Classic(bounds) if bounds.len() > MOST_BOUNDS => {
                Some(format!("{} buckets are more than {MOST_BOUNDS}: use a native histogram", bounds.len()))
            }
            Self::Classic(bounds) if bounds.iter().any(|b| !b.is_finite()) => {
                Some("a bucket's bound is not a finite number (+Inf is there by itself)".into())
            }
            Self::Classic(bounds) if bounds.windows(2).any(|w| w[0] >= w[1]) => {
                Some("the bounds of the buckets are not ascending".into())
            }
            Self::Native { schema } if !(-4..=8).contains(schema) => {
                Some(format!("schema {schema} of a native histogram is not in -4..=8"))
            }
            _ => None,
        }
    }
}

/// A distribution: durations, sizes. Memory is bounded by its buckets however much it observes. Clones observe into
/// the same series.
#[derive(Clone, Debug)]
pub struct Histogram(pub(super) HistogramCell);

#[derive(Clone, Debug)]
pub(super) enum HistogramCell {
    Classic(Arc<ClassicCell>),
    Native(Arc<NativeCell>),
}

impl Histogram {
    /// Counts `value`. NaN is passed over.
    pub fn observe(&self, value: f64) {
        self.observe_many(value, 1);
    }

    /// Counts `value` `times` times.
    pub fn observe_many(&self, value: f64, times: u64) {
        if value.is_nan() || times == 0 {
            return;
        }
        match &self.0 {
            HistogramCell::Classic(cell) => cell.observe(value, times),
            HistogramCell::Native(cell) => cell.observe(value, times),
        }
    }

    /// Counts a duration in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }
}

#[derive(Debug)]
pub(super) struct ClassicCell {
    bounds: Arc<[f64]>,
    /// One more than there are bounds: the last is for what is above all of them.
    counts: Box<[AtomicU64]>,
    sum: Cell,
}

/// What a histogram with fixed buckets has counted; counts are of each bucket alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassicCounts {
    pub bounds: Arc<[f64]>,
    pub counts: Vec<f64>,
    pub sum: f64,
}

impl ClassicCell {
    pub fn new(bounds: &[f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds: bounds.into(), counts, sum: Cell::default() }
    }

    fn observe(&self, value: f64, times: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(times, Relaxed);
        self.sum.add(value * times as f64);
    }

    pub fn read(&self) -> ClassicCounts {
        let counts = self.counts.iter().map(|n| n.load(Relaxed) as f64).collect();
        ClassicCounts { bounds: Arc::clone(&self.bounds), counts, sum: self.sum.get() }
    }
}

impl ClassicCounts {
    pub fn zero(bounds: &Arc<[f64]>) -> Self {
        Self { bounds: Arc::clone(bounds), counts: vec![0.0; bounds.len() + 1], sum: 0.0 }
    }

    pub fn count(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// Adds `other`, times `sign`; histograms with other bounds have nothing in common and are left alone.
    pub fn add(&mut self, other: &Self, sign: f64) {
        if self.bounds == other.bounds {
            self.sum += sign * other.sum;
            for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
                *mine += sign * theirs;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_the_bucket_below() {
        let cell = ClassicCell::new(&[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 2.0, 2.5, f64::INFINITY, -3.0] {
            cell.observe(value, 1);
        }
        assert_eq!(cell.read().counts, [3.0, 2.0, 2.0]);
    }

    #[test]
    fn buckets_that_no_histogram_can_have_are_told() {
        let faulty = [
            Buckets::Classic(vec![1.0, 1.0]),
            Buckets::Classic(vec![1.0, f64::INFINITY]),
            Buckets::Classic((0..200).map(f64::from).collect()),
            Buckets::Native { schema: 9 },
        ];
        for buckets in faulty {
            assert!(buckets.fault().is_some(), "{buckets:?}");
        }
        for buckets in [Buckets::default(), Buckets::durations(), Buckets::exponential(1.0, 4.0, 14)] {
            assert_eq!(buckets.fault(), None);
        }
    }
}
