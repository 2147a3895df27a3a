//! R2: all nodes are killed at once.

use super::{Needs, Scenario};
use crate::faults::kill_all;
use crate::report::Row;
use crate::world::{Order, World};
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R2",
    name: "kill-all",
    what: "3 nodes: kill -9 of all at once, then all start",
    rounds: 20,
    needs: Needs::Nothing,
    run,
};

/// The cluster must serve again within this.
const LIMIT: Duration = Duration::from_secs(15);

fn run(order: Order) -> Row {
    let mut world = World::start(3, &[], order);
    let mut times = Vec::new();
    for _ in 0..order.rounds {
        world.live(200..1500);
        kill_all::strike(&mut world);
        let took = kill_all::heal(&mut world);
        if took > LIMIT {
            world.violations.push(format!("serving again took {took:?}"));
        }
        times.push(took);
        world.round();
    }
    times.sort();
    let mut row = world.finish();
    let (middle, last) = (times[times.len() / 2].as_secs_f64(), times[times.len() - 1].as_secs_f64());
    row.notes.insert(0, format!("serving again after {middle:.2} s (p50), {last:.2} s at most"));
    row
}
