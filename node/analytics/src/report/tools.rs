use super::facts::{self, Durations, Facts};
use super::loops::{durations, is_success};
use super::{Cell, Kind, Report, Row, Table, Unit, ratio};
use crate::Period;
use std::collections::BTreeMap;

#[derive(Default)]
struct Use {
    calls: f64,
    known: f64,
    failures: f64,
    durations: Durations,
}

/// How tools were used: calls, failures, durations.
pub fn tools(facts: &Facts, period: Period) -> Report {
    let (mut notes, mut uses) = (Vec::new(), BTreeMap::<Vec<String>, Use>::new());
    if let Some(name) = facts.choose(&facts::TOOLS, false, &mut notes) {
        for fact in facts.of(name) {
            let used = uses.entry(fact.keys()).or_default();
            let outcome = [fact.label("outcome"), fact.label("status")].into_iter().find(|o| !o.is_empty());
            used.calls += fact.total();
            if let Some(outcome) = outcome {
                used.known += fact.total();
                used.failures += if is_success(outcome) { 0.0 } else { fact.total() };
            }
        }
    }
    for (keys, _, durations) in durations(facts, facts::TOOL_SECONDS[0], "status") {
        uses.entry(keys).or_default().durations.merge(&durations);
    }
    facts.left_out(&mut notes);
    let columns = [
        ("calls", Unit::Count),
        ("share", Unit::Ratio),
        ("failures", Unit::Count),
        ("failure_rate", Unit::Ratio),
        ("median_seconds", Unit::Seconds),
        ("p95_seconds", Unit::Seconds),
        ("total_seconds", Unit::Seconds),
    ];
    let mut table = Table::new("tools", "Tool usage", &facts.keys, &columns);
    let mut whole = Use::default();
    for used in uses.values() {
        whole.calls += used.calls;
        whole.known += used.known;
        whole.failures += used.failures;
        whole.durations.merge(&used.durations);
    }
    for (keys, used) in &uses {
        table.push(keys.clone(), used.cells(whole.calls));
    }
    if whole.known < whole.calls {
        notes.push("some calls have no label `outcome`: the failure rate is that of the others".to_owned());
    }
    table.total = Some(Row { keys: Vec::new(), cells: whole.cells(whole.calls) });
    Report { kind: Kind::Tools, period, earlier: None, tables: vec![table.finish()], notes }
}

impl Use {
    fn cells(&self, all: f64) -> Vec<Cell> {
        let (count, sum) = self.durations.figures();
        vec![
            Cell::of(self.calls),
            Cell::maybe(ratio(self.calls, all)),
            Cell::of(self.failures),
            Cell::maybe(ratio(self.failures, self.known)),
            Cell::maybe(self.durations.quantile(0.5)),
            Cell::maybe(self.durations.quantile(0.95)),
            Cell::maybe((count > 0.0).then_some(sum)),
        ]
    }
}
