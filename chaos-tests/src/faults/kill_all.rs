//! kill -9 of all nodes at once, as when a rack loses its power.

use crate::world::World;
use std::time::{Duration, Instant};

/// Kills every node.
pub fn strike(world: &mut World) {
    for at in world.cluster.running() {
        world.cluster.node_mut(at).kill();
    }
}

/// Starts all of them at once. Returns the time until every one of them is ready, and ready means that every shard has
/// a leader.
pub fn heal(world: &mut World) -> Duration {
    let began = Instant::now();
    for at in 0..world.cluster.len() {
        world.cluster.node_mut(at).launch();
    }
    for at in 0..world.cluster.len() {
        world.cluster.node_mut(at).wait_ready();
    }
    began.elapsed()
}
