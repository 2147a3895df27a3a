use crate::Histogram;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Milliseconds since the Unix epoch.
pub type Timestamp = i64;

/// The bits of Prometheus' stale marker: a series ended here. Any other NaN is a value.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a value.
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether `v` is the stale marker.
#[inline]
pub fn is_stale(v: f64) -> bool {
    v.to_bits() == STALE_NAN_BITS
}

/// Timestamps from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// First timestamp that belongs to the range.
    pub start: Timestamp,
    /// Last timestamp that belongs to the range.
    pub end: Timestamp,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { start: Timestamp::MIN, end: Timestamp::MAX };

    /// Whether `t` lies inside.
    pub fn contains(&self, t: Timestamp) -> bool {
        self.start <= t && t <= self.end
    }

    /// Whether the two share a timestamp.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// Float samples in time order, no timestamp twice.
///
/// Series scraped together share the allocation of `timestamps`: equal `Arc` pointers mean equal columns,
/// so that windows are computed once for all of them.
#[derive(Clone, Debug, Default)]
pub struct FloatColumn {
    /// Ascending, unique.
    pub timestamps: Arc<Vec<Timestamp>>,
    /// As long as `timestamps`; may hold stale markers.
    pub values: Vec<f64>,
}

/// Decoded samples of one series. A timestamp has a float or a histogram, never both.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// The float samples.
    pub floats: FloatColumn,
    /// The native-histogram samples, in time order.
    pub histograms: Vec<(Timestamp, Arc<Histogram>)>,
}

impl Samples {
    /// Number of samples of both kinds.
    pub fn len(&self) -> usize {
        self.floats.values.len() + self.histograms.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
