//! Cost of groups of three nodes in one process: idle, under load, and when a leader's node is cut off.
//!
//! `cargo run --release -p plimsoll-consensus --example cluster [groups] [idle s] [load s] [fail-overs] [bytes]`
//!
//! Every node has its own log with fsync, and messages are encoded as between processes; what is missing is the
//! network itself.

#[path = "shared/counter.rs"]
mod counter;

use bytes::Bytes;
use counter::{Counter, argument, cpu};
use plimsoll_consensus::{Group, GroupId, InProcess, Log, LogOptions, Options, Read};
use plimsoll_model::NodeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const NODES: usize = 3;
const LIMIT: Duration = Duration::from_secs(30);

struct Cluster {
    net: InProcess,
    _dirs: Vec<tempfile::TempDir>,
    logs: Vec<Log>,
    /// By group, then by node.
    groups: Vec<Vec<Group>>,
}

fn ids() -> Vec<NodeId> {
    (1..=NODES as u64).map(NodeId).collect()
}

impl Cluster {
    async fn start(groups: u64) -> Self {
        let net = InProcess::new();
        let dirs: Vec<_> = (0..NODES).map(|_| tempfile::tempdir().expect("a directory")).collect();
        let logs: Vec<_> = dirs
            .iter()
            .map(|dir| Log::open(dir.path(), LogOptions::default()).expect("the directory is writable"))
            .collect();
        let mut all = Vec::new();
        for number in 0..groups {
            let mut members = Vec::new();
            for (node, log) in ids().into_iter().zip(&logs) {
                let id = GroupId(0x100 + number);
                let machine = Arc::<Counter>::default();
                let group = Group::start(id, node, log, machine, net.of(node), Options::default()).await;
                let group = group.expect("a new group starts");
                net.connect(&group);
                members.push(group);
            }
            // The one that initializes leads, which spreads the leaders.
            members[number as usize % NODES].initialize(&ids()).await.expect("it is new");
            all.push(members);
        }
        let cluster = Self { net, _dirs: dirs, logs, groups: all };
        for group in 0..cluster.groups.len() {
            cluster.leader(group, None).await;
        }
        cluster
    }

    /// The node other than `not` that leads `group` and takes proposals.
    async fn leader(&self, group: usize, not: Option<usize>) -> usize {
        let deadline = Instant::now() + LIMIT;
        loop {
            for (node, member) in self.groups[group].iter().enumerate() {
                if Some(node) != not && member.is_leader() && member.read_barrier(Read::Index).await.is_ok() {
                    return node;
                }
            }
            assert!(Instant::now() < deadline, "no leader");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn idle(&self, seconds: u64) {
        let (before, started) = (cpu(), Instant::now());
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let share = (cpu() - before).as_secs_f64() / started.elapsed().as_secs_f64() * 100.0;
        println!(
            "{} idle groups of {NODES}: {share:.2} % of a core, {:.2} % a node",
            self.groups.len(),
            share / NODES as f64
        );
    }

    async fn load(&self, seconds: u64, bytes: usize) {
        let stop = Arc::new(AtomicBool::new(false));
        let command = Bytes::from(vec![0xa5; bytes]);
        let first: u64 = self.logs.iter().map(|log| log.stats().writes).sum();
        let (before, started) = (cpu(), Instant::now());
        let mut tasks = Vec::new();
        for number in 0..self.groups.len() {
            let group = self.groups[number][self.leader(number, None).await].clone();
            for _ in 0..2 {
                let (group, command, stop) = (group.clone(), command.clone(), Arc::clone(&stop));
                tasks.push(tokio::spawn(async move {
                    let mut waits = Vec::new();
                    while !stop.load(Relaxed) {
                        let asked = Instant::now();
                        group.propose(command.clone()).await.expect("done");
                        waits.push(asked.elapsed());
                    }
                    waits
                }));
            }
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.store(true, Relaxed);
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await.expect("no panic"));
        }
        let (used, elapsed) = (cpu() - before, started.elapsed());
        let writes: u64 = self.logs.iter().map(|log| log.stats().writes).sum();
        let entries = waits.len() as f64;
        println!(
            "{entries} entries of {bytes} bytes: {:.0} entries/s, CPU {:.1} us an entry on {NODES} nodes",
            entries / elapsed.as_secs_f64(),
            used.as_secs_f64() * 1e6 / entries
        );
        println!("{:.2} entries a write", entries * NODES as f64 / (writes - first) as f64);
        report("wait", waits);
    }

    /// Cuts one node off after the other; the survivors replace it `noticed` later, or by themselves.
    async fn fail_over(&self, rounds: u64, noticed: Option<Duration>) {
        let mut gaps = Vec::new();
        for round in 0..rounds {
            let dead = round as usize % NODES;
            self.net.isolate(ids()[dead], &ids());
            let cut = Instant::now();
            let mut waiting = Vec::new();
            for members in &self.groups {
                if !members[dead].is_leader() {
                    continue;
                }
                let survivors: Vec<Group> = members
                    .iter()
                    .enumerate()
                    .filter(|(node, _)| *node != dead)
                    .map(|(_, g)| g.clone())
                    .collect();
                if let Some(noticed) = noticed {
                    for group in survivors.clone() {
                        tokio::spawn(async move {
                            tokio::time::sleep(noticed).await;
                            group.replace_leader(ids()[dead], LIMIT).await
                        });
                    }
                }
                waiting.push(tokio::spawn(async move {
                    loop {
                        for group in &survivors {
                            if group.is_leader() && group.propose(Bytes::from_static(b"after")).await.is_ok()
                            {
                                return cut.elapsed();
                            }
                        }
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }));
            }
            for gap in waiting {
                gaps.push(gap.await.expect("no panic"));
            }
            self.net.heal();
            for (number, members) in self.groups.iter().enumerate() {
                let leader = self.leader(number, None).await;
                for node in ids() {
                    members[leader].wait_caught_up(node, LIMIT).await.expect("catches up");
                }
                // Spread again, for the next round.
                let wanted = number % NODES;
                if leader != wanted {
                    members[leader].transfer(ids()[wanted], LIMIT).await.expect("hands over");
                }
            }
        }
        match noticed {
            Some(noticed) => report(&format!("fail-over, noticed after {noticed:?}"), gaps),
            None => report("fail-over by time-outs alone", gaps),
        }
    }
}

fn report(what: &str, mut waits: Vec<Duration>) {
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!("{what}: {} times, p50 {:.2?}, p99 {:.2?}, max {:.2?}", waits.len(), at(0.5), at(0.99), at(1.0));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let cluster = Cluster::start(argument(1, 17)).await;
    cluster.idle(argument(2, 10)).await;
    cluster.load(argument(3, 5), argument(5, 5000) as usize).await;
    let rounds = argument(4, 6);
    cluster.fail_over(rounds, Some(Duration::from_millis(30))).await;
    cluster.fail_over(rounds, Some(Duration::from_millis(500))).await;
    cluster.fail_over(rounds, None).await;
}
