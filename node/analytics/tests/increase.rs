//! Increases are exact: over resets, gaps, restarts and however days and shards cut the samples.

use plimsoll_analytics::increase::{Ask, Group, increase, join};
use plimsoll_model::{Histogram, Labels, METRIC_NAME, Matcher, Span, stale_nan};
use plimsoll_promql::Budget;
use plimsoll_promql::memory::{MemorySource, Sample};
use proptest::prelude::*;
use std::sync::Arc;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs([(METRIC_NAME, "n_total")].iter().chain(pairs).copied()).expect("labels")
}

fn source(series: &[(Labels, Vec<(i64, f64)>)]) -> MemorySource {
    let mut source = MemorySource::default();
    for (labels, samples) in series {
        for (at, value) in samples {
            source.put(labels, *at, Sample::Float(*value), 0);
        }
    }
    source
}

fn ask(from: i64, to: i64) -> Ask {
    let matchers = vec![Matcher::equal(METRIC_NAME, "n_total")];
    Ask { matchers, by: vec!["by".to_owned()], from, to, oldest: 0 }
}

fn total(samples: &[(i64, f64)], from: i64, to: i64) -> f64 {
    let source = source(&[(labels(&[]), samples.to_vec())]);
    let groups = increase(&source, &ask(from, to), &Budget::default()).expect("an answer");
    groups.first().map_or(0.0, |g| g.total.value())
}

#[test]
fn steps_are_counted_from_the_last_sample_at_or_before_the_period() {
    type Case<'a> = (&'a str, &'a [(i64, f64)], f64);
    let cases: &[Case<'_>] = &[
        ("a sample at the edge is the base", &[(1000, 5.0), (1500, 7.0), (2000, 9.0), (2001, 100.0)], 4.0),
        ("a sample before the edge is the base", &[(900, 5.0), (1500, 7.0)], 2.0),
        ("a series begins at nothing", &[(1500, 7.0), (1600, 9.0)], 9.0),
        ("a reset begins at nothing", &[(900, 5.0), (1500, 2.0), (1600, 3.0)], 3.0),
        ("two resets", &[(1000, 5.0), (1100, 8.0), (1200, 1.0), (1300, 0.0), (1400, 4.0)], 3.0 + 1.0 + 4.0),
        ("nothing in the period", &[(900, 5.0), (2500, 9.0)], 0.0),
        ("stale markers are no samples", &[(900, 5.0), (1200, stale_nan()), (1500, 6.0)], 1.0),
        ("NaN is no sample", &[(900, f64::NAN), (1200, 3.0), (1300, f64::NAN), (1500, 6.0)], 6.0),
    ];
    for (what, samples, wanted) in cases {
        assert_eq!(total(samples, 1000, 2000), *wanted, "{what}");
    }
}

#[test]
fn a_counter_that_was_away_for_weeks_does_not_begin_anew() {
    for gap in [2 * HOUR, 8 * HOUR, 3 * DAY, 40 * DAY, 200 * DAY] {
        let from = 300 * DAY;
        let samples = [(from - gap, 1000.0), (from + HOUR, 1010.0), (from + 2 * HOUR, 1015.0)];
        assert_eq!(total(&samples, from, from + DAY), 15.0, "away for {gap} ms");
        let restarted = [(from - gap, 1000.0), (from + HOUR, 10.0), (from + 2 * HOUR, 15.0)];
        assert_eq!(total(&restarted, from, from + DAY), 15.0, "restarted after {gap} ms");
    }
}

#[test]
fn periods_that_follow_each_other_add_up() {
    let mut samples = Vec::new();
    let mut value = 0.0;
    for minute in 0..5000 {
        value = if minute % 977 == 976 { 3.0 } else { value + f64::from(minute % 7) };
        samples.push((i64::from(minute) * 60_000, value));
    }
    let end = 5000 * 60_000;
    let whole = total(&samples, -1, end);
    for cut in [1, 60_000, DAY, 2 * DAY - 1, 3 * DAY + 12_345] {
        assert_eq!(total(&samples, -1, cut) + total(&samples, cut, end), whole, "cut at {cut}");
    }
}

#[test]
fn groups_are_by_label_and_shards_add_up() {
    let mut series = Vec::new();
    for i in 0..50 {
        let (by, id) = (if i % 3 == 0 { "a" } else { "b" }, i.to_string());
        series
            .push((labels(&[("by", by), ("id", &id)]), vec![(10, f64::from(i)), (2000, f64::from(i) + 2.0)]));
    }
    series.push((labels(&[("id", "none")]), vec![(1500, 9.0)]));
    let whole = source(&series);
    let parts = whole
        .shards(4)
        .iter()
        .map(|s| increase(s, &ask(1000, 2000), &Budget::default()))
        .collect::<Result<Vec<_>, _>>();
    let all = join(parts.expect("answers"));
    let figures: Vec<(&str, f64, u64)> =
        all.iter().map(|g| (g.key[0].as_str(), g.total.value(), g.series)).collect();
    assert_eq!(figures, [("", 9.0, 1), ("a", 34.0, 17), ("b", 66.0, 33)]);
}

fn native(counts: [f64; 2]) -> Arc<Histogram> {
    Arc::new(Histogram {
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: counts.to_vec(),
        count: counts[0] + counts[1],
        sum: counts[0] + 2.0 * counts[1],
        ..Histogram::default()
    })
}

#[test]
fn native_histograms_are_counted_by_the_same_rule() {
    let mut source = MemorySource::default();
    let (seen, new, away) = (labels(&[("by", "seen")]), labels(&[("by", "new")]), labels(&[("by", "away")]));
    let from = 100 * DAY;
    for (labels, at, counts) in [
        (&seen, from - 10, [5.0, 1.0]),
        (&seen, from + 10, [6.0, 1.0]),
        (&seen, from + DAY, [1.0, 1.0]),
        (&seen, from + 2 * DAY, [2.0, 4.0]),
        (&new, from + 5, [3.0, 4.0]),
        (&away, from - 10 * DAY, [30.0, 40.0]),
        (&away, from + 5, [31.0, 41.0]),
    ] {
        source.put(labels, at, Sample::Histogram(native(counts)), 0);
    }
    let groups = increase(&source, &ask(from, from + 3 * DAY), &Budget::default()).expect("an answer");
    let figures = |g: &Group| g.histogram.histogram().map(|h| (h.count, h.sum));
    let found: Vec<_> = groups.iter().map(|g| (g.key[0].as_str(), figures(g), g.resets)).collect();
    let wanted =
        [("away", Some((2.0, 3.0)), 0), ("new", Some((7.0, 11.0)), 0), ("seen", Some((7.0, 11.0)), 1)];
    assert_eq!(found, wanted);
}

/// The rule, said in the plainest way.
fn by_the_rule(samples: &[(i64, f64)], from: i64, to: i64) -> f64 {
    let mut last = 0.0;
    let mut total = 0.0;
    for (at, value) in samples.iter().filter(|(_, v)| !v.is_nan()) {
        if *at > from && *at <= to {
            total += if *value >= last { value - last } else { *value };
        }
        last = *value;
    }
    total
}

proptest! {
    #[test]
    fn any_counter_is_counted_by_the_rule(
        steps in prop::collection::vec((1i64..40 * HOUR, 0u32..50, 0u8..12), 1..80),
        from in 0i64..20 * DAY,
        length in 1i64..40 * DAY,
    ) {
        let (mut at, mut value, mut samples) = (0, 0.0, Vec::new());
        for (gap, step, what) in steps {
            at += gap;
            value = match what {
                0 => f64::from(step),
                _ => value + f64::from(step),
            };
            samples.push((at, if what == 1 { f64::NAN } else { value }));
        }
        prop_assert_eq!(total(&samples, from, from + length), by_the_rule(&samples, from, from + length));
    }
}
