//! Routes, receivers and silences: documents of the ownership state.

use crate::cluster::{Cluster, Error};
use plimsoll_ownership::Action;
use plimsoll_rules::notify::{Config, Silence};
use serde_json::Value;
use std::sync::Arc;

/// Documents about telling people.
pub const NOTIFICATIONS: &str = "notifications";
/// The document with routes and receivers.
pub const CONFIG_KEY: &str = "config";
/// Documents of silences, by id.
pub const SILENCES: &str = "silences";

/// What holds when nobody has said where alerts go: they are in the log of the node that dispatches.
const DEFAULT: &str = r#"{"route": {"receiver": "log", "group_by": ["alertname"]}, "receivers": [{"name": "log", "log_configs": [{}]}]}"#;

/// The configuration as it was put, as JSON.
pub fn kept(cluster: &Cluster) -> Option<Value> {
    cluster.read(|state| serde_json::from_slice(&state.value(NOTIFICATIONS, CONFIG_KEY)?.bytes).ok())
}

/// The configuration that holds.
pub(super) fn read(cluster: &Cluster) -> Arc<Config> {
    let text = kept(cluster).map_or_else(|| DEFAULT.to_owned(), |value| value.to_string());
    let config = Config::parse(&text).or_else(|e| {
        tracing::error!(error = %e, "the configuration of notifications cannot be read; alerts go to the log");
        Config::parse(DEFAULT)
    });
    Arc::new(config.expect("the default configuration is good: a test reads it"))
}

/// The configuration that holds by default, as JSON.
pub fn default() -> Value {
    serde_json::from_str(DEFAULT).unwrap_or_default()
}

/// All silences.
pub fn silences(cluster: &Cluster) -> Vec<Silence> {
    cluster.read(|state| {
        state.values(SILENCES).filter_map(|(_, value)| serde_json::from_slice(&value.bytes).ok()).collect()
    })
}

/// Keeps a document about telling people, or removes it.
pub async fn put(
    cluster: &Cluster,
    author: &str,
    namespace: &str,
    key: &str,
    value: Option<Vec<u8>>,
) -> Result<(), Error> {
    let (namespace, key) = (namespace.to_owned(), key.to_owned());
    cluster.change(author, Action::Put { namespace, key, value, seen: None }).await.map(drop)
}

pub(super) async fn forget_silence(cluster: &Cluster, id: &str) {
    let author = format!("node {}", cluster.node_id().0);
    if let Err(e) = put(cluster, &author, SILENCES, id, None).await {
        tracing::debug!(error = %e, "an old silence is still there");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_default_configuration_is_good() {
        assert!(plimsoll_rules::notify::Config::parse(super::DEFAULT).is_ok());
        assert!(super::default().is_object());
    }
}
