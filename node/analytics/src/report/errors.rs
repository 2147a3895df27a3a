use super::facts::{self, Facts};
use super::loops::durations;
use super::{Cell, Kind, Report, Row, Table, Unit, ratio};
use crate::Period;
use std::collections::BTreeMap;

/// What failed: errors by the report's keys, and by type of loop against its executions.
pub fn errors(facts: &Facts, period: Period) -> Report {
    let mut notes = Vec::new();
    let (mut errors, mut of_loop) =
        (BTreeMap::<Vec<String>, f64>::new(), BTreeMap::<String, (f64, f64)>::new());
    if let Some(name) = facts.choose(&facts::ERRORS, false, &mut notes) {
        for fact in facts.of(name) {
            *errors.entry(fact.keys()).or_default() += fact.total();
            of_loop.entry(fact.label("loop_type").to_owned()).or_default().0 += fact.total();
        }
    }
    let told_by_loop = facts.keys.iter().position(|k| k == "loop_type");
    if let (Some(base), Some(at)) = (facts.choose(&facts::LOOPS, true, &mut notes), told_by_loop) {
        for (keys, _, durations) in durations(facts, base, "status") {
            of_loop.entry(keys[at].clone()).or_default().1 += durations.figures().0;
        }
    }
    facts.left_out(&mut notes);
    let total: f64 = errors.values().sum();
    let columns = [("errors", Unit::Count), ("share", Unit::Ratio)];
    let mut table = Table::new("errors", "Errors", &facts.keys, &columns);
    for (keys, count) in errors.into_iter().filter(|(_, count)| *count > 0.0) {
        table.push(keys, vec![Cell::of(count), Cell::maybe(ratio(count, total))]);
    }
    table.total =
        Some(Row { keys: Vec::new(), cells: vec![Cell::of(total), Cell::maybe(ratio(total, total))] });
    let mut tables = vec![table.finish()];
    if told_by_loop.is_some() {
        tables.push(by_loop(of_loop));
    }
    Report { kind: Kind::Errors, period, earlier: None, tables, notes }
}

fn by_loop(of_loop: BTreeMap<String, (f64, f64)>) -> Table {
    let columns =
        [("errors", Unit::Count), ("executions", Unit::Count), ("errors_per_execution", Unit::Ratio)];
    let mut table = Table::new("loops", "Errors per execution", &["loop_type".to_owned()], &columns);
    let (mut errors, mut executions) = (0.0, 0.0);
    for (key, (failed, ran)) in of_loop {
        (errors, executions) = (errors + failed, executions + ran);
        table.push(vec![key], vec![Cell::of(failed), Cell::of(ran), Cell::maybe(ratio(failed, ran))]);
    }
    let cells = vec![Cell::of(errors), Cell::of(executions), Cell::maybe(ratio(errors, executions))];
    table.total = Some(Row { keys: Vec::new(), cells });
    table.finish()
}
