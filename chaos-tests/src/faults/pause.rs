//! SIGSTOP: a node that stands still, as a virtual machine does while it is moved, and goes on as if nothing had been.

use crate::world::World;

/// Stops the node at a place; its connections stay open.
pub fn strike(world: &mut World, at: usize) {
    world.cluster.node_mut(at).process().signal("STOP");
}

/// Lets it go on.
pub fn heal(world: &mut World, at: usize) {
    world.cluster.node_mut(at).process().signal("CONT");
}
