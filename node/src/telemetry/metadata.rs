use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Metrics whose metadata is kept; more come and go with the label values that senders invent.
const METRICS: usize = 20_000;
/// Bytes of one help text.
const HELP_BYTES: usize = 1024;

/// Type, unit and help of metrics, as senders declare them.
#[derive(Default)]
pub struct Metadata(RwLock<BTreeMap<String, Entry>>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    help: String,
    unit: String,
}

impl Metadata {
    /// Remembers what a sender says of `metric`. Beyond the bound new metrics are left out.
    pub fn put(&self, metric: &str, kind: &str, help: &str, unit: &str) {
        let mut end = help.len().min(HELP_BYTES);
        while !help.is_char_boundary(end) {
            end -= 1;
        }
        let known = self
            .0
            .read()
            .get(metric)
            .is_some_and(|e| e.kind == kind && e.unit == unit && e.help == help[..end]);
        if known {
            return;
        }
        let entry = Entry { kind: kind.to_owned(), help: help[..end].to_owned(), unit: unit.to_owned() };
        let mut all = self.0.write();
        if all.len() < METRICS || all.contains_key(metric) {
            all.insert(metric.to_owned(), entry);
        }
    }

    /// Metadata of one metric or of all, in the shape of `/api/v1/metadata`.
    pub fn list(&self, metric: Option<&str>, limit: usize) -> BTreeMap<String, serde_json::Value> {
        let all = self.0.read();
        let wanted = all.iter().filter(|(name, _)| metric.is_none_or(|m| m == *name)).take(limit);
        wanted.map(|(name, entry)| (name.clone(), serde_json::json!([entry]))).collect()
    }

    /// Adds what another node knows and this one does not. Bytes that cannot be read add nothing.
    pub fn merge(&self, saved: &[u8]) {
        let Ok(others) = serde_json::from_slice::<BTreeMap<String, Entry>>(saved) else { return };
        let mut all = self.0.write();
        for (metric, entry) in others {
            if all.len() < METRICS {
                all.entry(metric).or_insert(entry);
            }
        }
    }

    /// The bytes that [`Metadata::load`] reads.
    pub fn save(&self) -> Vec<u8> {
        serde_json::to_vec(&*self.0.read()).unwrap_or_default()
    }

    /// Takes what was saved before the node was stopped; bytes that cannot be read are left aside.
    pub fn load(&self, bytes: &[u8]) {
        match serde_json::from_slice(bytes) {
            Ok(saved) => *self.0.write() = saved,
            Err(e) => {
                tracing::warn!(error = %e, "saved metadata cannot be read; it comes back with the senders")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_back_and_is_bounded() {
        let m = Metadata::default();
        m.put("up", "gauge", &"é".repeat(HELP_BYTES), "");
        let other = Metadata::default();
        other.load(&m.save());
        assert_eq!(m.list(None, 10), other.list(Some("up"), 10));
        for i in 0..METRICS + 10 {
            m.put(&format!("m{i}"), "counter", "", "");
        }
        assert_eq!(m.list(None, usize::MAX).len(), METRICS);
    }
}
