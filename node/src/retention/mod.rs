//! How long samples are kept, and what is deleted before its time.
//!
//! Owns: the rules of retention and the jobs of deletion, both documents of the ownership state; which deletions follow
//! from them; the loop that carries jobs through.
//! Does not own: what a deletion does to a shard (`plimsoll-storage`), when a shard looks for what has expired (`shard`).
//!
//! Invariant: a job deletes once in every shard, however often it is repeated: the shard remembers its number.

mod jobs;
mod rules;

pub use jobs::{Job, JobError, create, keep, list};
pub use rules::{Class, Document, NAMESPACE, Policy, RULES_KEY, Rule};

use crate::cluster::Cluster;
use parking_lot::RwLock;
use plimsoll_model::Epoch;
use std::sync::Arc;

/// The rules that hold. Cheap to clone; a look pays for a comparison of epochs.
#[derive(Clone)]
pub struct Retention(Arc<Inner>);

struct Inner {
    default_ms: i64,
    cluster: Cluster,
    seen: RwLock<Option<(Epoch, Arc<Policy>)>>,
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.policy().fmt(f)
    }
}

impl Retention {
    /// The rules of `cluster`; what no rule names is kept for `default_ms`.
    pub fn new(cluster: Cluster, default_ms: i64) -> Self {
        Self(Arc::new(Inner { default_ms, cluster, seen: RwLock::default() }))
    }

    /// What is kept for how long if no rule names it.
    pub fn default_ms(&self) -> i64 {
        self.0.default_ms
    }

    /// The rules as of now.
    pub fn policy(&self) -> Arc<Policy> {
        let inner = &*self.0;
        let epoch = inner.cluster.read(|s| s.epoch());
        if let Some((seen, policy)) = &*inner.seen.read()
            && *seen == epoch
        {
            return policy.clone();
        }
        let (epoch, bytes) =
            inner.cluster.read(|s| (s.epoch(), s.value(NAMESPACE, RULES_KEY).map(|v| v.bytes.clone())));
        let policy = match bytes.map(|b| Document::read(&b)) {
            None => Policy::new(inner.default_ms, &Document::default()),
            Some(document) => document.and_then(|d| Policy::new(inner.default_ms, &d)),
        };
        let policy = Arc::new(policy.unwrap_or_else(|e| {
            tracing::error!(error = %e, "the rules of retention cannot be read; nothing expires until they can");
            Policy::forever()
        }));
        *inner.seen.write() = Some((epoch, policy.clone()));
        policy
    }
}
