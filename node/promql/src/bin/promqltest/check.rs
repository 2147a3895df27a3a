//! Runs the commands of a script. Each instant query is asked at other times too, with `@` on its selectors, and
//! as the middle step of a range query: all must answer the same.

use crate::compare::{compare, compare_vector};
use crate::load::store;
use crate::script::{Eval, Expected, Kind, parse};
use plimsoll_promql::ast::{At, Expr, Kind as Node};
use plimsoll_promql::memory::MemorySource;
use plimsoll_promql::{
    Answer, Budget, Error, Options, ParseOptions, Plan, Point, Series, Source, Value, execute,
};

/// The engine settings of Prometheus' own test engine.
const OPTIONS: Options = Options {
    lookback_ms: 5 * 60_000,
    max_points: 11_000,
    subquery_step_ms: 60_000,
    enable_experimental: true,
    delayed_name_removal: true,
    start_timestamps: true,
    rollups: plimsoll_promql::Rollups::Exact,
};

/// What a script came to.
pub struct Report {
    pub passed: usize,
    pub failures: Vec<Failure>,
}

/// An evaluation that is not as expected.
pub struct Failure {
    pub line: usize,
    pub reason: String,
}

/// Runs a script on `shards` shards.
pub fn run_script(text: &str, shards: u16) -> Report {
    let mut report = Report { passed: 0, failures: Vec::new() };
    let mut store_of_script = MemorySource::default();
    let mut sharded = store_of_script.shards(shards);
    for command in parse(text) {
        let line = command.line;
        let outcome = match command.kind {
            Kind::Clear => {
                store_of_script = MemorySource::default();
                sharded = store_of_script.shards(shards);
                continue;
            }
            Kind::Load(load) => match store(&load, &mut store_of_script) {
                Ok(()) => {
                    sharded = store_of_script.shards(shards);
                    continue;
                }
                Err(reason) => Err(reason),
            },
            Kind::Eval(eval) => {
                let sources: Vec<&dyn Source> = sharded.iter().map(|s| s as &dyn Source).collect();
                check(&eval, &sources)
            }
            Kind::Broken(reason) => Err(reason),
        };
        match outcome {
            Ok(()) => report.passed += 1,
            Err(reason) => report.failures.push(Failure { line, reason }),
        }
    }
    report
}

fn ask_instant(query: &str, time: i64, sources: &[&dyn Source]) -> Result<Answer, Error> {
    execute(&Plan::instant(query, time, OPTIONS)?, sources, &Budget::default())
}

fn ask_range(
    query: &str,
    (start, end, step): (i64, i64, i64),
    sources: &[&dyn Source],
) -> Result<Answer, Error> {
    execute(&Plan::range(query, start, end, step, OPTIONS)?, sources, &Budget::default())
}

fn check(eval: &Eval, sources: &[&dyn Source]) -> Result<(), String> {
    if !eval.instant {
        let answer = ask_range(&eval.query, (eval.start, eval.end, eval.step), sources);
        return match expected_answer(eval, answer)? {
            Some(answer) => compare(eval, &answer.value),
            None => Ok(()),
        };
    }
    check_instant(eval, &eval.query, eval.start, sources)?;
    for (query, time) in at_other_times(eval)? {
        check_instant(eval, &query, time, sources).map_err(|e| format!("{query} at {time}: {e}"))?;
    }
    Ok(())
}

/// The answer when one is expected and its notes fit; `None` when the expected failure came.
fn expected_answer(eval: &Eval, answer: Result<Answer, Error>) -> Result<Option<Answer>, String> {
    match (answer, &eval.fail) {
        (Err(e), Some(expected)) => {
            let text = e.to_string();
            if expected.fits(&text) { Ok(None) } else { Err(format!("another failure: {text}")) }
        }
        (Err(e), None) => Err(format!("failed: {e}")),
        (Ok(_), Some(_)) => Err("expected a failure, got an answer".into()),
        (Ok(answer), None) => {
            notes("warn", &eval.warns, eval.no_warn, &answer.warnings)?;
            notes("info", &eval.infos, eval.no_info, &answer.infos)?;
            Ok(Some(answer))
        }
    }
}

fn notes(kind: &str, expected: &[Expected], none: bool, actual: &[String]) -> Result<(), String> {
    if none && !actual.is_empty() {
        return Err(format!("unexpected {kind}: {actual:?}"));
    }
    if expected.is_empty() {
        return Ok(());
    }
    if expected.iter().any(|e| !actual.iter().any(|a| e.fits(a))) {
        return Err(format!("an expected {kind} is missing, there are {actual:?}"));
    }
    match actual.iter().find(|a| !expected.iter().any(|e| e.fits(a))) {
        Some(extra) => Err(format!("unexpected {kind}: {extra}")),
        None => Ok(()),
    }
}

fn check_instant(eval: &Eval, query: &str, time: i64, sources: &[&dyn Source]) -> Result<(), String> {
    let Some(answer) = expected_answer(eval, ask_instant(query, time, sources))? else { return Ok(()) };
    compare(eval, &answer.value)?;
    let context = ["start()", "end()", "range()", "step()"].iter().any(|f| query.contains(f));
    if eval.range.is_some() || eval.text.is_some() || context {
        return Ok(());
    }
    let range = ask_range(query, (time - 60_000, time + 60_000, 60_000), sources)
        .map_err(|e| format!("in range mode: {e}"))?;
    if eval.ordered {
        return Ok(());
    }
    let Value::Matrix(series) = range.value else { return Err("a range query gave no matrix".into()) };
    let middle: Vec<Series> = series
        .into_iter()
        .filter_map(|s| {
            let float = s.floats.iter().find(|(t, _)| *t == time).map(|(_, v)| Point::Float(*v));
            let histogram = s.histograms.iter().find(|(t, _)| *t == time);
            let point = float.or_else(|| histogram.map(|(_, h)| Point::Histogram(h.clone())))?;
            Some(Series { labels: s.labels, point })
        })
        .collect();
    let outcome = match (&answer.value, middle.first().map(|s| &s.point)) {
        (Value::Scalar(..), Some(Point::Float(v))) => compare(eval, &Value::Scalar(time, *v)),
        _ => compare_vector(eval, &middle),
    };
    outcome.map_err(|e| format!("in range mode: {e}"))
}

/// Functions whose answer depends on when they are asked, whatever their argument.
const TIME_DEPENDENT: [&str; 15] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "end",
    "hour",
    "minute",
    "month",
    "year",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
];

fn at_other_times(eval: &Eval) -> Result<Vec<(String, i64)>, String> {
    let mut expr = plimsoll_promql::parse(&eval.query, ParseOptions::default()).map_err(|e| e.to_string())?;
    let time = eval.range.map_or(eval.start, |(_, end, _)| end);
    if !pin(&mut expr, time) {
        return Ok(Vec::new());
    }
    let query = expr.to_string();
    let times = if time == 0 { vec![-1000, 0, 1000] } else { vec![-10 * time, 0, time / 5, time, 10 * time] };
    Ok(times.into_iter().map(|t| (query.clone(), t)).collect())
}

/// Sets `@ time` on all selectors that have none; false when the answer depends on the time anyway.
fn pin(expr: &mut Expr, time: i64) -> bool {
    let set = |at: &mut At| {
        if !matches!(at, At::Time(_)) {
            *at = At::Time(time);
        }
    };
    match &mut expr.kind {
        Node::Number { .. } | Node::Text { .. } => true,
        Node::Selector(s) | Node::Matrix { selector: s, .. } => {
            set(&mut s.at);
            true
        }
        Node::Subquery(s) => {
            // Below a subquery with a fixed time nothing is changed.
            set(&mut s.at);
            true
        }
        Node::Paren(e) => pin(e, time),
        Node::Unary { operand, .. } => pin(operand, time),
        Node::Binary(b) => {
            let left = pin(&mut b.left, time);
            pin(&mut b.right, time) && left
        }
        Node::Call { function, args } => {
            let mut steady = !TIME_DEPENDENT.contains(&function.name);
            for arg in args {
                steady &= pin(arg, time);
            }
            steady
        }
        Node::Aggregate(a) => {
            let param = a.param.as_mut().is_none_or(|p| pin(p, time));
            pin(&mut a.expr, time) && param
        }
    }
}
