//! How each fault is begun and ended.

pub mod hosts;
pub mod links;

use super::plan::{Event, Fault};
use super::world::{Order, Shared};
use plimsoll_model::ShardId;
use std::time::Duration;
use turmoil::Sim;

/// The faults of a run, as they come and go.
pub struct Faults {
    world: Shared,
    coming: Vec<Event>,
    links: links::Links,
    hosts: hosts::Hosts,
}

impl Faults {
    /// The faults of the world's plan.
    pub fn new(world: &Shared) -> Self {
        let mut coming = world.plan.events.clone();
        coming.reverse();
        Self {
            world: world.clone(),
            coming,
            links: links::Links::new(world),
            hosts: hosts::Hosts::new(world),
        }
    }

    /// Begins and ends what is due.
    pub fn step(&mut self, sim: &mut Sim<'_>, now: Duration) {
        while self.coming.last().is_some_and(|event| event.at <= now) {
            let Some(Event { lasts, fault, .. }) = self.coming.pop() else { break };
            self.world.trace.say("fault", format_args!("{fault:?} for {lasts:?}"));
            self.begin(sim, fault, now + lasts);
        }
        self.links.step(sim, now);
        self.hosts.step(sim, now);
    }

    /// Ends everything that is under way.
    pub fn end(&mut self, sim: &mut Sim<'_>) {
        self.world.trace.say("fault", format_args!("all faults end"));
        self.coming.clear();
        self.links.step(sim, Duration::MAX);
        self.hosts.step(sim, Duration::MAX);
    }

    fn begin(&mut self, sim: &mut Sim<'_>, fault: Fault, until: Duration) {
        match fault {
            Fault::Crash(hosts) => hosts.into_iter().for_each(|host| self.hosts.crash(sim, host, until)),
            Fault::SlowDisk(host, sync) => self.hosts.slow_disk(host, sync, until),
            Fault::BrokenDisk(host) => self.hosts.break_disk(host, until),
            Fault::Join(host) => self.world.let_join(host),
            Fault::Drain(host) => self.world.order_of(host, Order::Drain),
            Fault::Transfer(shard) => self.world.order(Order::Transfer(ShardId(shard))),
            Fault::Checkpoint => self.world.order(Order::Checkpoint),
            other => self.links.begin(sim, other, until),
        }
    }
}
