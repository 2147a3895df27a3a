//! Faults of the network: partitions of every shape, slow and lossy links.

use crate::sim::net::name;
use crate::sim::plan::Fault;
use crate::sim::world::Shared;
use plimsoll_model::ShardId;
use std::time::Duration;
use turmoil::Sim;

/// What is cut at present.
pub struct Links {
    world: Shared,
    cut: Vec<(Duration, Vec<(usize, usize)>)>,
    slow_until: Option<Duration>,
    lossy_until: Option<Duration>,
}

impl Links {
    /// A network without faults.
    pub fn new(world: &Shared) -> Self {
        Self { world: world.clone(), cut: Vec::new(), slow_until: None, lossy_until: None }
    }

    /// Begins a fault of the network.
    pub fn begin(&mut self, sim: &mut Sim<'_>, fault: Fault, until: Duration) {
        let hosts = self.world.plan.hosts;
        let pairs = || (0..hosts).flat_map(move |from| (0..hosts).map(move |to| (from, to)));
        let cut: Vec<_> = match fault {
            Fault::Partition(side) => pairs().filter(|(a, b)| side.contains(a) != side.contains(b)).collect(),
            Fault::Mute(host) => pairs().filter(|(from, _)| *from == host).collect(),
            Fault::Deaf(host) => pairs().filter(|(_, to)| *to == host).collect(),
            Fault::Bridge(host) => {
                let left = |h: &usize| h.is_multiple_of(2);
                pairs().filter(|(a, b)| *a != host && *b != host && left(a) != left(b)).collect()
            }
            Fault::IsolateLeader(of) => match self.leader(of) {
                Some(host) => pairs().filter(|(a, b)| (*a == host) != (*b == host)).collect(),
                None => return,
            },
            Fault::SlowNetwork(latency) => {
                sim.set_max_message_latency(latency);
                self.slow_until = Some(until);
                return;
            }
            Fault::Loss(share) => {
                sim.set_fail_rate(share);
                self.lossy_until = Some(until);
                return;
            }
            _ => return,
        };
        self.cut.push((until, cut.into_iter().filter(|(a, b)| a != b).collect()));
        self.apply(sim);
    }

    fn leader(&self, of: Option<u16>) -> Option<usize> {
        let running = self.world.running();
        let mut leaders = running.iter().filter(|(_, host)| match of {
            None => host.ownership.is_leader(),
            Some(shard) => host.shards.get(&ShardId(shard)).is_some_and(|(group, _)| group.is_leader()),
        });
        leaders.next().map(|(host, _)| *host)
    }

    /// Ends what is due.
    pub fn step(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let before = self.cut.len();
        self.cut.retain(|(until, _)| *until > now);
        if self.cut.len() != before {
            self.apply(sim);
        }
        if self.slow_until.is_some_and(|until| until <= now) {
            self.slow_until = None;
            sim.set_max_message_latency(self.world.plan.latency);
        }
        if self.lossy_until.is_some_and(|until| until <= now) {
            self.lossy_until = None;
            sim.set_fail_rate(0.0);
            self.apply(sim);
        }
    }

    fn apply(&self, sim: &mut Sim<'_>) {
        let hosts = self.world.plan.hosts;
        for from in 0..hosts {
            for to in (0..hosts).filter(|to| *to != from) {
                if self.cut.iter().any(|(_, cut)| cut.contains(&(from, to))) {
                    sim.partition_oneway(name(from), name(to));
                } else {
                    sim.repair_oneway(name(from), name(to));
                }
            }
        }
    }
}
