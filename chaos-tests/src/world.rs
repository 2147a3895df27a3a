//! A cluster under load, those who watch it, and what came of it.

use crate::invariants::one_leader_a_term::Terms;
use crate::invariants::reads_answer::Reads;
use crate::invariants::{acknowledged_is_kept, nothing_is_invented, replicas_are_equal};
use crate::load::Load;
use crate::network::Network;
use crate::report::Row;
use crate::samples::{audit, now_ms};
use crate::{Ledger, Verdict};
use plimsoll_tests::cluster::{Cluster, SETTLE_LIMIT};
use plimsoll_tests::plimsoll::Place;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A checkpoint every other second, so that many faults fall into one, and logs are cut all the time.
pub const SETTINGS: &[(&str, &str)] = &[("storage.checkpoint_interval", "2s")];

/// Replicas have so long to be equal after the world is healed.
const EQUAL_LIMIT: Duration = Duration::from_secs(60);

/// What a scenario is run with.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Of all that is left to chance.
    pub seed: u64,
    /// How often the fault strikes.
    pub rounds: usize,
}

/// The cluster and its witnesses.
pub struct World {
    /// The nodes.
    pub cluster: Cluster,
    /// Their namespaces, where they are in some.
    pub network: Option<Arc<Network>>,
    /// The writers.
    pub load: Load,
    /// Who said to lead what.
    pub terms: Terms,
    /// The reader.
    pub reads: Reads,
    /// All that is left to chance.
    pub rng: StdRng,
    /// What is wrong so far.
    pub violations: Vec<String>,
    gaps: Vec<Duration>,
    struck: usize,
    verdict: Verdict,
    equal: Vec<Duration>,
    audited_to_ms: i64,
    order: Order,
}

impl World {
    /// `count` nodes on loopback.
    pub fn start(count: usize, settings: &[(&str, &str)], order: Order) -> Self {
        Self::start_at(count, settings, order, None, |_| Place::default())
    }

    /// `count` nodes, each in a namespace of its own.
    pub fn start_apart(count: usize, settings: &[(&str, &str)], order: Order) -> Self {
        let network = Arc::new(Network::new());
        let places = network.clone();
        Self::start_at(count, settings, order, Some(network), move |at| places.place(at))
    }

    /// `count` nodes where `place` says.
    pub fn start_at(
        count: usize,
        settings: &[(&str, &str)],
        order: Order,
        network: Option<Arc<Network>>,
        place: impl FnMut(usize) -> Place + Send + 'static,
    ) -> Self {
        let settings = [SETTINGS, settings].concat();
        let cluster = Cluster::start_at(count, &settings, place);
        let urls: Vec<String> = (0..count).map(|at| cluster.node(at).url()).collect();
        let load = Load::start(urls.clone());
        while load.acknowledged() == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            terms: Terms::watch(&urls),
            reads: Reads::start(&urls),
            cluster,
            network,
            load,
            rng: StdRng::seed_from_u64(order.seed),
            violations: Vec::new(),
            gaps: Vec::new(),
            struck: 0,
            verdict: Verdict::default(),
            equal: Vec::new(),
            audited_to_ms: now_ms(),
            order,
        }
    }

    /// Lets time pass under load.
    pub fn live(&mut self, ms: std::ops::Range<u64>) {
        let pause = Duration::from_millis(self.rng.random_range(ms));
        std::thread::sleep(pause);
    }

    /// One of the nodes that run, by chance.
    pub fn any_node(&mut self) -> usize {
        let running = self.cluster.running();
        running[self.rng.random_range(0..running.len())]
    }

    /// A running node that leads shards, by chance; any node where nobody does at the moment.
    pub fn any_leader(&mut self) -> usize {
        let leaders: Vec<usize> =
            self.cluster.leaders().into_keys().filter(|at| self.cluster.node(*at).runs()).collect();
        if leaders.is_empty() { self.any_node() } else { leaders[self.rng.random_range(0..leaders.len())] }
    }

    /// Notes how long writers had to wait for an acknowledgement since `from`, when a fault struck.
    pub fn note_gap(&mut self, from: Instant) {
        self.gaps.push(self.load.longest_wait(from, Instant::now()));
    }

    /// After a fault is healed: waits for liveness, then compares the samples of this round with what every running
    /// node answers.
    pub fn round(&mut self) {
        self.struck += 1;
        self.cluster.wait_settled(SETTLE_LIMIT);
        let from = self.audited_to_ms;
        self.audited_to_ms = now_ms();
        let ledgers = self.load.since(from);
        for at in self.cluster.running() {
            self.audit(at, &ledgers);
        }
        let (struck, rounds, acknowledged) = (self.struck, self.order.rounds, self.load.acknowledged());
        if struck.is_multiple_of(10) || struck == rounds {
            eprintln!(
                "  round {struck} of {rounds}: {acknowledged} samples acknowledged, {:?}",
                self.verdict
            );
        }
    }

    /// Waits until all replicas are equal, with the writers held still.
    pub fn compare_replicas(&mut self) {
        self.load.pause(true);
        match replicas_are_equal::wait(&self.cluster, EQUAL_LIMIT) {
            Ok(took) => self.equal.push(took),
            Err(what) => {
                self.violations.push(what);
                self.keep_folders();
            }
        }
        self.load.pause(false);
    }

    /// Leaves the nodes' data and logs to be looked at.
    fn keep_folders(&mut self) {
        for at in 0..self.cluster.len() {
            let node = self.cluster.node_mut(at);
            node.keep_folder();
            eprintln!("  {at}: {} is kept: {:?}", node.folder().display(), self.violations.last());
        }
    }

    fn audit(&mut self, at: usize, ledgers: &[Ledger]) -> Verdict {
        let http = self.cluster.node(at).http();
        let mut all = Verdict::default();
        for (writer, ledger) in ledgers.iter().enumerate() {
            match audit(&http, writer, ledger) {
                Ok(verdict) => all.add(verdict),
                Err(text) => {
                    self.violations.push(format!("node {at} cannot be asked for all samples: {text}"))
                }
            }
        }
        self.verdict.lost = self.verdict.lost.max(all.lost);
        self.verdict.changed = self.verdict.changed.max(all.changed);
        self.verdict.foreign = self.verdict.foreign.max(all.foreign);
        self.verdict.kept = all.kept;
        all
    }

    /// Ends the load, compares every sample with what every running node answers, and the replicas with one another.
    pub fn finish(mut self) -> Row {
        self.cluster.wait_settled(SETTLE_LIMIT);
        self.compare_replicas();
        let (requests, repeated) = self.load.requests();
        let mut latencies = self.load.latencies_us();
        latencies.sort_unstable();
        let ledgers = self.load.finish();
        for at in self.cluster.running() {
            self.audit(at, &ledgers);
        }
        let mut violations = std::mem::take(&mut self.violations);
        violations.extend(acknowledged_is_kept::check(&self.verdict));
        violations.extend(nothing_is_invented::check(&self.verdict));
        let split = self.terms.violations();
        violations.extend(split.iter().cloned());
        self.gaps.sort();
        let (reads, failed_reads) = self.reads.counts();
        let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or(0);
        let longest_equal = self.equal.iter().max().map_or(0.0, Duration::as_secs_f64);
        let notes = vec![
            format!(
                "{requests} requests, {repeated} tries repeated, p99 of all {:.0} ms",
                f64::from(p99) / 1e3
            ),
            format!(
                "{reads} reads, {failed_reads} failed, {} answered by a second node, longest {:.1} s",
                self.reads.trouble().0,
                self.reads.trouble().1.as_secs_f64()
            ),
            format!("replicas equal {longest_equal:.1} s after healing at most"),
        ];
        Row {
            rounds: self.struck,
            acknowledged: ledgers.iter().map(Ledger::acknowledged).sum(),
            lost: self.verdict.lost + self.verdict.changed,
            foreign: self.verdict.foreign,
            split: split.len(),
            leaderships: self.terms.size().1,
            gaps: self.gaps,
            notes,
            violations,
        }
    }
}
