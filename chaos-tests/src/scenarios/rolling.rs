//! A rolling restart: each node ends in good order and starts again, under load.

use super::{Needs, Scenario};
use crate::report::Row;
use crate::world::{Order, World};
use std::time::Instant;

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R14",
    name: "rolling",
    what: "3 nodes: each ends by SIGTERM and starts again, one after the other, as an upgrade does (same version)",
    rounds: 6,
    needs: Needs::Nothing,
    run,
};

fn run(order: Order) -> Row {
    let mut world = World::start(3, &[], order);
    for round in 0..order.rounds {
        world.live(200..1000);
        let at = round % world.cluster.len();
        let struck = Instant::now();
        world.cluster.node_mut(at).stop();
        world.cluster.node_mut(at).restart();
        world.round();
        world.note_gap(struck);
    }
    world.finish()
}
