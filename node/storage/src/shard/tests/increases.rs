//! Increases through a whole shard: counted once over repeats, restarts, copies and expiry.

use super::{Place, apply, command, labels, read, read_all};
use crate::Deletion;
use plimsoll_model::{Histogram, Increase, Interval, Labels, Matcher, SeriesRef, Target, TimeRange};

const DAY_MS: i64 = 86_400_000;

/// An interval of seconds.
fn seconds(start: i64, end: i64) -> Interval {
    Interval { start_ns: start * 1_000_000_000, end_ns: end * 1_000_000_000 }
}

/// A command with one point of one series.
fn point(series: &Labels, interval: Interval, value: f64) -> Vec<u8> {
    command(|b| {
        let d = Target::Defined(b.define(series));
        b.increase(d, interval, &Increase::Float(value), true);
    })
}

#[test]
fn increases_become_a_total_that_begins_with_zero() {
    let place = Place::new();
    let series = labels("tokens_total", "a");
    for (position, (start, end, value)) in (1..).zip([(10, 20, 5.0), (20, 30, 7.0), (40, 50, 0.5)]) {
        let applied = apply(&place.shard, position, &point(&series, seconds(start, end), value));
        assert_eq!((applied.stored, applied.overlapping, applied.late), (1, 0, 0));
    }
    assert_eq!(read(&place.shard, &series), [(10_000, 0.0), (20_000, 5.0), (30_000, 12.0), (50_000, 12.5)]);
    assert_eq!(place.shard.statistics().increasing, 1);
}

#[test]
fn a_repeat_changes_nothing_an_overlap_is_refused_and_a_late_one_is_counted_at_the_newest_end() {
    let place = Place::new();
    let series = labels("tokens_total", "a");
    apply(&place.shard, 1, &point(&series, seconds(0, 10), 1.0));
    apply(&place.shard, 2, &point(&series, seconds(20, 30), 2.0));
    let repeat = apply(&place.shard, 3, &point(&series, seconds(0, 10), 1.0));
    assert_eq!((repeat.stored, repeat.duplicates), (0, 1));
    let overlap = apply(&place.shard, 4, &point(&series, seconds(5, 15), 100.0));
    assert_eq!((overlap.stored, overlap.overlapping), (0, 1));
    let late = apply(&place.shard, 5, &point(&series, seconds(10, 20), 4.0));
    assert_eq!((late.stored, late.replaced), (1, 1));
    assert_eq!(
        read(&place.shard, &series),
        [(-1, 0.0), (10_000, 1.0), (30_000, 7.0)].map(|(t, v)| (t.max(0), v))
    );
    for n in 3..12 {
        apply(&place.shard, 6, &point(&series, seconds(n * 10, n * 10 + 10), 1.0));
    }
    let lost = apply(&place.shard, 7, &point(&series, seconds(0, 10), 1.0));
    assert_eq!((lost.stored, lost.late), (0, 1));
    assert_eq!(read(&place.shard, &series).last(), Some(&(120_000, 16.0)));
}

#[test]
fn what_was_counted_is_known_after_a_restart_and_in_a_copy() {
    let mut place = Place::new();
    let series = labels("tokens_total", "a");
    for n in 0..5 {
        apply(&place.shard, n as u64, &point(&series, seconds(n * 10, n * 10 + 10), 2.0));
        place.shard.checkpoint().expect("a checkpoint");
        place = place.reopen();
        // what lies after the checkpoint in the log is applied again; what lies before is never
        let repeat = apply(&place.shard, n as u64, &point(&series, seconds(n * 10, n * 10 + 10), 2.0));
        assert_eq!((repeat.stored, repeat.duplicates), (0, 1), "{n}");
    }
    assert_eq!(read(&place.shard, &series).last(), Some(&(50_000, 10.0)));

    let other = Place::new();
    let mut snapshot = place.shard.snapshot().expect("a snapshot");
    let mut staged = other.database.stage(place.shard.id(), snapshot.position()).expect("a stage");
    while let Some(piece) = snapshot.next().expect("a piece") {
        staged.push(&piece).expect("a sound piece");
    }
    let copy = staged.install().expect("a shard");
    assert_eq!(
        copy.digest(TimeRange::ALL).expect("a digest"),
        place.shard.digest(TimeRange::ALL).expect("a digest")
    );
    let repeat = apply(&copy, 9, &point(&series, seconds(40, 50), 2.0));
    assert_eq!((repeat.stored, repeat.duplicates), (0, 1));
    apply(&copy, 10, &point(&series, seconds(50, 60), 2.0));
    assert_eq!(read(&copy, &series).last(), Some(&(60_000, 12.0)));
}

#[test]
fn the_series_of_a_point_are_counted_together_or_not_at_all() {
    let place = Place::new();
    let names = ["d_count", "d_sum", "d_bucket"].map(|n| labels(n, "a"));
    let send = |position, refs: &[SeriesRef], interval| {
        let command = command(|b| {
            let mut targets: Vec<Target> = refs.iter().map(|r| Target::Known(*r)).collect();
            if targets.is_empty() {
                targets = names.iter().map(|l| Target::Defined(b.define(l))).collect();
            }
            for (i, target) in targets.into_iter().enumerate() {
                b.increase(target, interval, &Increase::Float(i as f64 + 1.0), i == 0);
            }
        });
        apply(&place.shard, position, &command)
    };
    let refs = send(1, &[], seconds(0, 10)).refs;
    let mut unknown = refs.clone();
    unknown[2] = SeriesRef(77);
    let applied = send(2, &unknown, seconds(10, 20));
    assert_eq!((applied.unknown, applied.stored), (vec![SeriesRef(77)], 0));
    assert_eq!(send(3, &refs, seconds(10, 20)).stored, 3);
    assert_eq!(send(4, &refs, seconds(10, 20)).duplicates, 3);
    let last: Vec<f64> = names.iter().map(|n| read(&place.shard, n).last().expect("samples").1).collect();
    assert_eq!(last, [2.0, 4.0, 6.0]);
}

#[test]
fn histograms_add_up() {
    let mut place = Place::new();
    let series = labels("latency", "a");
    let send = |place: &Place, position, interval, zero: f64| {
        let h = Histogram { zero_count: zero, count: zero, sum: 1.0, ..Histogram::default() };
        let command = command(|b| {
            let d = Target::Defined(b.define(&series));
            b.increase(d, interval, &Increase::Histogram(h), true);
        });
        apply(&place.shard, position, &command)
    };
    send(&place, 1, seconds(0, 10), 3.0);
    place.shard.checkpoint().expect("a checkpoint");
    place = place.reopen();
    send(&place, 2, seconds(10, 20), 4.0);
    assert_eq!(send(&place, 3, seconds(10, 20), 4.0).duplicates, 1);
    let all = read_all(&place.shard, &[], TimeRange::ALL);
    let counts: Vec<(i64, f64)> = all[0].1.histograms.iter().map(|(at, h)| (*at, h.count)).collect();
    assert_eq!(counts, [(0, 0.0), (10_000, 3.0), (20_000, 7.0)]);
}

#[test]
fn what_was_counted_goes_with_its_series_and_cannot_come_back() {
    let place = Place::new();
    let (old, young) = (labels("old_total", "a"), labels("young_total", "a"));
    let day = DAY_MS / 1000;
    apply(&place.shard, 1, &point(&old, seconds(0, 10), 1.0));
    apply(&place.shard, 2, &point(&young, seconds(2 * day, 2 * day + 10), 1.0));
    place.shard.expire(DAY_MS).expect("expired");
    assert_eq!(place.shard.statistics().increasing, 1);
    let applied = apply(&place.shard, 3, &point(&old, seconds(0, 10), 1.0));
    assert_eq!((applied.stored, applied.expired), (0, 1));
    let place = place.reopen();
    let applied = apply(&place.shard, 4, &point(&young, seconds(2 * day, 2 * day + 10), 1.0));
    assert_eq!(applied.duplicates, 1);
}

#[test]
fn a_counter_that_was_deleted_begins_again_on_every_replica() {
    let mut place = Place::new();
    let series = labels("tokens_total", "a");
    apply(&place.shard, 1, &point(&series, seconds(0, 10), 5.0));
    let any_of = vec![vec![Matcher::equal("__name__", "tokens_total")]];
    let wanted = Deletion { number: 1, any_of, none_of: Vec::new(), range: TimeRange::ALL };
    place.shard.delete(&2u64.to_be_bytes(), &wanted).expect("a deletion");
    for _ in 0..2 {
        assert_eq!(place.shard.statistics().increasing, 0);
        place = place.reopen();
    }
    apply(&place.shard, 3, &point(&series, seconds(10, 20), 3.0));
    assert_eq!(read(&place.shard, &series), [(10_000, 0.0), (20_000, 3.0)]);
}
