//! Hours that were rolled up against the samples that they stand for.

use super::*;
use crate::{Deletion, Fold};
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const MIDNIGHT: i64 = 20_000 * DAY;
const FOLDS: [Fold; 6] = [Fold::Min, Fold::Max, Fold::Sum, Fold::Count, Fold::First, Fold::Last];

/// What `fold` says of the hours of these samples, by the ends of the hours.
fn by_hour(samples: &Samples, fold: Fold) -> BTreeMap<i64, f64> {
    let mut hours: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, v) in samples.floats.timestamps.iter().zip(&samples.floats.values) {
        if !plimsoll_model::is_stale(*v) {
            hours
                .entry(at.div_euclid(HOUR) * HOUR + if at % HOUR == 0 { 0 } else { HOUR })
                .or_default()
                .push(*v);
        }
    }
    let pick = |values: &[f64], better: fn(f64, f64) -> bool| {
        values
            .iter()
            .copied()
            .fold(f64::NAN, |best, v| if better(v, best) || best.is_nan() { v } else { best })
    };
    let tell = |values: Vec<f64>| match fold {
        Fold::Min => pick(&values, |a, b| a < b),
        Fold::Max => pick(&values, |a, b| a > b),
        Fold::Sum => values.iter().sum(),
        Fold::Count => values.len() as f64,
        Fold::First => values[0],
        Fold::Last => values[values.len() - 1],
    };
    hours.into_iter().map(|(end, values)| (end, tell(values))).collect()
}

/// Holds what the shard tells by the hour against its samples; the range begins after an hour and ends with one.
pub(super) fn check_hours(shard: &Arc<Shard>, range: TimeRange) {
    let selection = shard.select(&[], range).expect("a selection");
    let (mut samples, mut folded) = (Vec::new(), Vec::new());
    selection.read(0..selection.len(), &mut samples).expect("samples");
    for fold in FOLDS {
        if !selection.read_folded(0..selection.len(), fold, &mut folded).expect("hours") {
            assert!(samples.iter().any(|s| !s.histograms.is_empty()));
            continue;
        }
        for (samples, folded) in samples.iter().zip(&folded) {
            let told: BTreeMap<i64, f64> =
                folded.floats.timestamps.iter().copied().zip(folded.floats.values.iter().copied()).collect();
            assert_eq!(told.len(), folded.floats.values.len(), "an hour stands there once");
            let within = told.into_iter().filter(|(end, _)| *end >= range.start && *end <= range.end);
            let (ends, values): (Vec<i64>, Vec<f64>) = within.unzip();
            let (expected_ends, expected): (Vec<i64>, Vec<f64>) = by_hour(samples, fold).into_iter().unzip();
            assert_eq!(ends, expected_ends, "{fold:?}");
            for (a, b) in values.iter().zip(&expected) {
                let near = fold == Fold::Sum && (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                assert!(near || a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{fold:?}: {a} {b}");
            }
        }
    }
}

fn fill(shard: &Shard, position: u64, labels: &Labels, from: i64, to: i64, every: i64) {
    let samples: Vec<(i64, f64)> =
        (from..to).step_by(every as usize).map(|t| (t, ((t / every) % 97) as f64 * 0.1)).collect();
    apply(shard, position, &floats(labels, &samples));
}

const RANGE: TimeRange = TimeRange { start: MIDNIGHT + 1, end: MIDNIGHT + 3 * DAY };

#[test]
fn days_that_are_over_are_rolled_up_and_tell_the_same() {
    let mut place = Place::new();
    let (up, down) = (labels("up", "a"), labels("down", "a"));
    // One has samples at the very ends of hours and days, the other none.
    fill(&place.shard, 1, &up, MIDNIGHT - HOUR, MIDNIGHT + 3 * DAY, 60_000);
    fill(&place.shard, 2, &down, MIDNIGHT + 7, MIDNIGHT + 2 * DAY, 61_000);
    check_hours(&place.shard, RANGE);
    place.shard.checkpoint().expect("a checkpoint");
    place.shard.compact(MIDNIGHT + 10 * DAY, false).expect("a compaction");
    let rolled = |shard: &Shard| shard.head.read().runs.values().flatten().filter(|r| r.rolled).count();
    assert_eq!(rolled(&place.shard), 4);
    check_hours(&place.shard, RANGE);
    place = place.reopen();
    apply(&place.shard, 1, &floats(&up, &[]));
    check_hours(&place.shard, RANGE);
    // What comes late is told at once, and the day is rolled up anew.
    apply(&place.shard, 3, &floats(&up, &[(MIDNIGHT + DAY, 1e6), (MIDNIGHT + DAY + 5, -1e6)]));
    check_hours(&place.shard, RANGE);
    place.shard.checkpoint().expect("a checkpoint");
    check_hours(&place.shard, RANGE);
    place.shard.compact(MIDNIGHT + 10 * DAY, false).expect("a compaction");
    check_hours(&place.shard, RANGE);
    // So is what is deleted.
    let range = TimeRange { start: MIDNIGHT + HOUR / 2, end: MIDNIGHT + 3 * HOUR };
    let any_of = vec![vec![Matcher::equal("__name__", "up")]];
    let wanted = Deletion { number: 1, any_of, none_of: Vec::new(), range };
    place.shard.delete(&4u64.to_be_bytes(), &wanted).expect("a deletion");
    check_hours(&place.shard, RANGE);
    place.shard.compact(MIDNIGHT + 10 * DAY, false).expect("a compaction");
    check_hours(&place.shard, RANGE);
    place.shard.expire(MIDNIGHT + DAY + HOUR / 2).expect("an expiry");
    check_hours(&place.shard, RANGE);
}

#[test]
fn a_day_that_was_rolled_up_is_told_without_its_samples() {
    let place = Place::new();
    fill(&place.shard, 1, &labels("up", "a"), MIDNIGHT, MIDNIGHT + DAY, 15_000);
    place.shard.compact(MIDNIGHT + 10 * DAY, true).expect("a compaction");
    // The chunks are gone: only the hours can answer.
    let run = place.shard.head.read().runs.values().flatten().next().copied().expect("a run");
    let from = crate::disk::keys::kind(crate::bucket::Bucket(20_000), run.id, crate::disk::keys::CHUNKS);
    let mut batch = rocksdb::WriteBatch::default();
    batch.delete_range_cf(place.shard.rows(), from.clone(), crate::disk::keys::end_of(from));
    place.shard.family.write(batch).expect("written");
    let selection = place.shard.select(&[], RANGE).expect("a selection");
    let mut out = Vec::new();
    assert!(selection.read_folded(0..1, Fold::Count, &mut out).expect("hours"));
    let counts = &out[0].floats.values;
    assert_eq!((counts.len(), counts[0], counts.iter().sum::<f64>()), (25, 1.0, 5760.0));
    selection.read(0..1, &mut out).expect("samples");
    assert!(out[0].is_empty());
}
