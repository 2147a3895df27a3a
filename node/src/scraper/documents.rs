//! The documents that say what is scraped: one that was applied, and those that nodes read from their files.
//!
//! All lie in the ownership state, so that every node has them. Where two have a job of the same name the one that
//! was changed last holds: a file that is rolled out to one node after another.

use super::Parts;
use plimsoll_model::{Epoch, NodeId};
use plimsoll_ownership::{Action, NodeState};
use plimsoll_scrape::{Config, Job, parse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Where the documents lie in the ownership state.
pub const NAMESPACE: &str = "scrape";
/// Key of the document that was applied over the API.
pub const APPLIED: &str = "applied";
/// Keys of documents that nodes read from files begin like this; the node's number follows.
const FILE: &str = "file/";

/// A document as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The YAML.
    pub text: String,
    /// Where relative paths in it start.
    pub base: String,
}

impl Document {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        // two texts always become JSON
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What it says, with paths made absolute.
    pub fn read(&self) -> Result<Config, String> {
        let mut config = parse(&self.text)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        config.rebase(Path::new(&self.base));
        Ok(config)
    }
}

/// The documents as they were read last.
#[derive(Default)]
pub(super) struct Documents {
    read: BTreeMap<String, (Epoch, Config)>,
}

impl Documents {
    /// Reads what has changed; whether anything has.
    pub fn refresh(&mut self, parts: &Parts) -> bool {
        let held: BTreeMap<String, Epoch> = parts.shards.cluster().read(|state| {
            let gone = |key: &str| {
                let node = key.strip_prefix(FILE).and_then(|n| n.parse().ok()).map(NodeId);
                let node = node.and_then(|id| state.node(id));
                node.is_some_and(|n| n.state == NodeState::Removed)
            };
            let all = state.values(NAMESPACE).filter(|(key, _)| !gone(key));
            all.map(|(key, value)| (key.to_owned(), value.epoch)).collect()
        });
        let before = self.read.len();
        self.read.retain(|key, _| held.contains_key(key));
        let mut changed = self.read.len() != before;
        for (key, epoch) in held {
            if self.read.get(&key).is_some_and(|(known, _)| *known == epoch) {
                continue;
            }
            changed = true;
            let bytes = parts.shards.cluster().read(|s| s.value(NAMESPACE, &key).map(|v| v.bytes.clone()));
            let document: Document = serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default();
            match document.read() {
                Ok(config) => drop(self.read.insert(key, (epoch, config))),
                // of a newer version of the program, say: what was read before goes on
                Err(e) => {
                    tracing::warn!(key, error = e, "a scrape configuration cannot be used");
                    let (_, config) = self.read.remove(&key).unwrap_or_default();
                    self.read.insert(key, (epoch, config));
                }
            }
        }
        changed
    }

    /// The jobs that hold, by name.
    pub fn jobs(&self) -> BTreeMap<String, Job> {
        let mut newest: Vec<&(Epoch, Config)> = self.read.values().collect();
        newest.sort_by_key(|(epoch, _)| *epoch);
        let jobs = newest.into_iter().flat_map(|(_, config)| &config.jobs);
        jobs.map(|job| (job.name.clone(), job.clone())).collect()
    }
}

/// This node's own file.
#[derive(Default)]
pub(super) struct LocalFile {
    seen: Option<(SystemTime, u64)>,
    /// The last reading was not handed to the cluster.
    again: bool,
}

impl LocalFile {
    /// Hands a changed file to the cluster. Without a file, takes an earlier one back.
    pub async fn publish(&mut self, parts: &Arc<Parts>) {
        let key = format!("{FILE}{}", parts.shards.node().0);
        let Some(path) = parts.settings.config_file.clone() else {
            let there = parts.shards.cluster().read(|s| s.value(NAMESPACE, &key).is_some());
            if there {
                self.put(parts, key, None).await;
            }
            return;
        };
        let Ok(about) = tokio::fs::metadata(&path).await else {
            if self.seen.take().is_some() || !self.again {
                tracing::warn!(path = %path.display(), "scrape.config_file cannot be read; what was read before goes on");
                self.again = true;
            }
            metrics::gauge!("plimsoll_scrape_config_file_ok").set(0.0);
            return;
        };
        let seen = (about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len());
        if self.seen == Some(seen) && !self.again {
            return;
        }
        self.seen = Some(seen);
        self.again = false;
        match read_file(&path).await {
            Ok(document) => {
                metrics::gauge!("plimsoll_scrape_config_file_ok").set(1.0);
                let bytes = document.encode();
                let same = parts
                    .shards
                    .cluster()
                    .read(|s| s.value(NAMESPACE, &key).is_some_and(|value| value.bytes == bytes));
                if !same {
                    tracing::info!(path = %path.display(), "a scrape configuration is taken up");
                    self.put(parts, key, Some(bytes)).await;
                }
            }
            Err(e) => {
                metrics::gauge!("plimsoll_scrape_config_file_ok").set(0.0);
                tracing::error!(path = %path.display(), error = e, "scrape.config_file cannot be used; what was read before goes on");
            }
        }
    }

    async fn put(&mut self, parts: &Parts, key: String, value: Option<Vec<u8>>) {
        let author = parts.shards.node().to_string();
        let action = Action::Put { namespace: NAMESPACE.to_owned(), key, value, seen: None };
        if let Err(e) = parts.shards.cluster().change(&author, action).await {
            tracing::debug!(error = %e, "a scrape configuration is handed to the cluster again");
            self.again = true;
        }
    }
}

async fn read_file(path: &Path) -> Result<Document, String> {
    let text = tokio::fs::read_to_string(path).await.map_err(|e| e.to_string())?;
    let whole = std::path::absolute(path).map_err(|e| e.to_string())?;
    let base = whole.parent().map_or_else(PathBuf::new, Path::to_owned).display().to_string();
    let document = Document { text, base };
    document.read()?;
    Ok(document)
}
