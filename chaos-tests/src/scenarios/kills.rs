//! R1: any node is killed under load, again and again; the others go on.

use super::{Needs, Scenario};
use crate::faults::kill;
use crate::report::Row;
use crate::world::{Order, World};
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R1",
    name: "kills",
    what: "3 nodes, 3 replicas: kill -9 of any node, leader or not, and its start again; one kill in eight a second time in its start",
    rounds: 40,
    needs: Needs::Nothing,
    run: |order| run(World::start(3, &[], order), order),
};

/// One kill in so many is repeated before the node is ready.
const EARLY: usize = 8;

/// Kills as often as there are rounds.
pub(super) fn run(mut world: World, order: Order) -> Row {
    for round in 1..=order.rounds {
        world.live(50..500);
        let at = world.any_node();
        let led = world.cluster.leaders().get(&at).copied().unwrap_or(0) > 0;
        let struck = Instant::now();
        kill::strike(&mut world, at);
        // Sometimes the node is back before anybody missed it, sometimes others have long taken over.
        world.live(100..2500);
        let early = round.is_multiple_of(EARLY).then(|| Duration::from_millis(40));
        kill::heal(&mut world, at, early);
        world.round();
        if led {
            world.note_gap(struck);
        }
        if round.is_multiple_of(5) {
            world.compare_replicas();
        }
    }
    let (_, failed) = world.reads.counts();
    if failed > 0 && world.cluster.len() > 2 {
        world.violations.push(format!("{failed} reads were answered by no node"));
    }
    world.finish()
}
