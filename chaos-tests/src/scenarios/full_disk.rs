//! R6: the disk of one node, then of all nodes, runs full under load.

use super::{Needs, Scenario};
use crate::faults::disk_full::SmallDisk;
use crate::report::Row;
use crate::world::{Order, World};
use plimsoll_tests::plimsoll::Place;
use plimsoll_tests::wait::wait_until;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R6",
    name: "full-disk",
    what: "3 nodes on 512 MiB each: something else fills the disk of one, then of all, to the last byte for 10 s, then goes",
    rounds: 4,
    needs: Needs::Mounts,
    run,
};

const MIB: u32 = 512;

/// Below this the node takes no writes.
const MIN_FREE: &str = "64MiB";

/// After the space is back all nodes must take writes within this.
const RECOVERY: Duration = Duration::from_secs(20);

fn run(order: Order) -> Row {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disks: Arc<Vec<SmallDisk>> =
        Arc::new((0..3).map(|at| SmallDisk::mount(folder.path(), at, MIB)).collect());
    let places = disks.clone();
    let place = move |at: usize| Place { data: Some(places[at].data()), ..Place::default() };
    let mut world = World::start_at(3, &[("storage.min_free_disk", MIN_FREE)], order, None, place);
    let mut notes = Vec::new();
    for round in 0..order.rounds {
        world.live(1000..2000);
        let full: Vec<usize> = if round % 2 == 0 { vec![world.any_node()] } else { vec![0, 1, 2] };
        let struck = Instant::now();
        full.iter().for_each(|at| disks[*at].fill());
        thread::sleep(Duration::from_secs(10));
        if full.len() == 1 {
            world.note_gap(struck);
        }
        for at in world.cluster.running() {
            if let Some(status) = world.cluster.node_mut(at).process().ended() {
                let log = world.cluster.node(at).log();
                let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                world.violations.push(format!("node {at} ended on a full disk: {status}: {last}"));
                world.cluster.node_mut(at).kill();
            }
        }
        let freed = Instant::now();
        full.iter().for_each(|at| disks[*at].free());
        for at in 0..3 {
            if !world.cluster.node(at).runs() {
                world.cluster.node_mut(at).restart();
            }
        }
        let before = world.load.requests().0;
        wait_until("writes to be taken again", RECOVERY * 3, || world.load.requests().0 > before + 20);
        notes.push(format!("{} full: writable {:.1} s after", full.len(), freed.elapsed().as_secs_f64()));
        if freed.elapsed() > RECOVERY {
            world.violations.push(format!("writes were taken again only after {:?}", freed.elapsed()));
        }
        world.round();
        world.compare_replicas();
    }
    let mut row = world.finish();
    row.notes.splice(0..0, notes);
    row
}
