use plimsoll_model::{Histogram, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A sample that came out of order.
#[derive(Clone, Debug)]
pub(crate) enum LateValue {
    Float(f64),
    Histogram(Arc<Histogram>),
}

/// Late samples of one series by time; the one that came last wins.
pub(crate) type LateSamples = BTreeMap<Timestamp, LateValue>;

impl LateValue {
    /// Whether the two are the same to the bit.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Histogram(a), Self::Histogram(b)) => {
                let bytes = |h: &Histogram| {
                    let mut out = Vec::new();
                    h.encode(&mut out);
                    out
                };
                bytes(a) == bytes(b)
            }
            _ => false,
        }
    }
}
