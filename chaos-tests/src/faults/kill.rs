//! kill -9 of one node, and its start again.

use crate::world::World;
use std::thread;
use std::time::Duration;

/// Kills the node at a place.
pub fn strike(world: &mut World, at: usize) {
    world.cluster.node_mut(at).kill();
}

/// Starts it again; with `early`, kills it once more before it is ready.
pub fn heal(world: &mut World, at: usize, early: Option<Duration>) {
    let node = world.cluster.node_mut(at);
    if let Some(early) = early {
        node.launch();
        thread::sleep(early);
        node.kill();
    }
    node.restart();
}
