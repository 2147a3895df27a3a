//! The cut into leaf and merge part: one shard and many give the same answer, partial answers survive the wire,
//! and limits are named.

use plimsoll_model::{Histogram, Labels, Span};
use plimsoll_promql::memory::{MemorySource, Sample};
use plimsoll_promql::{Answer, Budget, Error, Options, Partial, Plan, Point, Source, Value, execute};
use proptest::prelude::*;
use std::sync::Arc;

const QUERIES: &[&str] = &[
    "x",
    "-x",
    "x offset 1m",
    "x @ 300",
    "rate(x[5m])",
    "sum(x)",
    "sum by (job) (rate(x[5m]))",
    "avg without (instance) (x)",
    "count by (job) (x)",
    "group(x)",
    "min by (instance) (x)",
    "max(x)",
    "stddev by (job) (x)",
    "stdvar(x)",
    "quantile by (job) (0.7, x)",
    "topk(2, x)",
    "bottomk by (job) (1, x)",
    "limitk(3, x)",
    "limit_ratio(0.5, x)",
    "count_values(\"v\", x)",
    "absent(x{job=\"nope\"})",
    "absent(x{job=\"j0\"})",
    "absent_over_time(x[1m])",
    "scalar(sum(x)) + 1",
    "x / y",
    "x and y",
    "x or y",
    "x unless y",
    "x * on (job) group_left () sum by (job) (y)",
    "sum(x) / sum(y)",
    "max_over_time(sum(rate(x[2m]))[4m:1m])",
    "max by (job) (max_over_time(rate(x[2m])[4m:1m]))",
    "histogram_quantile(0.5, b)",
    "histogram_quantile(0.5, sum by (le) (rate(b[5m])))",
    "label_replace(x, \"host\", \"$1\", \"instance\", \"i(.)\")",
    "sum by (host) (label_replace(x, \"host\", \"$1\", \"instance\", \"i(.)\"))",
    "quantile_over_time(scalar(max(y)) / 1000, x[5m])",
    "predict_linear(x[5m], 60)",
    "sort(x)",
    "sum(h)",
    "avg by (job) (h)",
    "histogram_quantile(0.5, rate(h[5m]))",
    "count_over_time(h[3m])",
    "clamp(x, 3, 10) > 4",
    "time() - timestamp(x)",
    "day_of_week(x)",
    "vector(1) + 1",
    "x > bool 5",
];

fn options() -> Options {
    Options { delayed_name_removal: true, ..Options::default() }
}

/// A sample: series, time in s, value.
type Raw = (u8, u16, i16);

fn source(samples: &[Raw]) -> MemorySource {
    let mut source = MemorySource::default();
    for &(series, time, value) in samples {
        let (metric, job, instance) = (series % 4, series / 4 % 3, series / 12 % 4);
        let mut pairs = vec![
            ("__name__", ["x", "y", "b", "h"][usize::from(metric)].to_owned()),
            ("job", format!("j{job}")),
            ("instance", format!("i{instance}")),
        ];
        if metric == 2 {
            pairs.push(("le", ["1", "2", "+Inf"][usize::from(series / 48 % 3)].to_owned()));
        }
        let labels = Labels::from_pairs(pairs).expect("names differ");
        let time = i64::from(time % 1200) * 1000;
        // Distinct values, so that ranks are without ties.
        let value = f64::from(value) + f64::from(series) / 512.0;
        let sample = if metric == 3 {
            let count = value.abs();
            Sample::Histogram(Arc::new(Histogram {
                count: 2.0 * count,
                sum: value,
                positive_spans: vec![Span { offset: i32::from(job), length: 2 }],
                positive_buckets: vec![count, count],
                ..Histogram::default()
            }))
        } else {
            Sample::Float(value)
        };
        source.put(&labels, time, sample, 0);
    }
    source
}

fn plans(query: &str) -> [Plan; 2] {
    [
        Plan::instant(query, 600_000, options()).expect(query),
        Plan::range(query, 100_000, 900_000, 25_000, options()).expect(query),
    ]
}

fn ask(plan: &Plan, shards: &[MemorySource]) -> Result<Answer, Error> {
    let sources: Vec<&dyn Source> = shards.iter().map(|s| s as &dyn Source).collect();
    execute(plan, &sources, &Budget::default())
}

fn near(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * (a.abs() + b.abs()).max(1e-300)
}

/// The value as comparable lines: labels, time, number.
fn lines(value: &Value) -> Vec<(String, i64, Vec<f64>)> {
    let figures = |h: &Histogram| {
        let mut out = vec![h.count, h.sum, f64::from(h.schema)];
        out.extend(&h.positive_buckets);
        out
    };
    let mut out: Vec<(String, i64, Vec<f64>)> = match value {
        Value::Scalar(t, v) => vec![(String::new(), *t, vec![*v])],
        Value::String(t, s) => vec![(s.clone(), *t, vec![])],
        Value::Vector(t, series) => series
            .iter()
            .map(|s| match &s.point {
                Point::Float(v) => (s.labels.to_string(), *t, vec![*v]),
                Point::Histogram(h) => (s.labels.to_string(), *t, figures(h)),
            })
            .collect(),
        Value::Matrix(series) => series
            .iter()
            .flat_map(|s| {
                let floats = s.floats.iter().map(|(t, v)| (s.labels.to_string(), *t, vec![*v]));
                let histograms = s.histograms.iter().map(|(t, h)| (s.labels.to_string(), *t, figures(h)));
                floats.chain(histograms)
            })
            .collect(),
    };
    out.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    out
}

fn assert_same(query: &str, a: &Value, b: &Value) -> Result<(), TestCaseError> {
    let (a, b) = (lines(a), lines(b));
    prop_assert_eq!(a.len(), b.len(), "{}: {:?} and {:?}", query, a, b);
    for (x, y) in a.iter().zip(&b) {
        let same = x.0 == y.0 && x.1 == y.1 && x.2.len() == y.2.len();
        let equal = x.2.iter().zip(&y.2).all(|(v, w)| near(*v, *w));
        prop_assert!(same && equal, "{}: {:?} and {:?}", query, x, y);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_shard_and_many_answer_the_same(samples in prop::collection::vec(any::<Raw>(), 0..400)) {
        let whole = source(&samples);
        for query in QUERIES {
            for plan in plans(query) {
                let one = ask(&plan, std::slice::from_ref(&whole));
                let many = ask(&plan, &whole.shards(7));
                match (one, many) {
                    (Ok(a), Ok(b)) => assert_same(query, &a.value, &b.value)?,
                    (Err(_), Err(_)) => {}
                    (a, b) => prop_assert!(false, "{query}: {a:?} and {b:?}"),
                }
            }
        }
    }

    #[test]
    fn plans_and_partial_answers_survive_the_wire(samples in prop::collection::vec(any::<Raw>(), 0..100)) {
        let shards = source(&samples).shards(3);
        let budget = Budget::default();
        for query in QUERIES {
            for plan in plans(query) {
                let bytes = postcard::to_allocvec(&plan).expect("a plan is plain data");
                let sent: Plan = postcard::from_bytes(&bytes).expect("a plan comes back");
                let partials: Result<Vec<Partial>, Error> =
                    shards.iter().map(|s| sent.leaf(s, &budget)).collect();
                let Ok(partials) = partials else { continue };
                let wired: Vec<Partial> = partials
                    .iter()
                    .map(|p| postcard::to_allocvec(p).expect("a partial answer is plain data"))
                    .map(|bytes| postcard::from_bytes(&bytes).expect("a partial answer comes back"))
                    .collect();
                match (plan.merge(partials, &budget), plan.merge(wired, &budget)) {
                    (Ok(a), Ok(b)) => assert_same(query, &a.value, &b.value)?,
                    (Err(_), Err(_)) => {}
                    (a, b) => prop_assert!(false, "{query}: {a:?} and {b:?}"),
                }
            }
        }
    }
}

fn some_samples() -> MemorySource {
    let samples: Vec<Raw> =
        (0..240u8).flat_map(|s| (0..20u16).map(move |t| (s, t * 60, i16::from(s)))).collect();
    source(&samples)
}

fn limited(budget: &Budget, query: &str) -> String {
    let plan = Plan::range(query, 0, 1_200_000, 1000, options()).expect(query);
    let source = some_samples();
    execute(&plan, &[&source], budget).expect_err("over the limit").to_string()
}

#[test]
fn a_subquery_of_more_steps_than_fit_is_refused() {
    let plan = Plan::instant("sum_over_time(x[200y:1ms])", 600_000, options()).expect("a query");
    let error = execute(&plan, &[&some_samples()], &Budget::default()).expect_err("too many steps");
    assert!(error.to_string().contains("max_samples"), "{error}");
    for time in [i64::MIN, i64::MIN + 1, i64::MAX] {
        for query in ["rate(x[5m])", "x offset 100y", "max_over_time(x[1h:1m])", "rate(x[5m] smoothed)"] {
            let plan = Plan::instant(query, time, options()).expect("a query");
            let _ = execute(&plan, &[&some_samples()], &Budget::default());
        }
    }
}

#[test]
fn every_limit_is_named_by_its_error() {
    let with = |change: &dyn Fn(&mut Budget)| {
        let mut budget = Budget::default();
        change(&mut budget);
        budget
    };
    assert!(limited(&with(&|b| b.max_samples = 100), "x").contains("max_samples = 100"));
    assert!(limited(&with(&|b| b.memory_bytes = 1000), "x").contains("memory_bytes = 1000"));
    assert!(limited(&with(&|b| b.max_series = 3), "x").contains("max_series = 3"));
    let points = Plan::range("x", 0, 11_000_000, 1000, options()).expect_err("too many points");
    assert!(points.to_string().contains("11000 points"));
    assert_eq!(points.kind(), "bad_data");
}

#[test]
fn a_stopped_query_ends_with_the_reason() {
    let budget = Budget::default();
    budget.stop.timeout();
    budget.stop.cancel();
    assert!(limited(&budget, "x").contains("timed out"));
    let budget = Budget::default();
    budget.stop.cancel();
    assert!(limited(&budget, "sum(x)").contains("canceled"));
}

#[test]
fn what_a_query_held_is_given_back() {
    let (source, mut budget) = (some_samples(), Budget::default());
    budget.max_samples = 60_000;
    let plan = Plan::range("sum by (job) (x)", 0, 1_000_000, 10_000, options()).expect("a query");
    for _ in 0..50 {
        execute(&plan, &[&source], &budget).expect("within the budget each time");
    }
}

#[test]
fn names_are_dropped_at_once_or_at_the_end() {
    let mut source = MemorySource::default();
    for name in ["a_total", "b_total"] {
        let labels = Labels::from_pairs([("__name__", name), ("l", "v")]).expect("names differ");
        for t in 0..10 {
            source.put(&labels, t * 60_000, Sample::Float(t as f64), 0);
        }
    }
    let ask = |query: &str, delayed_name_removal: bool, shards: u16| {
        let options = Options { delayed_name_removal, ..Options::default() };
        let plan = Plan::instant(query, 540_000, options).expect(query);
        let shards = source.shards(shards);
        let sources: Vec<&dyn Source> = shards.iter().map(|s| s as &dyn Source).collect();
        execute(&plan, &sources, &Budget::default())
    };
    for shards in [1, 5] {
        let both = "rate({__name__=~\".*_total\"}[5m])";
        assert!(ask(both, false, shards).is_err());
        assert!(ask(&format!("sum({both})"), false, shards).is_err());
        assert!(ask(both, true, shards).is_err());
        assert!(ask(&format!("sum({both})"), true, shards).is_ok());
        // The groups differ by a name that is dropped at the end.
        assert!(ask(&format!("sum by (__name__) ({both})"), true, shards).is_err());
        assert!(ask("sum by (__name__) ({__name__=~\".*_total\"})", true, shards).is_ok());
        let replaced = "sum(label_replace({__name__=~\".*_total\"}, \"__name__\", \"c\", \"\", \"\"))";
        assert!(ask(replaced, true, shards).is_err());
    }
}

#[test]
fn the_deepest_query_that_is_parsed_can_be_answered() {
    let source = some_samples();
    let chain = vec!["x"; 95].join(" or ");
    let nested = format!("{}x{}", "abs(".repeat(95), ")".repeat(95));
    let signs = format!("{}x{}", "-(".repeat(45), ")".repeat(45));
    let subqueries = format!("max_over_time({}x{}", "sum(".repeat(90), ")".repeat(90) + "[5m:1m])");
    for query in [chain, nested, signs, subqueries] {
        let plan = Plan::instant(&query, 600_000, options()).expect("deep, but not too deep");
        let bytes = postcard::to_allocvec(&plan).expect("a plan is plain data");
        let plan: Plan = postcard::from_bytes(&bytes).expect("a plan comes back");
        execute(&plan, &[&source], &Budget::default()).expect("an answer");
    }
}
