//! What is to be evaluated: documents of the ownership state, so that every node knows all groups and any node can take
//! one over.

use crate::cluster::Cluster;
use plimsoll_ownership::Action;
use plimsoll_rules::evaluate::Compiled;
use plimsoll_rules::file;
use plimsoll_rules::rule::Group;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Documents of whole files, by path.
pub const RULE_FILES: &str = "rule-files";
/// Documents of groups that were put by the API, by name.
pub const RULE_GROUPS: &str = "rules";
/// The file that groups of the API are shown to be in.
pub const API_FILE: &str = "api";

/// A document: text and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDocument {
    /// YAML.
    pub text: String,
    /// The node that has the file; nothing for what was put by the API.
    pub node: Option<u64>,
}

/// A group that is to be evaluated.
#[derive(Clone, Debug)]
pub struct Spec {
    /// How the cluster names it: `file;name`.
    pub key: String,
    /// Its file, or [`API_FILE`].
    pub file: String,
    /// What it says.
    pub group: Arc<Group>,
    /// Its rules, ready to be evaluated.
    pub rules: Arc<Vec<Compiled>>,
}

/// The name of a group in the whole cluster, after which the node is found that evaluates it.
pub fn group_key(file: &str, group: &str) -> String {
    format!("{file};{group}")
}

impl GroupDocument {
    /// As it is kept.
    pub fn encode(&self) -> Vec<u8> {
        // plain data always encodes
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// As it was kept; nothing where the bytes are no document.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl Spec {
    fn new(file: &str, group: Group) -> Self {
        let rules = Arc::new(group.rules.iter().cloned().map(Compiled::new).collect());
        Self { key: group_key(file, &group.name), file: file.to_owned(), group: Arc::new(group), rules }
    }
}

/// All groups of the cluster. A document that cannot be read any more (it was checked when it was put) is told and left.
pub(super) fn read(cluster: &Cluster, before: &BTreeMap<String, Spec>) -> BTreeMap<String, Spec> {
    let documents = |namespace: &'static str| {
        cluster.read(|state| {
            let all = state.values(namespace);
            all.map(|(key, value)| (key.to_owned(), GroupDocument::decode(&value.bytes))).collect::<Vec<_>>()
        })
    };
    let mut out = BTreeMap::new();
    let mut take = |file: &str, groups: Result<Vec<Group>, file::Error>, name: &str| match groups {
        Ok(groups) => {
            for group in groups {
                let key = group_key(file, &group.name);
                // what did not change is not compiled again
                let spec = match before.get(&key).filter(|known| *known.group == group) {
                    Some(known) => known.clone(),
                    None => Spec::new(file, group),
                };
                out.insert(key, spec);
            }
        }
        Err(e) => {
            metrics::counter!("plimsoll_rule_documents_refused_total").increment(1);
            tracing::warn!(document = name, error = %e, "rules of a document are not evaluated");
        }
    };
    for (path, document) in documents(RULE_FILES) {
        let Some(document) = document else { continue };
        take(&path, file::parse(&document.text), &path);
    }
    for (name, document) in documents(RULE_GROUPS) {
        let Some(document) = document else { continue };
        take(API_FILE, file::parse_group(&document.text).map(|group| vec![group]), &name);
    }
    out
}

/// Puts a document, or removes it.
pub(super) async fn put(
    cluster: &Cluster,
    author: &str,
    namespace: &str,
    key: &str,
    document: Option<&GroupDocument>,
) -> Result<(), crate::cluster::Error> {
    let value = document.map(GroupDocument::encode);
    let (namespace, key) = (namespace.to_owned(), key.to_owned());
    cluster.change(author, Action::Put { namespace, key, value, seen: None }).await.map(drop)
}
