//! Faults of hosts: crashes, slow disks, broken disks. A crash loses what the disk had not synced.

use crate::sim::net::name;
use crate::sim::world::Shared;
use std::collections::BTreeMap;
use std::time::Duration;
use turmoil::Sim;

/// How long a host that ended by itself stays down.
const REPAIR: Duration = Duration::from_secs(1);

/// Hosts that are not well at present.
pub struct Hosts {
    world: Shared,
    down: BTreeMap<usize, Duration>,
    slow: BTreeMap<usize, Duration>,
    broken: BTreeMap<usize, Duration>,
}

impl Hosts {
    /// All hosts are well.
    pub fn new(world: &Shared) -> Self {
        Self { world: world.clone(), down: BTreeMap::new(), slow: BTreeMap::new(), broken: BTreeMap::new() }
    }

    /// Ends a host at once.
    pub fn crash(&mut self, sim: &mut Sim<'_>, host: usize, until: Duration) {
        if self.down.insert(host, until).is_none() {
            // The world's handles keep the groups' log claimed: they go first.
            let running = self.world.running().remove(&host);
            sim.crash(name(host));
            drop(running);
        }
    }

    /// Makes a disk slow.
    pub fn slow_disk(&mut self, host: usize, sync: Duration, until: Duration) {
        self.world.disk(host).log.set_sync_time(sync / 2, sync);
        self.slow.insert(host, until);
    }

    /// Makes a disk refuse writes.
    pub fn break_disk(&mut self, host: usize, until: Duration) {
        self.world.disk(host).log.set_failure(Some("the disk is broken"));
        self.broken.insert(host, until);
    }

    /// Ends what is due.
    pub fn step(&mut self, sim: &mut Sim<'_>, now: Duration) {
        for host in due(&mut self.slow, now) {
            let (shortest, longest) = self.world.plan.sync;
            self.world.disk(host).log.set_sync_time(shortest, longest);
        }
        for host in due(&mut self.broken, now) {
            self.world.disk(host).log.set_failure(None);
        }
        for host in self.world.take_ended() {
            self.crash(sim, host, now.saturating_add(REPAIR));
        }
        for host in due(&mut self.down, now) {
            self.world.trace.say(&name(host), format_args!("is started again"));
            sim.bounce(name(host));
        }
    }
}

/// What is due, taken out.
fn due(waiting: &mut BTreeMap<usize, Duration>, now: Duration) -> Vec<usize> {
    let hosts: Vec<usize> =
        waiting.iter().filter(|(_, until)| **until <= now).map(|(host, _)| *host).collect();
    waiting.retain(|host, _| !hosts.contains(host));
    hosts
}
