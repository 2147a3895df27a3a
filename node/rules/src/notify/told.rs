//! An alert as it is told to the one who tells people.

use plimsoll_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::Xxh3;

/// An alert that fires or is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Its labels, with `alertname` and those of the cluster.
    pub labels: BTreeMap<String, String>,
    /// Texts for people.
    pub annotations: BTreeMap<String, String>,
    /// Since when it fires.
    pub starts_at: Timestamp,
    /// When it was over, or, of one that fires, when it is taken to be over unless it is told again.
    pub ends_at: Timestamp,
    /// When it was told.
    pub updated_at: Timestamp,
    /// Where its expression can be looked at.
    pub generator_url: String,
}

impl Told {
    /// Whether it is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }

    /// Stands for its labels.
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.labels)
    }
}

/// A number that stands for labels, the same on every node.
pub fn fingerprint(labels: &BTreeMap<String, String>) -> u64 {
    let mut hash = Xxh3::new();
    for (name, value) in labels {
        hash.update(name.as_bytes());
        hash.update(&[0xff]);
        hash.update(value.as_bytes());
        hash.update(&[0xff]);
    }
    hash.digest()
}
