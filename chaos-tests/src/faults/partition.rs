//! The network between nodes is cut; clients reach every node all the same.

use crate::world::World;

/// Which connections are cut.
#[derive(Clone, Debug)]
pub enum Cut {
    /// These nodes on one side, all others on the other.
    Sides(Vec<usize>),
    /// This node is not heard by the others; it hears them.
    Mute(usize),
    /// This node hears nobody; the others hear it.
    Deaf(usize),
    /// Two sides, and one node that hears and is heard by both.
    Bridge(Vec<usize>, usize),
}

/// Cuts.
pub fn strike(world: &World, cut: &Cut) {
    let network = world.network.as_ref().expect("a scenario with partitions is started apart");
    let nodes = 0..world.cluster.len();
    for from in nodes.clone() {
        for to in nodes.clone().filter(|to| *to != from) {
            if cut.between(from, to) {
                network.cut(from, to);
            }
        }
    }
}

/// Joins all again.
pub fn heal(world: &World) {
    world.network.as_ref().expect("as above").heal();
}

impl Cut {
    fn between(&self, from: usize, to: usize) -> bool {
        match self {
            Self::Sides(side) => side.contains(&from) != side.contains(&to),
            Self::Mute(node) => from == *node,
            Self::Deaf(node) => to == *node,
            Self::Bridge(side, bridge) => {
                from != *bridge && to != *bridge && side.contains(&from) != side.contains(&to)
            }
        }
    }
}
