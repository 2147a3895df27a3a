//! CPU of replication: groups of one node, several proposers each, entries of 5 KB, fsync on.
//!
//! `cargo run --release -p plimsoll-consensus --example append [seconds] [groups] [proposers] [bytes] [dir]`

#[path = "shared/counter.rs"]
mod counter;

use bytes::Bytes;
use counter::{Counter, argument, cpu};
use plimsoll_consensus::{Group, GroupId, Log, LogOptions, NoPeers, Options};
use plimsoll_model::NodeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (seconds, groups, proposers) = (argument(1, 5), argument(2, 16), argument(3, 4));
    let bytes = argument(4, 5000) as usize;
    let dir = std::env::args().nth(5).map_or_else(
        || std::env::temp_dir().join(format!("plimsoll-append-{}", std::process::id())),
        std::path::PathBuf::from,
    );
    let log = Log::open(&dir, LogOptions::default()).expect("the directory is writable");
    let mut running = Vec::new();
    for number in 0..groups {
        let id = GroupId(0x100 + number);
        let machine = Arc::<Counter>::default();
        let started =
            Group::start(id, NodeId(1), &log, machine.clone(), Arc::new(NoPeers), Options::default());
        let group = started.await.expect("a new group starts");
        group.initialize_alone().await.expect("it is new");
        group.wait_ready(Duration::from_secs(10)).await.expect("it leads");
        running.push((group, machine));
    }

    let (idle_cpu, idle) = (cpu(), Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds.max(2))).await;
    let share = (cpu() - idle_cpu).as_secs_f64() / idle.elapsed().as_secs_f64() * 100.0;
    println!("{groups} idle groups: {share:.2} % of a core");

    let command = Bytes::from(vec![0xa5; bytes]);
    let stop = Arc::new(AtomicBool::new(false));
    let (before, started) = (cpu(), Instant::now());
    let first = log.stats();
    let mut tasks = Vec::new();
    for (group, _) in &running {
        for _ in 0..proposers {
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
    let purging = {
        let (log, stop) = (log.clone(), Arc::clone(&stop));
        let groups: Vec<Group> = running.iter().map(|(group, _)| group.clone()).collect();
        tokio::spawn(async move {
            while !stop.load(Relaxed) {
                tokio::time::sleep(Duration::from_millis(500)).await;
                for group in &groups {
                    group.checkpoint().await.expect("a checkpoint");
                }
                let log = log.clone();
                let purged = tokio::task::spawn_blocking(move || log.purge()).await;
                purged.expect("no panic").expect("purges");
            }
        })
    };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Relaxed);
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.expect("no panic"));
    }
    let (used, elapsed) = (cpu() - before, started.elapsed());
    purging.await.expect("no panic");
    waits.sort();
    let entries = waits.len() as f64;
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    let stats = log.stats();
    let writes = (stats.writes - first.writes) as f64;
    println!(
        "{entries} entries of {bytes} bytes in {elapsed:.2?}: {:.0} entries/s",
        entries / elapsed.as_secs_f64()
    );
    println!("CPU {:.1} us an entry", used.as_secs_f64() * 1e6 / entries);
    println!("wait p50 {:.2?}, p99 {:.2?}", at(0.5), at(0.99));
    println!(
        "{:.1} entries a write, {:.2} ms a write",
        entries / writes,
        (stats.write_nanos - first.write_nanos) as f64 / writes / 1e6
    );
    let calls: u64 = running.iter().map(|(_, machine)| machine.calls.load(Relaxed)).sum();
    println!("{:.2} entries an apply; log {} bytes", entries / calls as f64, stats.disk_bytes);
    for (group, _) in &running {
        group.shutdown().await.expect("stops");
    }
    drop(running);
    log.close().await;
    let _ = std::fs::remove_dir_all(&dir);
}
