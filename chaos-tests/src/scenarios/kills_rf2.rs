//! R1 with two replicas: a majority is both, so writers wait until the killed node is back. Nothing may be lost.

use super::{Needs, Scenario, kills};
use crate::world::World;

pub(super) const SCENARIO: Scenario = Scenario {
    row: "R1",
    name: "kills-rf2",
    what: "2 nodes, 2 replicas: the same; writers wait for the killed node (a majority of two is two)",
    rounds: 20,
    needs: Needs::Nothing,
    run: |order| kills::run(World::start(2, &[], order), order),
};
