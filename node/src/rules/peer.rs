//! What nodes tell each other of rules and alerts.

use super::{GroupStatus, Rules, status};
use crate::peer::Kind;
use bytes::Bytes;
use plimsoll_model::{NodeId, ShardId};
use plimsoll_rules::notify::Told;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is done once in the cluster under this name: tell people.
pub(super) const DISPATCH: &str = "alerts/dispatch";
/// How long a node may take to tell how its groups are.
const STATUS_LIMIT: Duration = Duration::from_secs(3);

/// A message to another node.
#[derive(Serialize, Deserialize)]
pub(super) enum Message {
    /// These alerts fire or are over; answered with the number of the dispatcher's life.
    Push(Vec<Told>),
    /// How are your groups; answered with their JSON by key.
    Status,
    /// What is told to whom at present; answered with JSON.
    Dispatch,
}

/// The node that tells people, as far as it is known.
pub(super) fn dispatcher_of(rules: &Rules) -> Option<NodeId> {
    let shards = &rules.0.shards;
    shards.leader(ShardId::of_key(DISPATCH, shards.count()))
}

/// Asks `node`, which may be this one.
pub(super) async fn call<T: DeserializeOwned>(
    rules: &Rules,
    node: NodeId,
    message: &Message,
) -> Result<T, String> {
    // plain data always encodes
    let body = Bytes::from(serde_json::to_vec(message).unwrap_or_default());
    let answer = if node == rules.0.shards.node() {
        rules.answer(&body).await
    } else {
        let called = rules.0.shards.peers().call(node, Kind::Rules, 0, body).await;
        called.map_err(|e| Bytes::from(e.to_string()))
    };
    let answer = answer.map_err(|e| String::from_utf8_lossy(&e).into_owned())?;
    serde_json::from_slice(&answer).map_err(|e| format!("{node} answers what cannot be read: {e}"))
}

impl Rules {
    /// Answers a message of a node.
    pub async fn answer(&self, body: &[u8]) -> Result<Bytes, Bytes> {
        let message: Message =
            serde_json::from_slice(body).map_err(|e| Bytes::from(format!("no message of rules: {e}")))?;
        let answer = match message {
            Message::Push(alerts) => {
                serde_json::to_vec(&self.0.dispatch.take(self, alerts).map_err(Bytes::from)?)
            }
            Message::Status => serde_json::to_vec(&self.own_status()),
            Message::Dispatch => serde_json::to_vec(&self.0.dispatch.show()),
        };
        answer.map(Bytes::from).map_err(|e| Bytes::from(e.to_string()))
    }

    /// The groups that this node evaluates, as JSON by key.
    fn own_status(&self) -> BTreeMap<String, Value> {
        let specs = self.specs();
        let running: Vec<(String, GroupStatus)> =
            self.0.running.read().iter().map(|(key, status)| (key.clone(), status.read().clone())).collect();
        let me = Some(self.0.shards.node().0);
        let json = |(key, group): (String, GroupStatus)| {
            let spec = specs.get(&key)?;
            Some((key, status::group_json(spec, self.interval_ms(spec), me, Some(&group))))
        };
        running.into_iter().filter_map(json).collect()
    }

    /// All groups of the cluster in order, as the nodes that evaluate them tell. A group of a node that does not answer is
    /// shown as never evaluated, with a warning.
    pub async fn status(&self) -> (Vec<Value>, Vec<String>) {
        let mut known = self.own_status();
        let shards = &self.0.shards;
        let others: Vec<NodeId> =
            shards.peers().known().into_iter().filter(|n| shards.cluster().view().is_alive(*n)).collect();
        let ask = |node: NodeId| async move {
            let asked = call::<BTreeMap<String, Value>>(self, node, &Message::Status);
            let answer = tokio::time::timeout(STATUS_LIMIT, asked).await;
            (node, answer.unwrap_or_else(|_| Err("no answer in time".to_owned())))
        };
        let mut warnings = Vec::new();
        for (node, answer) in futures::future::join_all(others.into_iter().map(ask)).await {
            match answer {
                // two nodes may tell of a group around a fail-over; the later evaluation counts
                Ok(groups) => {
                    for (key, group) in groups {
                        let newer = known.get(&key).is_none_or(|old| {
                            old["lastEvaluation"].as_str().unwrap_or_default()
                                < group["lastEvaluation"].as_str().unwrap_or_default()
                        });
                        if newer {
                            known.insert(key, group);
                        }
                    }
                }
                Err(e) => warnings.push(format!("{node} does not tell of its rules: {e}")),
            }
        }
        let specs = self.specs();
        let groups = specs.values().map(|spec| {
            known
                .remove(&spec.key)
                .unwrap_or_else(|| status::group_json(spec, self.interval_ms(spec), None, None))
        });
        (groups.collect(), warnings)
    }

    /// What is told to whom at present, as the dispatcher knows.
    pub async fn dispatch_status(&self) -> Result<Value, String> {
        let node = dispatcher_of(self).ok_or("nobody tells people at the moment; ask again in a second")?;
        let asked = call::<Value>(self, node, &Message::Dispatch);
        tokio::time::timeout(STATUS_LIMIT, asked)
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}
