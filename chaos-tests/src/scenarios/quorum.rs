//! R17: the ownership group loses its majority while some shards keep theirs.
//!
//! All five nodes vote in the ownership group; three are killed. A shard two of whose three replicas live on the other
//! two keeps its majority and must go on. Shards with one replica left cannot be written, and nobody can change that.

use super::{Needs, Scenario};
use crate::report::Row;
use crate::samples::now_ms;
use crate::world::{Order, World};
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R17",
    name: "quorum",
    what: "5 nodes, 16 shards: three killed, so that the ownership group has no majority; shards with two replicas on the two left go on",
    rounds: 2,
    needs: Needs::Nothing,
    run,
};

/// Series of the probe, each written by itself: enough that most shards have one.
const SERIES: usize = 64;

fn run(order: Order) -> Row {
    let mut world = World::start(5, &[], order);
    let mut notes = Vec::new();
    for _ in 0..order.rounds {
        world.live(1000..2000);
        // The writers touch every shard and would only wait; each series of the probe is written by itself.
        world.load.pause(true);
        let left = pair_with_most_shards(&world);
        let before = acknowledged(&world, left[0]);
        for at in (0..5).filter(|at| !left.contains(at)) {
            world.cluster.node_mut(at).kill();
        }
        std::thread::sleep(Duration::from_secs(4));
        let written = acknowledged(&world, left[0]);
        let (status, text) = admin(&world, left[0]);
        if status != 503 {
            world
                .violations
                .push(format!("without a majority an admin call is answered with {status}: {text}"));
        }
        if written.is_empty() {
            world.violations.push("no shard goes on without the ownership group".to_owned());
        }
        notes.push(format!(
            "{} of {SERIES} series (of shards with a majority left) written without the ownership group, {} before; admin call {status}",
            written.len(),
            before.len()
        ));
        for at in (0..5).filter(|at| !left.contains(at)) {
            world.cluster.node_mut(at).launch();
        }
        for at in (0..5).filter(|at| !left.contains(at)) {
            world.cluster.node_mut(at).wait_ready();
        }
        world.load.pause(false);
        world.round();
        world.compare_replicas();
    }
    let mut row = world.finish();
    row.notes.splice(0..0, notes);
    row
}

/// The two places that have the most shards in common.
fn pair_with_most_shards(world: &World) -> [usize; 2] {
    let view = world.cluster.view().expect("a cluster at rest answers");
    let sets: Vec<BTreeSet<usize>> = (view["shards"].as_array().into_iter().flatten())
        .map(|shard| {
            let nodes = shard["voters"].as_array().into_iter().flatten().filter_map(Value::as_u64);
            nodes.filter_map(|id| world.cluster.place_of(&view, id)).collect()
        })
        .collect();
    let pairs = (0..5).flat_map(|a| (a + 1..5).map(move |b| [a, b]));
    let common = |pair: &[usize; 2]| sets.iter().filter(|set| pair.iter().all(|at| set.contains(at))).count();
    pairs.max_by_key(common).expect("five nodes make ten pairs")
}

/// Which series of the probe a node acknowledges, each written by itself, all at a time.
fn acknowledged(world: &World, at: usize) -> Vec<usize> {
    let http = world.cluster.node(at).http();
    std::thread::scope(|scope| {
        let write = |number: usize| {
            let http = http.clone();
            scope.spawn(move || {
                let text = number.to_string();
                let series = SeriesBytes::new(&[("__name__", "chaos_quorum_probe"), ("series", &text)]);
                let mut request = WriteRequest::new();
                request.series(&series, &[(now_ms(), 1.0)]);
                request.send(&http).is_ok_and(|answer| answer.status / 100 == 2).then_some(number)
            })
        };
        let all: Vec<_> = (0..SERIES).map(write).collect();
        all.into_iter().filter_map(|one| one.join().ok().flatten()).collect()
    })
}

/// A change of the metadata, which needs a majority.
fn admin(world: &World, at: usize) -> (u16, String) {
    let answer = world.cluster.node(at).http().post_form("/api/v1/cluster/rebalance", &[("on", "false")]);
    answer.map_or_else(|e| (0, e.to_string()), |answer| (answer.status, answer.text()))
}
