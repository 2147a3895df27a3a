//! Stories that name faults and what must hold all the same: a file each.

mod clocks;
mod damage;
mod drains;
mod full_disk;
mod joins;
mod kill_all;
mod kills;
mod kills_rf2;
mod partitions;
mod pauses;
mod quorum;
mod rolling;

use crate::report::Row;
use crate::world::Order;
use crate::{faults, network};

/// A story.
pub struct Scenario {
    /// Its row in the list of faults.
    pub row: &'static str,
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens, in a line.
    pub what: &'static str,
    /// Rounds unless the command line says so.
    pub rounds: usize,
    /// What it needs beside the nodes.
    pub needs: Needs,
    /// Runs it. Panics when the cluster does not come back to rest.
    pub run: fn(Order) -> Row,
}

/// What a scenario needs beside the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Namespaces, which need root.
    Namespaces,
    /// Mounts, which need root.
    Mounts,
    /// libfaketime.
    Clocks,
}

impl Needs {
    /// Why the scenario cannot run here; nothing when it can.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Namespaces => network::unavailable(),
            // who may make namespaces may mount
            Self::Mounts => network::unavailable().map(|_| "mounts need root".to_owned()),
            Self::Clocks => faults::clock::library()
                .is_none()
                .then(|| "libfaketime is missing (.ci/setup chaos)".to_owned()),
        }
    }
}

/// All of them, in the order of the table.
pub const ALL: &[Scenario] = &[
    kills::SCENARIO,
    kills_rf2::SCENARIO,
    kill_all::SCENARIO,
    partitions::SCENARIO,
    pauses::SCENARIO,
    full_disk::SCENARIO,
    clocks::SCENARIO,
    damage::SCENARIO,
    rolling::SCENARIO,
    joins::SCENARIO,
    drains::SCENARIO,
    quorum::SCENARIO,
];
