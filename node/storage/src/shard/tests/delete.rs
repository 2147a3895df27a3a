//! Deletion by matchers and time.

use super::*;
use crate::{Deletion, Error};

const DAY: i64 = 86_400_000;
const NOON: i64 = 20_000 * DAY + DAY / 2;
const MIDNIGHT: i64 = 20_000 * DAY;

fn deletion(number: u64, name: &str, range: TimeRange) -> Deletion {
    let any_of = vec![vec![Matcher::equal("__name__", name)]];
    Deletion { number, any_of, none_of: Vec::new(), range }
}

fn samples(from: i64, n: i64) -> Vec<(i64, f64)> {
    (0..n).map(|i| (from + i * 15_000, i as f64)).collect()
}

fn names(shard: &Arc<Shard>) -> Vec<String> {
    shard.label_values("__name__", &[], TimeRange::ALL).expect("values")
}

fn delete(shard: &Shard, position: u64, deletion: &Deletion) -> crate::Deleted {
    shard.delete(&position.to_be_bytes(), deletion).expect("a deletion")
}

#[test]
fn what_is_deleted_is_gone_from_reads_and_labels_at_once_after_a_restart_and_after_a_merge() {
    let mut place = Place::new();
    let (bad, good) = (labels("bad", "a"), labels("good", "a"));
    for (i, series) in [&bad, &good].into_iter().enumerate() {
        apply(&place.shard, i as u64 + 1, &floats(series, &samples(NOON, 300)));
    }
    place.shard.checkpoint().expect("a checkpoint");
    apply(&place.shard, 3, &floats(&bad, &samples(NOON + DAY, 10)));
    let done = delete(&place.shard, 4, &deletion(1, "bad", TimeRange::ALL));
    assert_eq!((done.series, done.repeated), (1, false));
    assert_eq!(place.shard.position().as_deref(), Some(&4u64.to_be_bytes()[..]), "it is durable");
    for round in 0..3 {
        assert_eq!(read(&place.shard, &bad), [], "round {round}");
        assert_eq!(read(&place.shard, &good), samples(NOON, 300));
        assert_eq!(names(&place.shard), ["good"]);
        assert_eq!(place.shard.series_count(), 1);
        match round {
            0 => place = place.reopen(),
            _ => drop(place.shard.compact(NOON + 3 * DAY, false).expect("a compaction")),
        }
    }
    assert_eq!(place.shard.days_to_clean(), 0);
    place.shard.compact(0, true).expect("the rest of the head as well");
    assert_eq!(place.shard.statistics().disk_samples, 300, "the disk holds nothing of it any more");
    assert_eq!(place.shard.statistics().label_pairs, 2);
}

#[test]
fn the_same_labels_and_timestamps_may_be_written_anew() {
    let mut place = Place::new();
    let bad = labels("bad", "a");
    let r = apply(&place.shard, 1, &floats(&bad, &samples(NOON, 300))).refs[0];
    delete(&place.shard, 2, &deletion(1, "bad", TimeRange::ALL));
    assert_eq!(
        apply(&place.shard, 3, &known(r, &[(NOON, 1.0)])).unknown,
        [r],
        "the ref went with the series"
    );
    let new = apply(&place.shard, 4, &floats(&bad, &samples(NOON + 15_000, 5)));
    assert_eq!((new.refs[0], new.stored), (SeriesRef(r.0 + 1), 5));
    for _ in 0..3 {
        assert_eq!(read(&place.shard, &bad), samples(NOON + 15_000, 5));
        place = place.reopen();
        apply(&place.shard, 4, &floats(&bad, &samples(NOON + 15_000, 5)));
        place.shard.compact(0, true).expect("a compaction");
    }
}

#[test]
fn a_deletion_of_some_hours_leaves_the_rest_of_the_day() {
    let mut place = Place::new();
    let bad = labels("bad", "a");
    let all = samples(NOON, 600);
    apply(&place.shard, 1, &floats(&bad, &all));
    let range = TimeRange { start: all[100].0, end: all[399].0 };
    delete(&place.shard, 2, &deletion(1, "bad", range));
    // One comes back, and one is still in the head when the day is merged.
    apply(&place.shard, 3, &floats(&bad, &[(all[200].0, 7.0)]));
    let mut left = [&all[..100], &[(all[200].0, 7.0)], &all[400..]].concat();
    for _ in 0..2 {
        assert_eq!(read(&place.shard, &bad), left);
        place.shard.compact(NOON + 3 * DAY, false).expect("a compaction");
        place = place.reopen();
        apply(&place.shard, 3, &floats(&bad, &[(all[200].0, 7.0)]));
    }
    assert_eq!(names(&place.shard), ["bad"]);
    // The day is cut by both, so together they leave the name and nothing else.
    delete(&place.shard, 4, &deletion(2, "bad", TimeRange { start: MIDNIGHT, end: MIDNIGHT + DAY - 1 }));
    left.clear();
    assert_eq!(read(&place.shard, &bad), left);
    assert_eq!(names(&place.shard), [] as [&str; 0]);
}

#[test]
fn a_deletion_that_comes_again_deletes_nothing_that_came_between() {
    let mut place = Place::new();
    let bad = labels("bad", "a");
    apply(&place.shard, 1, &floats(&bad, &samples(NOON, 300)));
    let wanted = deletion(9, "bad", TimeRange::ALL);
    assert_eq!(delete(&place.shard, 2, &wanted).series, 1);
    apply(&place.shard, 3, &floats(&bad, &samples(NOON, 2)));
    for _ in 0..2 {
        let again = delete(&place.shard, 4, &wanted);
        assert_eq!((again.series, again.repeated), (1, true));
        assert_eq!(read(&place.shard, &bad), samples(NOON, 2));
        place.shard.checkpoint().expect("a checkpoint");
        place = place.reopen();
    }
    let nothing = delete(&place.shard, 5, &deletion(10, "none", TimeRange::ALL));
    assert_eq!(nothing.series, 0);
    // Without a number it is done as often as it comes.
    assert_eq!(delete(&place.shard, 6, &deletion(0, "bad", TimeRange::ALL)).series, 1);
    apply(&place.shard, 7, &floats(&bad, &samples(NOON, 2)));
    assert_eq!(delete(&place.shard, 8, &deletion(0, "bad", TimeRange::ALL)).series, 1);
}

#[test]
fn replicas_are_equal_whenever_they_wrote_their_checkpoints_and_merges() {
    let work = |busy: bool| {
        let mut place = Place::new();
        let mut seen = Vec::new();
        for (position, day) in (1..).step_by(10).zip(0..3i64) {
            for (i, (name, host)) in [("bad", "a"), ("good", "a"), ("bad", "b")]
                .into_iter()
                .enumerate()
                .map(|(i, s)| (i as u64, s))
            {
                let from = NOON + day * DAY + i as i64;
                seen.push(
                    apply(&place.shard, position + i, &floats(&labels(name, host), &samples(from, 400))).refs,
                );
                if busy {
                    place.shard.checkpoint().expect("a checkpoint");
                }
            }
            let range = TimeRange { start: NOON + (day - 1) * DAY, end: NOON + day * DAY + 60_000 };
            let mut wanted = deletion(position, "bad", range);
            delete(&place.shard, position + 3, &wanted);
            wanted.range = TimeRange { start: i64::MIN, end: MIDNIGHT + day * DAY - 1 };
            wanted.number += 1;
            wanted.none_of = vec![vec![Matcher::equal("host", "b")]];
            delete(&place.shard, position + 4, &wanted);
            if busy {
                place.shard.compact(NOON + (day + 2) * DAY, day == 1).expect("a compaction");
                place = place.reopen();
                // The log brings what was not durable: a deletion that hit nothing.
                delete(&place.shard, position + 4, &wanted);
            }
        }
        seen.push(apply(&place.shard, 40, &floats(&labels("new", "a"), &samples(NOON, 1))).refs);
        let digest = place.shard.digest_at(TimeRange::ALL).expect("a digest");
        (seen, digest, place.shard.series(&[], TimeRange::ALL, 99).expect("series"))
    };
    let (lazy, busy) = (work(false), work(true));
    assert!(lazy.1.samples > 0 && !lazy.1.damaged);
    assert_eq!(lazy, busy);
}

#[test]
fn a_copy_and_a_backup_know_what_was_deleted() {
    let place = Place::new();
    let (bad, good) = (labels("bad", "a"), labels("good", "a"));
    for (i, series) in [&bad, &good].into_iter().enumerate() {
        apply(&place.shard, i as u64 + 1, &floats(series, &samples(NOON, 300)));
    }
    delete(&place.shard, 3, &deletion(1, "bad", TimeRange::ALL));
    let other = Place::new();
    let mut snapshot = place.shard.snapshot().expect("a snapshot");
    let mut staged = other.database.stage(ShardId(3), snapshot.position()).expect("room");
    while let Some(piece) = snapshot.next().expect("a piece") {
        staged.push(&piece).expect("the piece is taken");
    }
    let copy = staged.install().expect("installed");
    assert_eq!(names(&copy), ["good"]);
    assert_eq!(read(&copy, &bad), []);
    assert_eq!(copy.digest(TimeRange::ALL).expect("one"), place.shard.digest(TimeRange::ALL).expect("one"));
    assert!(delete(&copy, 4, &deletion(1, "bad", TimeRange::ALL)).repeated);
}

#[test]
fn a_selection_made_before_reads_on_and_a_pattern_that_is_none_is_refused() {
    let place = Place::new();
    let bad = labels("bad", "a");
    apply(&place.shard, 1, &floats(&bad, &samples(NOON, 300)));
    let selection = place.shard.select(&[], TimeRange::ALL).expect("a selection");
    let mut wanted = deletion(1, "bad", TimeRange::ALL);
    delete(&place.shard, 2, &wanted);
    place.shard.compact(0, true).expect("a compaction");
    let mut out = Vec::new();
    selection.read(0..1, &mut out).expect("samples");
    assert_eq!(out[0].len(), 300);
    wanted.any_of[0].push(Matcher::new("host", plimsoll_model::MatchOp::Regex, "("));
    wanted.number = 2;
    let refused = place.shard.delete(&3u64.to_be_bytes(), &wanted);
    assert!(matches!(refused, Err(Error::Pattern { .. })), "{refused:?}");
    assert_eq!(place.shard.would_delete(&deletion(3, "bad", TimeRange::ALL)).expect("a look"), (0, 0));
}
