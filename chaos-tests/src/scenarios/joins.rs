//! R15: nodes join under load, and those who take part in a move are killed in the middle of it.

use super::{Needs, Scenario};
use crate::faults::kill;
use crate::report::Row;
use crate::world::{Order, World};
use plimsoll_tests::cluster::{Cluster, SETTLE_LIMIT};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R15",
    name: "joins",
    what: "3 nodes become 4 and 5 under load; while replicas move, the new node, a source and the leader of the ownership group are killed in turn",
    rounds: 1,
    needs: Needs::Nothing,
    run,
};

/// Who is killed while replicas move.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Target,
    Source,
    OwnershipLeader,
}

fn run(order: Order) -> Row {
    let mut rows = Vec::new();
    for round in 0..order.rounds {
        let order = Order { seed: order.seed + round as u64, rounds: 2 };
        rows.push(grow(order, &[Victim::Target, Victim::Source, Victim::OwnershipLeader], round));
    }
    let mut all = rows.pop().expect("a round at least");
    for row in rows {
        all.add(row);
    }
    all
}

fn grow(order: Order, victims: &[Victim], round: usize) -> Row {
    let mut world = World::start(3, &[], order);
    world.live(3000..4000);
    let mut notes = Vec::new();
    for step in 0..2 {
        let victim = victims[(round * 2 + step) % victims.len()];
        let before = placed(&world.cluster);
        let began = Instant::now();
        let at = world.cluster.add();
        let url = world.cluster.node(at).url();
        world.load.add_target(url.clone());
        world.terms.watch_one(url);
        let ready = began.elapsed();
        wait_for_move(&world.cluster);
        let dead = match victim {
            Victim::Target => Some(at),
            Victim::Source => Some(world.any_leader()).filter(|dead| *dead != at),
            Victim::OwnershipLeader => world.cluster.ownership_leader(),
        };
        if let Some(dead) = dead {
            kill::strike(&mut world, dead);
            world.live(300..1500);
            kill::heal(&mut world, dead, None);
        }
        world.cluster.wait_settled(SETTLE_LIMIT);
        let settled = began.elapsed();
        let after = placed(&world.cluster);
        let (moved, ideal) = (after.difference(&before).count(), after.len() / (at + 1));
        // A whole number of replicas: one more than the ideal is within ±1.
        if moved > ideal + 1 {
            world.violations.push(format!("{moved} replicas moved where {ideal} would do"));
        }
        notes.push(format!(
            "node {} ready after {:.1} s, balanced after {:.1} s with {victim:?} killed meanwhile, {moved} replicas moved (ideal {ideal})",
            at + 1,
            ready.as_secs_f64(),
            settled.as_secs_f64()
        ));
        world.round();
        world.compare_replicas();
    }
    let mut row = world.finish();
    row.notes.splice(0..0, notes);
    row
}

/// Every replica: shard and node.
fn placed(cluster: &Cluster) -> BTreeSet<(u64, u64)> {
    let view = cluster.view().expect("a cluster at rest answers");
    let shards = view["shards"].as_array().into_iter().flatten();
    shards
        .flat_map(|shard| {
            let id = shard["id"].as_u64().unwrap_or_default();
            let replicas: Vec<u64> =
                shard["replicas"].as_array().into_iter().flatten().filter_map(|n| n.as_u64()).collect();
            replicas.into_iter().map(move |node| (id, node))
        })
        .collect()
}

/// Waits until something moves; what has moved already by then is fine too.
fn wait_for_move(cluster: &Cluster) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let moves = cluster.view().map(|view| view["moves"].as_array().map_or(0, Vec::len));
        if moves.is_some_and(|moves| moves > 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
