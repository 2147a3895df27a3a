//! Increases: what a sender counted over an interval, where it does not add up itself (OpenTelemetry's "delta").

use crate::{Histogram, Timestamp};

/// From when to when something was counted, in nanoseconds since the epoch: senders' intervals are told apart by the
/// nanosecond, samples are kept by the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// First moment.
    pub start_ns: i64,
    /// First moment after it.
    pub end_ns: i64,
}

impl Interval {
    /// When its sample is dated.
    pub fn end(self) -> Timestamp {
        self.end_ns.div_euclid(1_000_000)
    }

    /// Where the count stood at zero: before the sample of the end, whatever the interval's length.
    pub fn start(self) -> Timestamp {
        self.start_ns.div_euclid(1_000_000).min(self.end().saturating_sub(1))
    }
}

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Increase {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Histogram),
}
