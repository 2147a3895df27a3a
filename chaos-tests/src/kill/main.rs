//! `plimsoll-kill`: ends a real node with kill -9 under load, again and again, and asks for every acknowledged
//! sample afterwards. Exits non-zero when one is lost, changed, or was never sent.

mod audit;
mod ready;
mod writer;

use anyhow::{Result, ensure};
use clap::Parser;
use plimsoll_chaos_tests::{Ledger, Verdict};
use plimsoll_tests::page;
use plimsoll_tests::plimsoll::Node;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use writer::{Order, Writer};

#[derive(Parser)]
#[command(about = "Ends a node with kill -9 under load and looks for lost samples")]
struct Cli {
    /// How many times the node is killed
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// Seed of the moments at which it is killed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also measure the time to ready with so many series in the head (0: do not)
    #[arg(long, default_value_t = 0)]
    ready_series: usize,
    /// Page whose part "figures of make chaos" is replaced
    #[arg(long)]
    page: Option<PathBuf>,
}

/// A checkpoint every second, so that many kills fall into one.
const SETTINGS: &[(&str, &str)] = &[("storage.checkpoint_interval", "1s")];

/// The node runs so long, in ms, between its being ready and the next kill.
const LIFE_MS: std::ops::Range<u64> = 50..600;

/// One kill in so many falls into the start of the node, before it is ready.
const EARLY_KILL: usize = 8;

fn main() -> Result<()> {
    let cli = Cli::parse();
    let began = Instant::now();
    let (ledger, mut times, verdict) = kill_again_and_again(cli.kills, cli.seed);
    let mut said = String::new();
    writeln!(said, "| kill -9 under load (seed {}) | |\n|---|---:|", cli.seed)?;
    writeln!(said, "| kills | {} |", cli.kills)?;
    writeln!(said, "| samples acknowledged | {} |", ledger.acknowledged())?;
    writeln!(said, "| acknowledged samples lost | {} |", verdict.lost)?;
    writeln!(said, "| samples with another value | {} |", verdict.changed)?;
    writeln!(said, "| samples never sent | {} |", verdict.foreign)?;
    times.sort();
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    writeln!(
        said,
        "| time to ready p50 / p99 / max, ms | {:.0} / {:.0} / {:.0} |",
        at(0.5),
        at(0.99),
        at(1.0)
    )?;
    if cli.ready_series > 0 {
        ready::measure(cli.ready_series, &mut said)?;
    }
    println!("{said}");
    eprintln!("took {:.0} s", began.elapsed().as_secs_f64());
    if let Some(path) = cli.page {
        page::replace(&path, "figures of make chaos", &said)?;
    }
    ensure!(verdict.is_good(), "the node does not have what it acknowledged: {verdict:?}");
    Ok(())
}

/// Returns what the writers know, the times to ready, and what the node has after a last kill.
fn kill_again_and_again(kills: usize, seed: u64) -> (Ledger, Vec<Duration>, Verdict) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut node = Node::start_with(SETTINGS);
    let stop = AtomicBool::new(false);
    let mut times = Vec::new();
    let orders = [Order::Forward, Order::Forward, Order::Forward, Order::Backward];
    let writers: Vec<Writer> =
        (0..).zip(orders).map(|(number, order)| Writer { number, order, http: node.http() }).collect();
    let mut ledger = Ledger::default();
    thread::scope(|scope| {
        let running: Vec<_> = writers.iter().map(|writer| scope.spawn(|| writer.run(&stop))).collect();
        for kill in 1..=kills {
            thread::sleep(Duration::from_millis(rng.random_range(LIFE_MS)));
            node.kill();
            if kill % EARLY_KILL == 0 {
                node.launch();
                thread::sleep(Duration::from_millis(rng.random_range(1..100)));
                node.kill();
            }
            times.push(node.restart());
            if kill % 20 == 0 {
                eprintln!("{kill} of {kills} kills, last ready after {} ms", times[kill - 1].as_millis());
            }
        }
        stop.store(true, Ordering::Relaxed);
        for writer in running {
            ledger.merge(writer.join().expect("a writer does not panic"));
        }
    });
    let before = audit::audit(&ledger, &node.http());
    node.kill();
    times.push(node.restart());
    let after = audit::audit(&ledger, &node.http());
    eprintln!("before the last kill: {before:?}; after it: {after:?}");
    (ledger, times, if before.is_good() { after } else { before })
}
