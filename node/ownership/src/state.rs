//! The replicated state and how commands change it.

use crate::cluster::{Change, ClusterId, Node, NodeState, Shard, Value};
use crate::command::{Action, Command, Refusal, Reply};
use plimsoll_model::{Epoch, NodeId, ShardId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Changes remembered; enough for weeks of a quiet cluster, a few hundred KB at most.
const CHANGES: usize = 2000;
const MAX_SHARDS: u16 = 256;
const MAX_REPLICATION: u8 = 7;
const MAX_NODES: usize = 10_000;
const MAX_SETTINGS: usize = 1000;
const MAX_VALUES: usize = 100_000;
const MAX_NAME_BYTES: usize = 512;
const MAX_VALUE_BYTES: usize = 4 << 20;

/// Everything that the ownership group replicates. Equal commands in equal order make equal states.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    cluster: Option<ClusterId>,
    epoch: Epoch,
    replication: u8,
    /// Numbers up to here were given out.
    last_node: u64,
    nodes: BTreeMap<NodeId, Node>,
    shards: Vec<Shard>,
    settings: BTreeMap<String, String>,
    values: BTreeMap<String, BTreeMap<String, Value>>,
    changes: VecDeque<Change>,
}

/// What an accepted command did: what to write into the history, or nothing if nothing changed.
type Applied = Result<Option<String>, Refusal>;

impl State {
    /// The cluster's id, once it is founded.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// Counts the changes so far.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Replicas that a shard should have once there are enough nodes.
    pub fn replication(&self) -> u8 {
        self.replication
    }

    /// Every node that was ever registered, by number.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The node of this number.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// All shards, in order of their ranges.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shard that holds series of this hash.
    pub fn shard_of(&self, hash: u64) -> Option<&Shard> {
        let shards = u16::try_from(self.shards.len()).ok().filter(|shards| *shards > 0)?;
        self.shards.get(usize::from(ShardId::of_hash(hash, shards).0))
    }

    /// A setting of the cluster.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// All settings of the cluster.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// A value of the general store.
    pub fn value(&self, namespace: &str, key: &str) -> Option<&Value> {
        self.values.get(namespace)?.get(key)
    }

    /// All values of a namespace, by key.
    pub fn values(&self, namespace: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.values.get(namespace).into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// The last changes, oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.iter()
    }

    /// Applies a command: all of it or, when refused, nothing.
    pub fn apply(&mut self, command: Command) -> Reply {
        let Command { author, at_ms, action } = command;
        let register = matches!(action, Action::Register { .. });
        let identity = if let Action::Register { identity, .. } = &action { Some(*identity) } else { None };
        match self.change(action) {
            Err(refusal) => return Reply::Refused(refusal),
            Ok(None) => {}
            Ok(Some(what)) => {
                self.epoch = self.next_epoch();
                let author = clipped(author);
                self.changes.push_back(Change { epoch: self.epoch, at_ms, author, what });
                while self.changes.len() > CHANGES {
                    self.changes.pop_front();
                }
            }
        }
        let node = self.nodes.values().find(|node| Some(node.identity) == identity).map(|node| node.id);
        match node.filter(|_| register) {
            Some(node) => Reply::Registered(node, self.epoch),
            None => Reply::Done(self.epoch),
        }
    }

    fn change(&mut self, action: Action) -> Applied {
        if let Action::Found { cluster, shards, replication } = action {
            return self.found(cluster, shards, replication);
        }
        if self.cluster.is_none() {
            return Err(Refusal::NotFounded);
        }
        match action {
            Action::Found { .. } => Ok(None),
            Action::Register { identity, peer_address, address, zone, version } => {
                self.register(identity, [peer_address, address, zone, version])
            }
            Action::SetNodeState { node, state } => self.set_node_state(node, state),
            Action::Place { shard, replicas, leader, seen } => self.place(shard, replicas, leader, seen),
            Action::SetReplication { replication } => self.set_replication(replication),
            Action::SetSetting { key, value } => self.set_setting(key, value),
            Action::Put { namespace, key, value, seen } => self.put(namespace, key, value, seen),
        }
    }

    fn next_epoch(&self) -> Epoch {
        Epoch(self.epoch.0 + 1)
    }

    fn found(&mut self, cluster: ClusterId, shards: u16, replication: u8) -> Applied {
        match self.cluster {
            Some(present) if present == cluster => return Ok(None),
            Some(present) => return Err(Refusal::AlreadyFounded(present)),
            None => {}
        }
        in_range("the number of shards", shards, 1, MAX_SHARDS)?;
        in_range("replication", u16::from(replication), 1, u16::from(MAX_REPLICATION))?;
        self.cluster = Some(cluster);
        self.replication = replication;
        let epoch = self.next_epoch();
        // The first hash of a range is the least one that `ShardId::of_hash` gives to the shard.
        let first = |shard: u16| (u128::from(shard) << 64).div_ceil(u128::from(shards));
        self.shards = (0..shards)
            .map(|shard| Shard {
                id: ShardId(shard),
                first_hash: first(shard) as u64,
                last_hash: (first(shard + 1) - 1) as u64,
                replicas: Vec::new(),
                leader: None,
                epoch,
            })
            .collect();
        Ok(Some(format!("cluster {cluster} founded with {shards} shards")))
    }

    fn register(&mut self, identity: u128, texts: [String; 4]) -> Applied {
        for (what, text) in ["the peer address", "the address", "the zone", "the version"].iter().zip(&texts)
        {
            short(what, text.len(), MAX_NAME_BYTES)?;
        }
        let [peer_address, address, zone, version] = texts;
        let epoch = self.next_epoch();
        if let Some(node) = self.nodes.values_mut().find(|node| node.identity == identity) {
            if node.state == NodeState::Removed {
                return Err(Refusal::NodeRemoved(node.id));
            }
            let known = Node { peer_address, address, zone, version, ..node.clone() };
            if *node == known {
                return Ok(None);
            }
            *node = known;
            return Ok(Some(format!("{} registered again from {}", node.id, node.peer_address)));
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(Refusal::TooMany { what: "nodes".to_owned(), limit: MAX_NODES as u64 });
        }
        self.last_node += 1;
        let id = NodeId(self.last_node);
        let what = format!("{id} registered from {peer_address}");
        let state = NodeState::Joining;
        self.nodes.insert(id, Node { id, identity, peer_address, address, zone, version, state, epoch });
        Ok(Some(what))
    }

    fn set_node_state(&mut self, id: NodeId, state: NodeState) -> Applied {
        let epoch = self.next_epoch();
        let shards = self.shards.iter().filter(|shard| shard.replicas.contains(&id)).count() as u32;
        let node = self.nodes.get_mut(&id).ok_or(Refusal::UnknownNode(id))?;
        if !node.state.may_become(state) {
            let (from, to) = (node.state.to_string(), state.to_string());
            return Err(Refusal::NodeState { node: id, from, to });
        }
        if state == NodeState::Removed && shards > 0 {
            return Err(Refusal::HoldsShards { node: id, shards });
        }
        if node.state == state {
            return Ok(None);
        }
        node.state = state;
        node.epoch = epoch;
        Ok(Some(format!("{id} is {state}")))
    }

    fn place(&mut self, id: ShardId, replicas: Vec<NodeId>, leader: Option<NodeId>, seen: Epoch) -> Applied {
        let epoch = self.next_epoch();
        let refused = |reason: String| Err(Refusal::Placement { shard: id, reason });
        let shard = self.shards.get_mut(usize::from(id.0)).ok_or(Refusal::UnknownShard(id))?;
        if shard.replicas == replicas && shard.leader == leader {
            return Ok(None);
        }
        if shard.epoch != seen {
            return Err(Refusal::Stale { seen: seen.0, now: shard.epoch.0 });
        }
        if replicas.is_empty() || replicas.len() > usize::from(MAX_REPLICATION) {
            return refused(format!("1 to {MAX_REPLICATION} replicas are needed"));
        }
        for (index, replica) in replicas.iter().enumerate() {
            let node = self.nodes.get(replica).ok_or(Refusal::UnknownNode(*replica))?;
            if replicas[..index].contains(replica) {
                return refused(format!("{replica} is named twice"));
            }
            // Others may keep what they have, but get nothing new.
            if node.state != NodeState::Active && !shard.replicas.contains(replica) {
                return refused(format!("{replica} is {}", node.state));
            }
        }
        if let Some(leader) = leader
            && !replicas.contains(&leader)
        {
            return refused(format!("{leader} should lead but holds no replica"));
        }
        let list: Vec<String> = replicas.iter().map(NodeId::to_string).collect();
        let led = leader.map_or(String::new(), |leader| format!(", led by {leader}"));
        let what = format!("{id} should be on {}{led}", list.join(" "));
        (shard.replicas, shard.leader, shard.epoch) = (replicas, leader, epoch);
        Ok(Some(what))
    }

    fn set_replication(&mut self, replication: u8) -> Applied {
        in_range("replication", u16::from(replication), 1, u16::from(MAX_REPLICATION))?;
        if self.replication == replication {
            return Ok(None);
        }
        self.replication = replication;
        Ok(Some(format!("shards should have {replication} replicas")))
    }

    fn set_setting(&mut self, key: String, value: Option<String>) -> Applied {
        short("the setting's name", key.len(), MAX_NAME_BYTES)?;
        short("the setting", value.as_ref().map_or(0, String::len), MAX_VALUE_BYTES)?;
        if self.settings.get(&key) == value.as_ref() {
            return Ok(None);
        }
        let Some(value) = value else {
            self.settings.remove(&key);
            return Ok(Some(format!("setting {key} removed")));
        };
        if !self.settings.contains_key(&key) && self.settings.len() >= MAX_SETTINGS {
            return Err(Refusal::TooMany { what: "settings".to_owned(), limit: MAX_SETTINGS as u64 });
        }
        let what = format!("setting {key} is {}", clipped(value.clone()));
        self.settings.insert(key, value);
        Ok(Some(what))
    }

    fn put(
        &mut self,
        namespace: String,
        key: String,
        value: Option<Vec<u8>>,
        seen: Option<Epoch>,
    ) -> Applied {
        short("the namespace", namespace.len(), MAX_NAME_BYTES)?;
        short("the key", key.len(), MAX_NAME_BYTES)?;
        short("the value", value.as_ref().map_or(0, Vec::len), MAX_VALUE_BYTES)?;
        let present = self.value(&namespace, &key);
        if present.map(|value| &value.bytes) == value.as_ref() {
            return Ok(None);
        }
        let now = present.map_or(Epoch(0), |value| value.epoch);
        if let Some(seen) = seen.filter(|seen| *seen != now) {
            return Err(Refusal::Stale { seen: seen.0, now: now.0 });
        }
        let Some(bytes) = value else {
            let emptied = self.values.get_mut(&namespace).is_some_and(|keys| {
                keys.remove(&key);
                keys.is_empty()
            });
            if emptied {
                self.values.remove(&namespace);
            }
            return Ok(Some(format!("{namespace} {key} removed")));
        };
        if present.is_none() && self.values.values().map(BTreeMap::len).sum::<usize>() >= MAX_VALUES {
            return Err(Refusal::TooMany { what: "values".to_owned(), limit: MAX_VALUES as u64 });
        }
        let what = format!("{namespace} {key} {}", if present.is_some() { "changed" } else { "added" });
        let epoch = self.next_epoch();
        self.values.entry(namespace).or_default().insert(key, Value { bytes, epoch });
        Ok(Some(what))
    }
}

fn in_range(what: &str, value: u16, low: u16, high: u16) -> Result<(), Refusal> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Refusal::OutOfRange { what: what.to_owned(), range: format!("{low} to {high}") })
}

fn short(what: &str, bytes: usize, limit: usize) -> Result<(), Refusal> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Refusal::TooLong { what: what.to_owned(), bytes: bytes as u64, limit: limit as u64 })
}

/// The beginning of a text, as much as the history keeps of it.
fn clipped(mut text: String) -> String {
    let mut end = text.len().min(100);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
