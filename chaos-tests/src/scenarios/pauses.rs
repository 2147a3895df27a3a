//! R5: a node that leads stands still and goes on as if nothing had been.

use super::{Needs, Scenario};
use crate::faults::pause;
use crate::report::Row;
use crate::world::{Order, World};
use rand::Rng;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R5",
    name: "pauses",
    what: "3 nodes: SIGSTOP of a node that leads for 5 to 60 s, then SIGCONT (clients give a silent node up after 2 s, which is in the gap)",
    rounds: 5,
    needs: Needs::Nothing,
    run,
};

fn run(order: Order) -> Row {
    let mut world = World::start(3, &[], order);
    for round in 0..order.rounds {
        world.live(200..1000);
        let at = world.any_leader();
        let struck = Instant::now();
        pause::strike(&mut world, at);
        // The shortest and the longest in every run, the others by chance.
        let seconds = match round {
            0 => 5,
            1 => 60,
            _ => world.rng.random_range(5..25),
        };
        std::thread::sleep(Duration::from_secs(seconds));
        world.note_gap(struck);
        pause::heal(&mut world, at);
        world.round();
        world.compare_replicas();
    }
    world.finish()
}
