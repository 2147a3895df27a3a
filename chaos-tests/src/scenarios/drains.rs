//! R16: a node is drained, a dead one is replaced, and a drain that would cost replicas is refused.

use super::{Needs, Scenario};
use crate::faults::kill;
use crate::report::Row;
use crate::world::{Order, World};
use plimsoll_tests::cluster::SETTLE_LIMIT;
use plimsoll_tests::wait::wait_until;
use std::time::Instant;

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R16",
    name: "drains",
    what: "5 nodes: one is drained; one is killed for good and its replicas rebuilt (replace_after 5 s); a drain of the next is refused",
    rounds: 2,
    needs: Needs::Nothing,
    run,
};

fn run(order: Order) -> Row {
    let order = Order { rounds: 2, ..order };
    let mut world = World::start(5, &[("cluster.replace_after", "5s")], order);
    world.live(2000..3000);
    let mut notes = Vec::new();

    let drained = 1;
    let id = world.cluster.id_of(drained).expect("it is a member").to_string();
    let began = Instant::now();
    let answer = world.cluster.node(0).http().post("/api/v1/cluster/drain", &[], b"").map(|a| a.status);
    assert_eq!(answer.ok(), Some(400), "a drain of nobody is refused");
    let status = post(&world, "drain", &[("node", &id)]);
    assert_eq!(status.0, 200, "drain: {}", status.1);
    wait_until("the drained node to hold nothing", SETTLE_LIMIT, || held(&world, &id) == Some(0));
    world.cluster.wait_settled(SETTLE_LIMIT);
    notes.push(format!("drained in {:.1} s", began.elapsed().as_secs_f64()));
    world.round();
    world.compare_replicas();

    let dead = 2;
    let id = world.cluster.id_of(dead).expect("it is a member").to_string();
    let began = Instant::now();
    kill::strike(&mut world, dead);
    wait_until("the dead node to hold nothing", SETTLE_LIMIT, || held(&world, &id) == Some(0));
    world.cluster.wait_settled(SETTLE_LIMIT);
    notes.push(format!("dead node replaced {:.1} s after its kill", began.elapsed().as_secs_f64()));
    world.note_gap(began);
    world.round();
    world.compare_replicas();

    let id = world.cluster.id_of(3).expect("it is a member").to_string();
    let (status, text) = post(&world, "drain", &[("node", &id)]);
    if status != 409 {
        world.violations.push(format!("a drain that costs replicas is answered with {status}: {text}"));
    }
    notes.push("a drain that would cost replicas is refused (409)".to_owned());
    let mut row = world.finish();
    row.notes.splice(0..0, notes);
    row
}

fn post(world: &World, what: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let answer = world.cluster.node(0).http().post_form(&format!("/api/v1/cluster/{what}"), parameters);
    answer.map_or_else(|e| (0, e.to_string()), |answer| (answer.status, answer.text()))
}

/// Replicas that a node votes in.
fn held(world: &World, id: &str) -> Option<usize> {
    let (view, id) = (world.cluster.view()?, id.parse().ok());
    let shards = view["shards"].as_array()?;
    let votes = |shard: &&serde_json::Value| {
        let members = ["voters", "learners", "replicas"].into_iter().filter_map(|key| shard[key].as_array());
        members.flatten().any(|node| node.as_u64() == id)
    };
    Some(shards.iter().filter(votes).count())
}
