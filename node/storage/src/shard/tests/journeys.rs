//! What a shard does for one sample after another.

use super::*;

const DAY: i64 = 86_400_000;
const NOON: i64 = 20_000 * DAY + DAY / 2;

#[test]
fn samples_are_there_at_once_after_a_checkpoint_after_a_restart_and_after_a_compaction() {
    let mut place = Place::new();
    let up = labels("up", "a");
    let samples: Vec<(i64, f64)> = (0..1000).map(|i| (NOON + i * 15_000, i as f64 / 4.0)).collect();
    let applied = apply(&place.shard, 1, &floats(&up, &samples));
    assert_eq!((applied.refs, applied.stored), (vec![SeriesRef(0)], 1000));
    assert_eq!(read(&place.shard, &up), samples);
    let done = place.shard.checkpoint().expect("a checkpoint");
    assert_eq!(done.position.as_deref(), Some(&1u64.to_be_bytes()[..]));
    assert_eq!(read(&place.shard, &up), samples);
    place = place.reopen();
    assert_eq!(place.shard.position(), done.position);
    assert_eq!(read(&place.shard, &up), samples);
    let compacted = place.shard.compact(NOON, true).expect("a compaction");
    assert_eq!(compacted.samples, 1000);
    assert_eq!(read(&place.shard, &up), samples);
    place = place.reopen();
    assert_eq!(read(&place.shard, &up), samples);
    assert_eq!(apply(&place.shard, 2, &floats(&up, &[])).refs, vec![SeriesRef(0)]);
}

#[test]
fn an_older_sample_is_merged_in_order() {
    let place = Place::new();
    let up = labels("up", "a");
    let all: Vec<(i64, f64)> = (0..400).map(|i| (NOON + i * 1000, i as f64)).collect();
    let (even, odd): (Vec<_>, Vec<_>) = all.iter().copied().partition(|(at, _)| at % 2000 == 0);
    apply(&place.shard, 1, &floats(&up, &even));
    apply(&place.shard, 2, &floats(&up, &odd));
    assert_eq!(read(&place.shard, &up), all);
    place.shard.checkpoint().expect("a checkpoint");
    assert_eq!(read(&place.shard, &up), all);
    place.shard.compact(0, true).expect("a compaction");
    assert_eq!(read(&place.shard, &up), all);
}

#[test]
fn an_equal_sample_is_a_duplicate_and_the_last_of_different_ones_wins() {
    let place = Place::new();
    let up = labels("up", "a");
    let r = apply(&place.shard, 1, &floats(&up, &[(1000, 1.0), (2000, 2.0), (3000, 3.0)])).refs[0];
    let again = apply(&place.shard, 2, &known(r, &[(2000, 2.0), (3000, 3.0), (2000, 9.0)]));
    assert_eq!((again.duplicates, again.replaced, again.stored), (2, 1, 1));
    assert_eq!(read(&place.shard, &up), [(1000, 1.0), (2000, 9.0), (3000, 3.0)]);
    place.shard.compact(0, true).expect("a compaction");
    apply(&place.shard, 3, &known(r, &[(1000, 7.0)]));
    assert_eq!(read(&place.shard, &up), [(1000, 7.0), (2000, 9.0), (3000, 3.0)]);
    place.shard.compact(0, true).expect("a compaction");
    assert_eq!(read(&place.shard, &up), [(1000, 7.0), (2000, 9.0), (3000, 3.0)]);
}

#[test]
fn a_sample_of_an_unknown_ref_is_refused_by_name() {
    let place = Place::new();
    let applied = apply(&place.shard, 1, &known(SeriesRef(9), &[(1, 1.0), (2, 2.0)]));
    assert_eq!((applied.unknown, applied.stored), (vec![SeriesRef(9)], 0));
}

#[test]
fn series_scraped_together_share_one_timestamp_column() {
    let place = Place::new();
    for name in ["x", "y", "z"] {
        let samples: Vec<(i64, f64)> = (0..300).map(|i| (NOON + i * 15_000, i as f64)).collect();
        apply(&place.shard, 1, &floats(&labels(name, "a"), &samples));
    }
    let shares = || {
        for range in [TimeRange::ALL, TimeRange { start: NOON + 1, end: NOON + 3_000_000 }] {
            let all = read_all(&place.shard, &[], range);
            let first = all[0].1.floats.timestamps.clone();
            assert!(all.iter().all(|(_, s)| Arc::ptr_eq(&s.floats.timestamps, &first)));
        }
    };
    shares();
    place.shard.checkpoint().expect("a checkpoint");
    shares();
    place.shard.compact(0, true).expect("a compaction");
    shares();
}
