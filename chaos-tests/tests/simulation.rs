//! Fifty seeds of the simulation, and that a seed repeats its run.

use plimsoll_chaos_tests::sim;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn fifty_seeds_keep_every_invariant() {
    let next = AtomicU64::new(0);
    let run = || {
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= 50 {
                return failed;
            }
            let outcome = sim::run(seed, false);
            assert!(outcome.acknowledged > 0, "seed {seed} has written nothing");
            failed
                .extend(outcome.violations.into_iter().map(|violation| format!("seed {seed}: {violation}")));
        }
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("the run ends")).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}\nrepeat one with: plimsoll-sim --seed <seed> --trace");
}

/// The hash of everything that happens in the run of `seed`, in a process of its own.
fn hash_of(seed: u64) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_plimsoll-sim"))
        .args(["--seed", &seed.to_string(), "--hash"])
        .output();
    let output = run.expect("plimsoll-sim starts");
    assert!(output.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

// Each run in a fresh process: runs beside each other in one process disturb the order of things (docs/simulation.md).
#[test]
fn a_seed_repeats_its_run_in_a_fresh_process() {
    for seed in [3, 17, 4711] {
        let (once, again) = (hash_of(seed), hash_of(seed));
        assert!(once.contains(" lines"), "seed {seed} tells its hash: {once}");
        assert_eq!(once, again, "seed {seed}");
    }
}
