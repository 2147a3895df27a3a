//! R4: the network is cut in every way there is.

use super::{Needs, Scenario};
use crate::faults::partition::{self, Cut};
use crate::invariants::minority_refuses;
use crate::report::Row;
use crate::world::{Order, World};
use rand::Rng;
use std::thread;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R4",
    name: "partitions",
    what: "3 nodes in namespaces, cut with nftables: one against two, the leader alone, mute, deaf, two that hear each other by a third alone (bridge); clients reach all",
    rounds: 10,
    needs: Needs::Namespaces,
    run,
};

/// How long a cut lasts, in ms, beyond the time that the probe takes.
const LAST_MS: std::ops::Range<u64> = 3000..12_000;

fn run(order: Order) -> Row {
    let mut world = World::start_apart(3, &[], order);
    for round in 0..order.rounds {
        world.live(200..1000);
        let (any, leader) = (world.any_node(), world.any_leader());
        let cut = match round % 5 {
            0 => Cut::Sides(vec![any]),
            1 => Cut::Sides(vec![leader]),
            2 => Cut::Mute(leader),
            3 => Cut::Deaf(leader),
            _ => Cut::Bridge(vec![(any + 1) % 3], any),
        };
        let struck = Instant::now();
        partition::strike(&world, &cut);
        if let Cut::Sides(minority) = &cut {
            // The minority learns within its election time-out that it leads nothing any more.
            thread::sleep(Duration::from_secs(2));
            let url = world.cluster.node(minority[0]).url();
            world.violations.extend(minority_refuses::check(&url));
        }
        let last = Duration::from_millis(world.rng.random_range(LAST_MS));
        thread::sleep(last);
        world.note_gap(struck);
        partition::heal(&world);
        world.round();
        world.compare_replicas();
    }
    world.finish()
}
