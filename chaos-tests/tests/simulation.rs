//! Fifty seeds of the simulation, and that a seed repeats its run.

use plimsoll_chaos_tests::sim;
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

#[test]
fn a_seed_repeats_its_run() {
    for seed in [3, 17, 4711] {
        let (once, again) = (sim::run(seed, false), sim::run(seed, false));
        assert_eq!(once.trace, again.trace, "seed {seed}");
    }
}
