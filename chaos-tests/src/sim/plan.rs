//! All that a seed chooses before the run: how many nodes, how fast everything is, which faults come when.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// The plan of one run. Equal seeds make equal plans.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Nodes that found the cluster.
    pub founders: usize,
    /// Hosts in all: founders, and those that may join later.
    pub hosts: usize,
    /// Shards of the cluster.
    pub shards: u16,
    /// Granularity of the simulated network.
    pub tick: Duration,
    /// Message latency at its longest, without a fault.
    pub latency: Duration,
    /// How long a sync takes without a fault, shortest and longest.
    pub sync: (Duration, Duration),
    /// How fast the clock of each host runs.
    pub clocks: Vec<f64>,
    /// Entries that checkpoints leave in the log; few make snapshots likely.
    pub keep_for_peers: u64,
    /// Time between two checkpoints of a group.
    pub checkpoint_every: Duration,
    /// Whether survivors act on a peer's death at once or leave it to time-outs.
    pub replace_leaders: bool,
    /// Faults by their time.
    pub events: Vec<Event>,
    /// When the faults end.
    pub faults_end: Duration,
}

/// A fault at its time.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it comes.
    pub at: Duration,
    /// How long it lasts; those that last until they are undone by their nature ignore it.
    pub lasts: Duration,
    /// What.
    pub fault: Fault,
}

/// What may go wrong, or be asked of the cluster meanwhile. Hosts go by their place.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No message between one side and the other.
    Partition(Vec<usize>),
    /// Nothing from this host arrives at the others; it hears them.
    Mute(usize),
    /// This host hears nothing; the others hear it.
    Deaf(usize),
    /// The hosts fall into two halves that only this one reaches.
    Bridge(usize),
    /// Whoever leads the ownership group or a shard is cut off.
    IsolateLeader(Option<u16>),
    /// Messages take up to so long.
    SlowNetwork(Duration),
    /// This share of messages makes a link fail for a while.
    Loss(f64),
    /// Hosts end at once; what they had not synced is lost.
    Crash(Vec<usize>),
    /// A disk takes so long for a sync.
    SlowDisk(usize, Duration),
    /// A disk refuses to be written: the node must stop.
    BrokenDisk(usize),
    /// A host joins the cluster.
    Join(usize),
    /// A host's replicas are moved away, and it leaves.
    Drain(usize),
    /// A shard's leader is asked to hand over.
    Transfer(u16),
    /// A group is checkpointed and its log cut, wherever it runs.
    Checkpoint,
}

impl Plan {
    /// What `seed` chooses.
    pub fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let founders = *[3, 3, 3, 4, 5].choose(&mut random).expect("not empty");
        let hosts = founders + random.random_range(0..=1);
        let shards = random.random_range(1..=3);
        let tick = Duration::from_millis(random.random_range(2..=5));
        let ms = |random: &mut StdRng, range: std::ops::RangeInclusive<u64>| {
            Duration::from_millis(random.random_range(range))
        };
        let sync = ms(&mut random, 0..=3);
        let mut plan = Self {
            seed,
            founders,
            hosts,
            shards,
            tick,
            latency: ms(&mut random, 2..=30),
            sync: (sync, sync + ms(&mut random, 0..=20)),
            clocks: (0..hosts).map(|_| random.random_range(0.97..1.03)).collect(),
            keep_for_peers: *[0, 5, 50, 1000].choose(&mut random).expect("not empty"),
            checkpoint_every: ms(&mut random, 500..=6000),
            replace_leaders: random.random_bool(0.7),
            events: Vec::new(),
            faults_end: ms(&mut random, 12_000..=20_000),
        };
        plan.add_events(&mut random);
        plan
    }

    fn add_events(&mut self, random: &mut StdRng) {
        for host in self.founders..self.hosts {
            let at = Duration::from_millis(random.random_range(1000..8000));
            self.events.push(Event { at, lasts: Duration::ZERO, fault: Fault::Join(host) });
        }
        // Most clusters keep three nodes or more, so that a drain can end.
        if self.hosts > 3 && random.random_bool(0.6) {
            let at = Duration::from_millis(random.random_range(5000..10_000));
            let fault = Fault::Drain(random.random_range(0..self.founders));
            self.events.push(Event { at, lasts: Duration::ZERO, fault });
        }
        let count = random.random_range(3..=9);
        let end = self.faults_end.as_millis() as u64;
        for _ in 0..count {
            let at = Duration::from_millis(random.random_range(2500..end - 500));
            let lasts = Duration::from_millis(random.random_range(100..=4000)).min(self.faults_end - at);
            let fault = self.fault(random);
            self.events.push(Event { at, lasts, fault });
        }
        self.events.sort_by_key(|event| event.at);
    }

    fn fault(&self, random: &mut StdRng) -> Fault {
        let host = random.random_range(0..self.hosts);
        let some =
            |random: &mut StdRng| (0..self.hosts).filter(|_| random.random_bool(0.4)).collect::<Vec<_>>();
        match random.random_range(0..14) {
            0 => Fault::Partition(some(random)),
            1 => Fault::Mute(host),
            2 => Fault::Deaf(host),
            3 => Fault::Bridge(host),
            4 => Fault::IsolateLeader(None),
            5 => Fault::IsolateLeader(Some(random.random_range(0..self.shards))),
            6 => Fault::SlowNetwork(Duration::from_millis(random.random_range(50..=600))),
            7 => Fault::Loss(random.random_range(0.001..0.02)),
            8 => Fault::Crash(vec![host]),
            9 => Fault::Crash(some(random)),
            10 if random.random_bool(0.5) => Fault::Crash((0..self.hosts).collect()),
            10 => Fault::BrokenDisk(host),
            11 => Fault::SlowDisk(host, Duration::from_millis(random.random_range(100..=1500))),
            12 => Fault::Transfer(random.random_range(0..self.shards)),
            _ => Fault::Checkpoint,
        }
    }
}
