//! `plimsoll-sim`: runs seeds of the simulation, and names those in which something did not hold.

use clap::Parser;
use plimsoll_chaos_tests::sim::{self, Outcome};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Simulates clusters, a seed each: whole nodes' decisions over simulated network, time and disks.
#[derive(Parser)]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 50)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run only this one.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Print only the hash of what happens, to compare runs.
    #[arg(long, requires = "seed", conflicts_with = "trace")]
    hash: bool,
    /// Simulations at a time; each has one thread.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
}

fn main() {
    let args = Args::parse();
    if let (true, Some(seed)) = (args.hash, args.seed) {
        let (hash, lines) = sim::run(seed, false).trace;
        return println!("{hash:016x} of {lines} lines");
    }
    let (from, seeds) = args.seed.map_or((args.from, args.seeds), |seed| (seed, 1));
    let started = Instant::now();
    let next = AtomicU64::new(from);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    let outcome = sim::run(seed, args.trace);
                    tell(&outcome);
                    outcomes.lock().expect("no thread panicked with it").push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no thread panicked with it");
    let failed = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    let simulated: Duration = outcomes.iter().map(|outcome| outcome.simulated).sum();
    println!(
        "{} seeds from {from}: {failed} failed; {} writes acknowledged, {} reads, {} leaderships; {:.1} h simulated in {:.0} s",
        outcomes.len(),
        sum(|o| o.acknowledged),
        sum(|o| o.reads),
        sum(|o| o.leaderships),
        simulated.as_secs_f64() / 3600.0,
        started.elapsed().as_secs_f64(),
    );
    if let [only] = &outcomes[..] {
        println!("trace {:016x} of {} lines, {:.2?}", only.trace.0, only.trace.1, only.took);
    }
    if failed > 0 {
        std::process::exit(1);
    }
}

fn tell(outcome: &Outcome) {
    if std::env::var_os("PLIMSOLL_SIM_HASHES").is_some() {
        println!("seed {} trace {:016x}", outcome.seed, outcome.trace.0);
    }
    for violation in &outcome.violations {
        println!(
            "seed {} FAILED: {violation}; repeat with: plimsoll-sim --seed {} --trace",
            outcome.seed, outcome.seed
        );
    }
}
