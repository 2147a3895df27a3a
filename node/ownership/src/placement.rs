//! Where the replicas and the leaders of all shards should be: a pure function of nodes and present places.
//!
//! In order of weight: replicas of a shard in different zones, equal numbers of replicas a node, few moves.
//! It is a cheapest flow from shards over their zones to nodes, where the second replica in a zone costs more
//! than any balance, and every further replica on a node costs more than the one before and than any move.

use crate::cluster::{Node, NodeState, Shard};
use crate::flow::{EdgeId, Graph, Vertex};
use plimsoll_model::{NodeId, ShardId};
use std::collections::{BTreeMap, BTreeSet};

/// Where a shard should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: ShardId,
    /// Its nodes, by number; empty only when no node is active.
    pub replicas: Vec<NodeId>,
    /// The one of them that should lead.
    pub leader: Option<NodeId>,
}

/// Where every shard should be, in the order of `shards`, when each should have `replication` replicas.
///
/// Only active nodes get or keep replicas; with fewer of them than `replication`, every one gets each shard.
/// With no active node at all, shards should stay where they are.
pub fn wanted<'a>(
    nodes: impl IntoIterator<Item = &'a Node>,
    shards: &[Shard],
    replication: u8,
) -> Vec<Place> {
    let mut active: Vec<&Node> = nodes.into_iter().filter(|node| node.state == NodeState::Active).collect();
    active.sort_by_key(|node| node.id);
    let mut places: Vec<Place> = if active.is_empty() {
        shards.iter().map(|s| Place { shard: s.id, replicas: s.replicas.clone(), leader: s.leader }).collect()
    } else {
        replicas(&active, shards, usize::from(replication).min(active.len()))
    };
    if !active.is_empty() {
        leaders(shards, &mut places);
    }
    places
}

/// Edges that put a unit on a node: each further one costs `step` more than the one before.
fn balanced(graph: &mut Graph, node: Vertex, sink: Vertex, most: usize, step: i64) {
    for count in 0..most {
        graph.edge(node, sink, 1, step * count as i64);
    }
}

fn replicas(active: &[&Node], shards: &[Shard], replication: usize) -> Vec<Place> {
    let total = (shards.len() * replication) as i64;
    // One unit of balance outweighs all moves; one of zones outweighs all of balance.
    let balance = total + 1;
    let apart = balance * (shards.len() as i64 + 1) * (total + 1);
    let mut graph = Graph::default();
    let (source, sink) = (graph.vertex(), graph.vertex());
    let hosts: Vec<Vertex> = active.iter().map(|_| graph.vertex()).collect();
    for host in &hosts {
        balanced(&mut graph, *host, sink, shards.len(), balance);
    }
    let mut zones: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, node) in active.iter().enumerate() {
        zones.entry(node.zone.as_str()).or_default().push(index);
    }
    let mut choices: Vec<Vec<(EdgeId, NodeId)>> = Vec::with_capacity(shards.len());
    for shard in shards {
        let from = graph.vertex();
        graph.edge(source, from, replication as u32, 0);
        let mut choice = Vec::with_capacity(active.len());
        for members in zones.values() {
            let zone = graph.vertex();
            balanced(&mut graph, from, zone, replication.min(members.len()), apart);
            for &member in members {
                let id = active[member].id;
                let price = i64::from(!shard.replicas.contains(&id));
                choice.push((graph.edge(zone, hosts[member], 1, price), id));
            }
        }
        choices.push(choice);
    }
    graph.fill(source, sink);
    let chosen = |choice: &Vec<(EdgeId, NodeId)>| -> Vec<NodeId> {
        let sent = choice.iter().filter(|(edge, _)| graph.sent(*edge) > 0);
        sent.map(|(_, id)| *id).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let places = shards.iter().zip(&choices);
    places.map(|(shard, choice)| Place { shard: shard.id, replicas: chosen(choice), leader: None }).collect()
}

/// Spreads leaders equally; a present leader stays before another present replica before a new one.
fn leaders(shards: &[Shard], places: &mut [Place]) {
    let balance = 2 * shards.len() as i64 + 1;
    let mut graph = Graph::default();
    let (source, sink) = (graph.vertex(), graph.vertex());
    let mut hosts: BTreeMap<NodeId, Vertex> = BTreeMap::new();
    let mut choices: Vec<Vec<(EdgeId, NodeId)>> = Vec::with_capacity(shards.len());
    for (shard, place) in shards.iter().zip(places.iter()) {
        let from = graph.vertex();
        graph.edge(source, from, 1, 0);
        let mut choice = Vec::with_capacity(place.replicas.len());
        for &id in &place.replicas {
            let host = *hosts.entry(id).or_insert_with(|| {
                let host = graph.vertex();
                balanced(&mut graph, host, sink, shards.len(), balance);
                host
            });
            let price = if shard.leader == Some(id) {
                0
            } else if shard.replicas.contains(&id) {
                1
            } else {
                2
            };
            choice.push((graph.edge(from, host, 1, price), id));
        }
        choices.push(choice);
    }
    graph.fill(source, sink);
    for (place, choice) in places.iter_mut().zip(&choices) {
        place.leader = choice.iter().find(|(edge, _)| graph.sent(*edge) > 0).map(|(_, id)| *id);
    }
}
