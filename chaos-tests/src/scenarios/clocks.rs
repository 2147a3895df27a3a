//! R9: the clock of a node jumps, by minutes and by a month; retention must delete nothing early.

use super::{Needs, Scenario};
use crate::faults::clock::Clock;
use crate::report::Row;
use crate::world::{Order, World};
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R9",
    name: "clocks",
    what: "3 nodes with libfaketime: the clock of a node that leads jumps by +5 min, -5 min, +30 d for 15 s, then back",
    rounds: 3,
    needs: Needs::Clocks,
    run,
};

const JUMPS: [&str; 3] = ["+300", "-300", "+2592000"];

fn run(order: Order) -> Row {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clocks: Vec<Clock> = (0..3).map(|at| Clock::new(folder.path(), at)).collect();
    let places = clocks.clone();
    let mut world = World::start_at(3, &[], order, None, move |at| places[at].place());
    for round in 0..order.rounds {
        world.live(1000..2000);
        let at = world.any_leader();
        let struck = Instant::now();
        clocks[at].set(JUMPS[round % JUMPS.len()]);
        std::thread::sleep(Duration::from_secs(15));
        world.note_gap(struck);
        clocks[at].set("+0");
        std::thread::sleep(Duration::from_secs(2));
        world.round();
        world.compare_replicas();
    }
    world.finish()
}
