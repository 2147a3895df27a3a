//! Appends, reads, checkpoints, merges and expiry at the same time.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const NOON: i64 = 20_000 * 86_400_000 + 43_200_000;
const SERIES: usize = 12;
const SAMPLES: i64 = 6000;

#[test]
fn a_reader_sees_every_acknowledged_sample_whatever_goes_on_beside_it() {
    let place = Place::new();
    let all: Vec<Labels> = (0..SERIES).map(|i| labels("up", &format!("h{i}"))).collect();
    let refs: Vec<SeriesRef> = all.iter().map(|l| apply(&place.shard, 0, &floats(l, &[])).refs[0]).collect();
    let (acknowledged, done) = (AtomicI64::new(0), AtomicBool::new(false));
    let (shard, acknowledged, done) = (&place.shard, &acknowledged, &done);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for k in 0..SAMPLES {
                let at = NOON + k * 15_000;
                let command = command(|b| refs.iter().for_each(|r| b.float(Target::Known(*r), at, k as f64)));
                assert_eq!(apply(shard, k as u64, &command).stored, SERIES as u32);
                acknowledged.store(k + 1, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        scope.spawn(move || {
            for i in 0.. {
                shard.checkpoint().expect("a checkpoint");
                shard
                    .compact(NOON + acknowledged.load(Ordering::SeqCst) * 15_000, i % 7 == 6)
                    .expect("a compaction");
                if done.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                let least = acknowledged.load(Ordering::SeqCst);
                let selection = shard.select(&[], TimeRange::ALL).expect("a selection");
                // What happens after the selection must not change it.
                std::thread::yield_now();
                let mut samples = Vec::new();
                selection.read(0..selection.len(), &mut samples).expect("samples");
                assert_eq!((selection.len(), selection.warnings()), (SERIES, Vec::<String>::new()));
                for s in &samples {
                    assert!(s.len() as i64 >= least, "{} samples of {least}", s.len());
                    assert!(s.floats.values.iter().enumerate().all(|(k, v)| *v == k as f64));
                }
            }
        });
    });
    for labels in &all {
        assert_eq!(read(shard, labels).len() as i64, SAMPLES);
    }
}
