use super::facts::{self, Durations, Fact, Facts};
use super::{Cell, Kind, Report, Table, Unit, ratio};
use crate::Period;
use std::collections::BTreeMap;

/// Values of the label `status` (or `outcome` of tools) that mean success.
const SUCCESS: [&str; 6] = ["success", "succeeded", "ok", "completed", "done", "true"];

/// How the loops under one set of keys performed.
#[derive(Clone, Debug, Default)]
pub struct LoopStats {
    /// Loops that ended.
    pub executions: f64,
    /// Those of them whose status is known.
    pub known: f64,
    /// Those that ended well.
    pub successes: f64,
    /// Errors that were counted.
    pub errors: f64,
    pub(super) durations: Durations,
}

pub(super) fn is_success(status: &str) -> bool {
    SUCCESS.iter().any(|s| status.eq_ignore_ascii_case(s))
}

/// The figures of the loops by the report's keys.
pub fn loop_stats(facts: &Facts, notes: &mut Vec<String>) -> BTreeMap<Vec<String>, LoopStats> {
    let mut all: BTreeMap<Vec<String>, LoopStats> = BTreeMap::new();
    let mut by_status: BTreeMap<(Vec<String>, String), Durations> = BTreeMap::new();
    if let Some(base) = facts.choose(&facts::LOOPS, true, notes) {
        for (keys, status, durations) in durations(facts, base, "status") {
            by_status.insert((keys, status), durations);
        }
    }
    for ((keys, status), durations) in by_status {
        let stats = all.entry(keys).or_default();
        let (count, _) = durations.figures();
        stats.executions += count;
        if !status.is_empty() {
            stats.known += count;
            stats.successes += if is_success(&status) { count } else { 0.0 };
        }
        stats.durations.merge(&durations);
    }
    if let Some(name) = facts.choose(&facts::ERRORS, false, notes) {
        for fact in facts.of(name) {
            all.entry(fact.keys()).or_default().errors += fact.total();
        }
    }
    facts.left_out(notes);
    all
}

/// The histograms of `base` by keys and the label `by`.
pub(super) fn durations(facts: &Facts, base: &str, by: &str) -> Vec<(Vec<String>, String, Durations)> {
    let mut all: BTreeMap<(Vec<String>, String), Durations> = BTreeMap::new();
    let mut each = |part: &str, put: &dyn Fn(&mut Durations, Fact<'_>)| {
        for fact in facts.of(&format!("{base}{part}")) {
            put(all.entry((fact.keys(), fact.label(by).to_owned())).or_default(), fact);
        }
    };
    each("_bucket", &|d, f| d.bucket(f.label("le"), f.total()));
    each("_count", &|d, f| d.count(f.total()));
    each("_sum", &|d, f| d.sum(f.total()));
    each("", &|d, f| {
        d.native(&f.group.histogram);
    });
    all.into_iter().map(|((keys, by), durations)| (keys, by, durations)).collect()
}

/// How loops performed: executions, success rate, quantiles of their durations.
pub fn loops(facts: &Facts, period: Period) -> Report {
    let columns = [
        ("executions", Unit::Count),
        ("success_rate", Unit::Ratio),
        ("errors", Unit::Count),
        ("median_seconds", Unit::Seconds),
        ("p95_seconds", Unit::Seconds),
        ("p99_seconds", Unit::Seconds),
        ("mean_seconds", Unit::Seconds),
        ("total_seconds", Unit::Seconds),
    ];
    let (mut notes, mut whole) = (Vec::new(), LoopStats::default());
    let mut table = Table::new("loops", "Loop performance", &facts.keys, &columns);
    for (keys, stats) in loop_stats(facts, &mut notes) {
        table.push(keys, stats.cells());
        whole.executions += stats.executions;
        whole.known += stats.known;
        whole.successes += stats.successes;
        whole.errors += stats.errors;
        whole.durations.merge(&stats.durations);
    }
    if whole.known < whole.executions {
        notes.push(
            "some loops have no label `status`: the success rate is that of the others, of those that have one"
                .to_owned(),
        );
    }
    table.total = Some(super::Row { keys: Vec::new(), cells: whole.cells() });
    Report { kind: Kind::Loops, period, earlier: None, tables: vec![table.finish()], notes }
}

impl LoopStats {
    /// The quantile `q` of the durations in seconds, where it can be told.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.durations.quantile(q)
    }

    /// The part that ended well, of those whose status is known.
    pub fn success_rate(&self) -> Option<f64> {
        ratio(self.successes, self.known)
    }

    fn cells(&self) -> Vec<Cell> {
        let (count, sum) = self.durations.figures();
        vec![
            Cell::of(self.executions),
            Cell::maybe(self.success_rate()),
            Cell::of(self.errors),
            Cell::maybe(self.quantile(0.5)),
            Cell::maybe(self.quantile(0.95)),
            Cell::maybe(self.quantile(0.99)),
            Cell::maybe(ratio(sum, count)),
            Cell::maybe((count > 0.0).then_some(sum)),
        ]
    }
}
