//! Seeded simulation: a whole cluster on one thread, with simulated network, time and disks.
//!
//! Owns: the simulated hosts and what goes wrong with them, the model that shards replicate, the invariants.
//! Does not own: consensus, ownership, placement and the walk of shards: those are the node's own.
//!
//! In reading order: a seed chooses a `plan`; a `host` is a node whose surroundings are simulated; a `client`
//! writes and reads; `faults` come and go; `invariants` watch; the [`trace`] tells, and its hash proves that a seed
//! repeats a run.

mod client;
mod faults;
mod host;
mod invariants;
mod model;
mod net;
pub mod plan;
pub mod trace;
mod world;

use faults::Faults;
use invariants::placement::unsettled;
use plan::Plan;
use plimsoll_consensus::{GroupId, SeededThread};
use plimsoll_model::ShardId;
use std::time::{Duration, Instant};
use turmoil::{Builder, Sim};
use world::{Shared, World};

/// Clients that write and read at the same time.
const CLIENTS: usize = 2;
/// How long writes go on after the faults have ended; they must succeed again.
const AFTER: Duration = Duration::from_secs(6);
/// How long a cluster without faults may take until everything is where it should be.
const SETTLE: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What did not hold; empty when all is well.
    pub violations: Vec<String>,
    /// Hash of the trace, and its lines.
    pub trace: (u64, u64),
    /// Acknowledged writes.
    pub acknowledged: usize,
    /// Reads that were compared with what was acknowledged before.
    pub reads: usize,
    /// Leaderships.
    pub leaderships: usize,
    /// Simulated time.
    pub simulated: Duration,
    /// Real time.
    pub took: Duration,
}

/// Runs the simulation of `seed`; with `show`, prints what happens.
///
/// Each run has a thread of its own: what libraries keep by the thread would else go from one run into the next.
pub fn run(seed: u64, show: bool) -> Outcome {
    std::thread::scope(|scope| {
        scope.spawn(|| run_here(seed, show)).join().expect("a run tells failures as violations")
    })
}

fn run_here(seed: u64, show: bool) -> Outcome {
    let started = Instant::now();
    let _random = SeededThread::begin(seed);
    let world = World::new(Plan::of(seed), show);
    world.trace.say("plan", format_args!("{:?}", world.plan));
    let mut sim = Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_secs(3600))
        .tick_duration(world.plan.tick)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(world.plan.latency)
        .tcp_capacity(65_536)
        .build();
    for host in 0..world.plan.hosts {
        let world = world.clone();
        sim.host(net::name(host), move || host::live(host, world.clone()));
    }
    for number in 0..CLIENTS {
        sim.client(format!("c{number}"), client::work(number, world.clone()));
    }
    if let Err(error) = drive(&mut sim, &world) {
        world.check(Err(format!("the simulation stopped: {error}")));
    }
    let simulated = sim.elapsed();
    let running = std::mem::take(&mut *world.running());
    drop(sim);
    drop(running);
    let invariants = world.invariants();
    Outcome {
        seed,
        violations: invariants.violations().to_vec(),
        trace: world.trace.hash(),
        acknowledged: invariants.acknowledged.count(),
        reads: invariants.reads(),
        leaderships: invariants.leaders.count(),
        simulated,
        took: started.elapsed(),
    }
}

fn drive(sim: &mut Sim<'_>, world: &Shared) -> turmoil::Result {
    let mut faults = Faults::new(world);
    while sim.elapsed() < world.plan.faults_end {
        sim.step()?;
        faults.step(sim, sim.elapsed());
    }
    faults.end(sim);
    let healed = sim.elapsed();
    let before: Vec<u64> = shards(world).map(|group| world.invariants().acknowledged.newest(group)).collect();
    while sim.elapsed() < healed + AFTER {
        sim.step()?;
        faults.step(sim, sim.elapsed());
    }
    let settled = loop {
        let behind = shards(world)
            .zip(&before)
            .find(|(group, before)| world.invariants().acknowledged.newest(*group) <= **before);
        let reason = match behind {
            Some((group, _)) => Some(format!("{group} takes no writes")),
            None => {
                world.stop_writing();
                unsettled(&world.running())
            }
        };
        match reason {
            None => break Ok(()),
            Some(reason) if sim.elapsed() > healed + SETTLE => {
                break Err(format!("{SETTLE:?} after the last fault: {reason}"));
            }
            Some(_) => {}
        }
        for _ in 0..50 {
            sim.step()?;
        }
        faults.step(sim, sim.elapsed());
    };
    let is_settled = settled.is_ok();
    world.check(settled);
    if is_settled {
        compare(world);
    }
    Ok(())
}

fn shards(world: &Shared) -> impl Iterator<Item = GroupId> + use<> {
    (0..world.plan.shards).map(|shard| GroupId::of_shard(ShardId(shard)))
}

/// Compares every replica with what clients were told.
fn compare(world: &Shared) {
    let running = world.running().clone();
    for (group, machine) in running.values().flat_map(|host| host.shards.values()) {
        let writes = machine.read(|model| model.writes().to_vec());
        world.trace.say("end", format_args!("{} holds {} writes", group.id().0, writes.len()));
        let held = world.invariants().acknowledged.compare(group.id(), &writes);
        world.check(held);
    }
}
