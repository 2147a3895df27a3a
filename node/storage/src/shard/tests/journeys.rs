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

#[test]
fn what_expires_is_hidden_exactly_and_whole_days_leave_the_disk_and_the_index() {
    let mut place = Place::new();
    let (old, new) = (labels("old", "a"), labels("new", "a"));
    let samples = |from: i64| (0..200).map(|i| (from + i * 15_000, i as f64)).collect::<Vec<_>>();
    apply(&place.shard, 1, &floats(&old, &samples(NOON)));
    apply(&place.shard, 2, &floats(&new, &samples(NOON)));
    let r = apply(&place.shard, 3, &floats(&new, &samples(NOON + DAY))).refs[0];
    place.shard.compact(0, true).expect("a compaction");
    let before = place.shard.statistics();
    assert_eq!((before.series, before.runs, before.label_pairs), (2, 2, 3));

    let half = NOON + 100 * 15_000;
    assert_eq!(place.shard.expire(half).expect("an expiry").series, 0);
    assert_eq!(read(&place.shard, &old), samples(NOON)[100..]);
    let late = apply(&place.shard, 4, &known(r, &[(half - 1, 1.0), (half, 100.0)]));
    assert_eq!((late.expired, late.stored), (1, 1));

    let next_day = NOON - DAY / 2 + DAY;
    assert_eq!(place.shard.expire(next_day).expect("an expiry").series, 1);
    for _ in 0..2 {
        let after = place.shard.statistics();
        assert_eq!((after.series, after.runs, after.label_pairs), (1, 1, 2));
        assert!(after.disk_bytes < before.disk_bytes);
        assert_eq!(read(&place.shard, &old), []);
        assert_eq!(read(&place.shard, &new), samples(NOON + DAY));
        assert_eq!(place.shard.label_values("__name__", &[], TimeRange::ALL).expect("values"), ["new"]);
        place = place.reopen();
    }
    // The ref of a series that is gone is not given out again.
    assert_eq!(apply(&place.shard, 5, &floats(&old, &[(NOON + DAY, 1.0)])).refs, [SeriesRef(2)]);
    assert_eq!(apply(&place.shard, 6, &known(SeriesRef(0), &[(NOON + DAY, 1.0)])).unknown, [SeriesRef(0)]);
}

#[test]
fn labels_are_listed_by_what_matches() {
    let place = Place::new();
    for (name, host) in [("up", "b"), ("up", "a"), ("down", "c")] {
        apply(&place.shard, 1, &floats(&labels(name, host), &[(NOON, 1.0)]));
    }
    let up = [Matcher::equal("__name__", "up")];
    let shard = &place.shard;
    assert_eq!(shard.label_names(&up, TimeRange::ALL).expect("names"), ["__name__", "host"]);
    assert_eq!(shard.label_values("host", &up, TimeRange::ALL).expect("values"), ["a", "b"]);
    assert_eq!(shard.label_values("never", &[], TimeRange::ALL).expect("values"), [""; 0]);
    assert_eq!(shard.series(&up, TimeRange::ALL, 1).expect("series"), [labels("up", "b")]);
    let other_day = TimeRange { start: NOON + DAY, end: NOON + 2 * DAY };
    assert_eq!(shard.series(&[], other_day, 10).expect("series"), []);
    let cardinality = shard.cardinality(1);
    assert_eq!(cardinality.series, 3);
    assert_eq!(cardinality.series_by_metric, [("up".to_owned(), 2)]);
    assert_eq!(cardinality.values_by_name, [("host".to_owned(), 3)]);
}

#[test]
fn series_are_grouped_by_the_labels_that_they_have() {
    let place = Place::new();
    let all = [
        [("a", "1"), ("b", "x")],
        [("a", "1"), ("b", "y")],
        [("a", "2"), ("b", "x")],
        [("c", "1"), ("d", "x")],
    ];
    for pairs in all {
        apply(&place.shard, 1, &floats(&Labels::from_pairs(pairs).expect("labels"), &[(NOON, 1.0)]));
    }
    let selection = place.shard.select(&[], TimeRange::ALL).expect("a selection");
    let (groups, of_groups) = selection.group_by(&["a", "never"]);
    let found: Vec<_> =
        (0..4).map(|i| (selection.labels(i), of_groups[groups[i] as usize].clone())).collect();
    for pairs in all {
        let whole = Labels::from_pairs(pairs).expect("labels");
        let group = found.iter().find(|(l, _)| *l == whole).expect("the series was found").1.clone();
        assert_eq!(group, whole.filter(|n| n == "a"));
    }
    assert_eq!(of_groups.len(), 3);
    assert_eq!(selection.group_by(&[]).1, [Labels::default()]);
}

#[test]
fn labels_of_a_selection_outlive_the_series() {
    let place = Place::new();
    let old = labels("old", "a");
    apply(&place.shard, 1, &floats(&old, &[(NOON, 1.0)]));
    let selection = place.shard.select(&[], TimeRange::ALL).expect("a selection");
    place.shard.expire(NOON + DAY).expect("an expiry");
    for i in 0..10 {
        apply(&place.shard, 2, &floats(&labels("new", &format!("h{i}")), &[(NOON + 2 * DAY, 1.0)]));
    }
    assert_eq!(selection.labels(0), old);
}

#[test]
fn timestamps_beyond_any_calendar_and_malformed_batches_do_no_harm() {
    let place = Place::new();
    let up = labels("up", "a");
    let samples = [(i64::MIN, 1.0), (-1, 2.0), (0, 3.0), (i64::MAX, 4.0)];
    apply(&place.shard, 1, &floats(&up, &samples));
    place.shard.compact(0, true).expect("a compaction");
    assert_eq!(read(&place.shard, &up), samples);
    let command = floats(&up, &[(1, 1.0), (2, 2.0)]);
    for n in 1..command.len() {
        let answers = place.shard.apply(b"p", &[&command[..n]]).expect("no error");
        assert!(answers[0].iter().any(|a| a.malformed), "cut at {n}");
    }
    let far = command.len() as u64;
    let mut undefined = Vec::new();
    let batch = {
        let mut b = BatchBuilder::default();
        b.float(Target::Defined(7), 1, 1.0);
        b.finish()
    };
    varint::put(&mut undefined, batch.len() as u64);
    undefined.extend_from_slice(&batch);
    assert!(apply(&place.shard, far, &undefined).malformed);
}

#[test]
fn many_checkpoints_of_a_day_are_merged_so_that_few_runs_are_left() {
    let place = Place::new();
    let up = labels("up", "a");
    let mut all = Vec::new();
    for i in 0..100i64 {
        let at = NOON + i * 300_000;
        all.push((at, i as f64));
        apply(&place.shard, 1, &floats(&up, &[(at, i as f64)]));
        place.shard.write_checkpoint(&mut place.shard.durable.lock(), true).expect("a checkpoint");
        place.shard.compact(at, false).expect("a compaction");
    }
    assert!(place.shard.statistics().runs < 16, "{} runs", place.shard.statistics().runs);
    assert_eq!(read(&place.shard, &up), all);
    place.shard.compact(NOON + 2 * DAY, false).expect("a compaction");
    assert_eq!(place.shard.statistics().runs, 1);
    assert_eq!(read(&place.shard, &up), all);
}
