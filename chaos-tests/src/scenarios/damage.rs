//! R10: the log of a killed node is torn or has a flipped bit, or its SST files have.
//!
//! A torn tail of the log is what a crash leaves, but here bytes go that were fsynced: the node forgets what it had
//! promised, which two other replicas still hold. Nothing that is wrong may ever be answered.

use super::{Needs, Scenario};
use crate::faults::damage;
use crate::report::Row;
use crate::world::{Order, World};
use rand::Rng;
use std::path::PathBuf;

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R10",
    name: "damage",
    what: "3 nodes: one is killed, the tail of its log torn, a bit of its log or of three of its SST files flipped, and started again",
    rounds: 6,
    needs: Needs::Nothing,
    run,
};

fn run(order: Order) -> Row {
    let mut world = World::start(3, &[], order);
    let mut notes = Vec::new();
    for round in 0..order.rounds {
        world.live(3000..5000);
        let at = world.any_node();
        world.cluster.node_mut(at).kill();
        let data = world.cluster.node(at).data();
        let (log, tables) = (damage::files(&data, ".raftlog"), damage::files(&data, ".sst"));
        let what = match round % 3 {
            0 => torn(&log, &mut world),
            1 => flipped(&tables, 3, &mut world),
            _ => flipped(&log, 1, &mut world),
        };
        world.cluster.node_mut(at).launch();
        let heard = come_back(&mut world, at);
        notes.push(format!("{what}: {heard}"));
        world.round();
        world.compare_replicas();
    }
    let mut row = world.finish();
    row.notes.splice(0..0, notes);
    row
}

/// Waits for the damaged node; one that refuses to start is given a new folder, as its message asks.
fn come_back(world: &mut World, at: usize) -> String {
    let began = std::time::Instant::now();
    let limit = std::time::Duration::from_secs(60);
    let http = world.cluster.node(at).http();
    while began.elapsed() < limit {
        if http.get("/-/ready", &[]).is_ok_and(|answer| answer.status == 200) {
            return "the node starts".to_owned();
        }
        if world.cluster.node_mut(at).process().ended().is_some() {
            let log = world.cluster.node(at).log();
            let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
            replace(world, at);
            return format!("the node refuses to start ({last}) and is replaced by an empty one");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the damaged node neither started nor ended:\n{}", world.cluster.node(at).log());
}

/// A new node takes the place of one that is given up.
fn replace(world: &mut World, at: usize) {
    let id = world.cluster.id_of(at).expect("it was a member").to_string();
    world.cluster.node_mut(at).kill();
    let new = world.cluster.add();
    let url = world.cluster.node(new).url();
    world.load.add_target(url.clone());
    world.terms.watch_one(url);
    let http = world.cluster.node(new).http();
    plimsoll_tests::wait::wait_until(
        "the lost node to be given up",
        std::time::Duration::from_secs(30),
        || {
            http.post_form("/api/v1/cluster/replace", &[("node", &id)])
                .is_ok_and(|answer| answer.status == 200)
        },
    );
}

fn torn(log: &[PathBuf], world: &mut World) -> String {
    let Some(newest) = log.last() else { return "no log to tear".to_owned() };
    format!("{} bytes torn off the log", damage::tear(newest, &mut world.rng))
}

fn flipped(files: &[PathBuf], count: usize, world: &mut World) -> String {
    if files.is_empty() {
        return "no file to flip a bit of".to_owned();
    }
    for _ in 0..count {
        let which = world.rng.random_range(0..files.len());
        damage::flip(&files[which], &mut world.rng);
    }
    let kind = files[0].extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{count} bits flipped in files .{kind}")
}
