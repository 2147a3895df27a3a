//! Properties of placement.

use plimsoll_model::{Epoch, NodeId, ShardId};
use plimsoll_ownership::placement::{Place, wanted};
use plimsoll_ownership::{Node, NodeState, Shard};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn node(id: u64, zone: &str) -> Node {
    Node {
        id: NodeId(id),
        identity: u128::from(id),
        peer_address: String::new(),
        address: String::new(),
        zone: zone.to_owned(),
        version: String::new(),
        state: NodeState::Active,
        epoch: Epoch(1),
    }
}

fn nodes(count: u64) -> Vec<Node> {
    (1..=count).map(|id| node(id, "")).collect()
}

fn shards(count: u16) -> Vec<Shard> {
    (0..count)
        .map(|id| Shard {
            id: ShardId(id),
            first_hash: 0,
            last_hash: 0,
            replicas: Vec::new(),
            leader: None,
            epoch: Epoch(1),
        })
        .collect()
}

fn settle(shards: &mut [Shard], places: &[Place]) {
    for (shard, place) in shards.iter_mut().zip(places) {
        shard.replicas = place.replicas.clone();
        shard.leader = place.leader;
    }
}

/// Replicas that a node gets and did not have.
fn moves(shards: &[Shard], places: &[Place]) -> usize {
    let new = |(shard, place): (&Shard, &Place)| {
        place.replicas.iter().filter(|id| !shard.replicas.contains(id)).count()
    };
    shards.iter().zip(places).map(new).sum()
}

fn loads(nodes: &[Node], of: impl Iterator<Item = NodeId>) -> Vec<usize> {
    let mut loads: BTreeMap<NodeId, usize> =
        nodes.iter().filter(|n| n.state == NodeState::Active).map(|n| (n.id, 0)).collect();
    for id in of {
        *loads.get_mut(&id).expect("only active nodes") += 1;
    }
    loads.into_values().collect()
}

fn spread(loads: &[usize]) -> usize {
    loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0)
}

fn replica_loads(nodes: &[Node], places: &[Place]) -> Vec<usize> {
    loads(nodes, places.iter().flat_map(|place| place.replicas.iter().copied()))
}

fn leader_loads(nodes: &[Node], places: &[Place]) -> Vec<usize> {
    loads(nodes, places.iter().filter_map(|place| place.leader))
}

#[test]
fn replication_grows_with_the_nodes() {
    let mut shards = shards(16);
    for (count, expected) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
        let places = wanted(&nodes(count), &shards, 3);
        assert!(places.iter().all(|place| place.replicas.len() == expected), "{count} nodes");
        settle(&mut shards, &places);
    }
}

#[test]
fn a_new_node_takes_only_its_share() {
    let mut shards = shards(16);
    let places = wanted(&nodes(3), &shards, 3);
    settle(&mut shards, &places);
    let places = wanted(&nodes(4), &shards, 3);
    assert_eq!(replica_loads(&nodes(4), &places), [12, 12, 12, 12]);
    assert_eq!(moves(&shards, &places), 12);
    assert_eq!(leader_loads(&nodes(4), &places), [4, 4, 4, 4]);
}

#[test]
fn a_dead_node_loses_its_replicas_and_nothing_else_moves() {
    let mut nodes = nodes(5);
    let mut shards = shards(20);
    let places = wanted(&nodes, &shards, 3);
    settle(&mut shards, &places);
    nodes[2].state = NodeState::Dead;
    let lost = shards.iter().filter(|shard| shard.replicas.contains(&NodeId(3))).count();
    let places = wanted(&nodes, &shards, 3);
    assert_eq!(moves(&shards, &places), lost);
    assert_eq!(replica_loads(&nodes, &places), [15, 15, 15, 15]);
}

#[test]
fn without_active_nodes_everything_stays() {
    let mut nodes = nodes(2);
    let mut shards = shards(4);
    let places = wanted(&nodes, &shards, 2);
    settle(&mut shards, &places);
    nodes.iter_mut().for_each(|node| node.state = NodeState::Dead);
    let places = wanted(&nodes, &shards, 2);
    assert!(shards.iter().zip(&places).all(|(shard, place)| shard.replicas == place.replicas));
}

#[test]
fn zones_count_more_than_balance() {
    let nodes = vec![node(1, "a"), node(2, "a"), node(3, "a"), node(4, "b")];
    let places = wanted(&nodes, &shards(12), 2);
    assert!(places.iter().all(|place| place.replicas.contains(&NodeId(4))));
    assert_eq!(replica_loads(&nodes, &places), [4, 4, 4, 12]);
}

fn cluster() -> impl Strategy<Value = (Vec<Node>, Vec<Shard>, u8)> {
    let nodes = prop::collection::vec((0u8..4, any::<bool>()), 1..9);
    (nodes, 1u16..40, 1u8..5, any::<bool>(), prop::collection::vec(any::<u64>(), 0..200)).prop_map(
        |(nodes, count, replication, zoned, seeds)| {
            let nodes: Vec<Node> = nodes
                .into_iter()
                .enumerate()
                .map(|(index, (zone, draining))| {
                    let mut node =
                        node(index as u64 + 1, &if zoned { zone.to_string() } else { String::new() });
                    if draining && index > 0 {
                        node.state = NodeState::Draining;
                    }
                    node
                })
                .collect();
            let mut shards = shards(count);
            for (index, seed) in seeds.into_iter().enumerate() {
                let shard = &mut shards[index % usize::from(count)];
                let id = NodeId(seed % nodes.len() as u64 + 1);
                if !shard.replicas.contains(&id) && shard.replicas.len() < 5 {
                    shard.replicas.push(id);
                    shard.leader = shard.leader.or(Some(id));
                }
            }
            (nodes, shards, replication)
        },
    )
}

proptest! {
    #[test]
    fn places_are_complete_balanced_apart_and_stable((nodes, mut shards, replication) in cluster()) {
        let active: Vec<&Node> = nodes.iter().filter(|node| node.state == NodeState::Active).collect();
        let zones: BTreeSet<&str> = active.iter().map(|node| node.zone.as_str()).collect();
        let expected = usize::from(replication).min(active.len());
        let places = wanted(&nodes, &shards, replication);
        prop_assert_eq!(places.len(), shards.len());
        for place in &places {
            prop_assert_eq!(place.replicas.iter().collect::<BTreeSet<_>>().len(), expected);
            prop_assert!(place.leader.is_some_and(|leader| place.replicas.contains(&leader)));
            let apart: BTreeSet<&str> = place
                .replicas
                .iter()
                .filter_map(|id| nodes.iter().find(|node| node.id == *id))
                .map(|node| node.zone.as_str())
                .collect();
            prop_assert_eq!(apart.len(), zones.len().min(expected));
        }
        if zones.len() == 1 {
            prop_assert!(spread(&replica_loads(&nodes, &places)) <= 1);
        } else {
            let _ = replica_loads(&nodes, &places);
        }
        settle(&mut shards, &places);
        let again = wanted(&nodes, &shards, replication);
        prop_assert_eq!(moves(&shards, &again), 0);
        prop_assert_eq!(&again, &places);
    }

    #[test]
    fn fresh_clusters_spread_replicas_and_leaders(count in 1u64..8, shard_count in 1u16..64, replication in 1u8..4) {
        let nodes = nodes(count);
        let places = wanted(&nodes, &shards(shard_count), replication);
        prop_assert!(spread(&replica_loads(&nodes, &places)) <= 1);
        prop_assert!(spread(&leader_loads(&nodes, &places)) <= 1);
    }
}
