//! Sliding kernels against a plain evaluation of each window.

use plimsoll_model::{FloatColumn, Labels, Samples, stale_nan};
use plimsoll_promql::memory::MemorySource;
use plimsoll_promql::{Budget, Options, Plan, Value, execute};
use proptest::prelude::*;
use std::sync::Arc;

const RANGE: i64 = 300_000;

/// Times and values of a window.
type Window = [(i64, f64)];

fn mean(w: &Window) -> f64 {
    w.iter().map(|s| s.1).sum::<f64>() / w.len() as f64
}

fn variance(w: &Window) -> f64 {
    let m = mean(w);
    w.iter().map(|s| (s.1 - m).powi(2)).sum::<f64>() / w.len() as f64
}

fn best(w: &Window, better: fn(f64, f64) -> bool) -> f64 {
    w.iter().fold(f64::NAN, |best, s| if best.is_nan() || better(s.1, best) { s.1 } else { best })
}

fn quantile(w: &Window, q: f64) -> f64 {
    let mut values: Vec<f64> = w.iter().map(|s| s.1).collect();
    values.sort_by(|a, b| {
        b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let rank = q * (values.len() - 1) as f64;
    let (low, high) = (rank.floor() as usize, (rank.floor() as usize + 1).min(values.len() - 1));
    let weight = rank - rank.floor();
    values[low] * (1.0 - weight) + values[high] * weight
}

fn pairs(w: &Window, is: fn(f64, f64) -> bool) -> f64 {
    w.windows(2).filter(|p| is(p[0].1, p[1].1)).count() as f64
}

fn extrapolated(w: &Window, end: i64, counter: bool) -> Option<f64> {
    let [first, .., last] = w else { return None };
    let mut difference = last.1 - first.1;
    if counter {
        difference += w.windows(2).filter(|p| p[1].1 < p[0].1).map(|p| p[0].1).sum::<f64>();
    }
    let sampled = (last.0 - first.0) as f64 / 1000.0;
    let average = sampled / (w.len() - 1) as f64;
    let cut = |d: f64| if d >= average * 1.1 { average / 2.0 } else { d };
    let mut before = cut((first.0 - (end - RANGE)) as f64 / 1000.0);
    if counter && difference > 0.0 && first.1 >= 0.0 {
        before = before.min(sampled * (first.1 / difference));
    }
    let after = cut((end - last.0) as f64 / 1000.0);
    Some(difference * (sampled + before + after) / sampled)
}

fn naive(function: &str, w: &Window, end: i64) -> Option<f64> {
    if w.is_empty() {
        return None;
    }
    let ends = |a: f64, b: f64| !(a == b || a.is_nan() && b.is_nan());
    Some(match function {
        "sum_over_time" => w.iter().map(|s| s.1).sum(),
        "avg_over_time" => mean(w),
        "min_over_time" => best(w, |a, b| a < b),
        "max_over_time" => best(w, |a, b| a > b),
        "count_over_time" => w.len() as f64,
        "stddev_over_time" => variance(w).sqrt(),
        "stdvar_over_time" => variance(w),
        "last_over_time" => w[w.len() - 1].1,
        "first_over_time" => w[0].1,
        "present_over_time" => 1.0,
        "changes" => pairs(w, ends),
        "resets" => pairs(w, |a, b| b < a),
        "quantile_over_time" => quantile(w, 0.9),
        "rate" => extrapolated(w, end, true)? / (RANGE as f64 / 1000.0),
        "increase" => extrapolated(w, end, true)?,
        "delta" => extrapolated(w, end, false)?,
        other => panic!("{other} has no plain evaluation here"),
    })
}

const FUNCTIONS: [&str; 16] = [
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "changes",
    "resets",
    "quantile_over_time",
    "rate",
    "increase",
    "delta",
];

fn near(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-7 * (1.0 + a.abs() + b.abs())
}

fn check(samples: &[(i64, f64)], step: i64) -> Result<(), TestCaseError> {
    let (times, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
    let times = Arc::new(times);
    let mut source = MemorySource::default();
    // Two series with one timestamp column, so that its windows are used twice.
    for series in ["a", "b"] {
        let labels = Labels::from_pairs([("__name__", "x_total"), ("s", series)]).expect("names differ");
        let floats = FloatColumn { timestamps: Arc::clone(&times), values: values.clone() };
        source.put_series(labels, Samples { floats, histograms: Vec::new() });
    }
    let (start, end) = (100_000, 1_500_000);
    for function in FUNCTIONS {
        let argument = if function == "quantile_over_time" { "0.9, " } else { "" };
        let query = format!("{function}({argument}x_total[5m])");
        let options = Options { delayed_name_removal: true, ..Options::default() };
        let plan = Plan::range(&query, start, end, step, options).expect("a query");
        let answer = execute(&plan, &[&source], &Budget::default()).expect("an answer");
        let Value::Matrix(series) = answer.value else { panic!("a range query gives a matrix") };
        let expected: Vec<(i64, f64)> = (start..=end)
            .step_by(step as usize)
            .filter_map(|t| {
                let inside = |s: &&(i64, f64)| s.0 > t - RANGE && s.0 <= t && !plimsoll_model::is_stale(s.1);
                let window: Vec<(i64, f64)> = samples.iter().filter(inside).copied().collect();
                Some((t, naive(function, &window, t)?))
            })
            .collect();
        prop_assert_eq!(series.len(), if expected.is_empty() { 0 } else { 2 });
        for s in series {
            prop_assert_eq!(s.floats.len(), expected.len(), "{}", query);
            for (a, b) in s.floats.iter().zip(&expected) {
                prop_assert!(a.0 == b.0 && near(a.1, b.1), "{query} step {step}: {a:?}, plainly {b:?}");
            }
        }
    }
    Ok(())
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -1000.0..1000.0f64,
        4 => (0..20u8).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(stale_nan()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn windows_over_random_samples_are_those_of_a_plain_evaluation(
        gaps in prop::collection::vec((1i64..40_000, value()), 0..120),
        step in prop::sample::select(vec![1000i64, 15_000, 60_000, 400_000]),
    ) {
        let mut at = 0;
        let samples: Vec<(i64, f64)> = gaps.into_iter().map(|(gap, v)| { at += gap; (at, v) }).collect();
        check(&samples, step)?;
    }

    #[test]
    fn windows_over_a_regular_counter_are_those_of_a_plain_evaluation(
        increments in prop::collection::vec(0u16..100, 10..150),
        resets in prop::collection::vec(0usize..150, 0..3),
        step in prop::sample::select(vec![5000i64, 15_000, 30_000]),
    ) {
        let mut total = 0.0;
        let samples: Vec<(i64, f64)> = increments
            .iter()
            .enumerate()
            .map(|(i, v)| {
                total = if resets.contains(&i) { 0.0 } else { total + f64::from(*v) };
                (7000 + 10_000 * i as i64, total)
            })
            .collect();
        check(&samples, step)?;
    }
}

#[test]
fn infinities_and_huge_values_leave_a_window_without_a_trace() {
    let mut samples: Vec<(i64, f64)> = (0..150).map(|i| (i * 10_000, i as f64)).collect();
    samples[40].1 = f64::INFINITY;
    samples[90].1 = 1e300;
    samples[91].1 = -1e300;
    for function in ["sum_over_time", "avg_over_time", "stddev_over_time", "max_over_time"] {
        let (times, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
        let mut source = MemorySource::default();
        let labels = Labels::from_pairs([("__name__", "x")]).expect("names differ");
        let floats = FloatColumn { timestamps: Arc::new(times), values };
        source.put_series(labels, Samples { floats, histograms: Vec::new() });
        let plan = Plan::range(&format!("{function}(x[5m])"), 0, 1_490_000, 10_000, Options::default());
        let answer = execute(&plan.expect("a query"), &[&source], &Budget::default()).expect("an answer");
        let Value::Matrix(series) = answer.value else { panic!("a range query gives a matrix") };
        let at = |t: i64| series[0].floats.iter().find(|p| p.0 == t).map(|p| p.1);
        let window = |end: i64| -> Vec<(i64, f64)> {
            samples.iter().copied().filter(|s| s.0 > end - RANGE && s.0 <= end).collect()
        };
        for end in [750_000, 1_250_000, 1_490_000] {
            let expected = naive(function, &window(end), end).expect("samples");
            assert!(near(at(end).expect("a point"), expected), "{function} at {end}");
        }
    }
}
