use super::{Cell, Report, Row, Table, Unit};
use std::collections::{BTreeSet, HashMap};

/// How a figure differs from the one of an earlier period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// By how much.
    pub delta: f64,
    /// By how many percent of the earlier one; not told where that was 0 and this is not.
    pub percent: Option<f64>,
}

impl Change {
    /// From `before` to `now`.
    pub fn of(before: f64, now: f64) -> Self {
        let delta = now - before;
        let percent = match (before, delta) {
            (_, 0.0) => Some(0.0),
            (0.0, _) => None,
            _ => Some(delta / before.abs() * 100.0),
        };
        Self { delta, percent }
    }
}

/// `now` held against `earlier`, the same report of an earlier period, which is called `name`. Rows that one of them
/// does not have count as 0 where things are counted.
pub fn compare(now: Report, earlier: Report, name: String) -> Report {
    let mut before: HashMap<&'static str, Table> = earlier.tables.into_iter().map(|t| (t.name, t)).collect();
    let join = |table: Table| match before.remove(table.name) {
        Some(earlier) => join(table, earlier),
        None => table,
    };
    let tables = now.tables.into_iter().map(join).collect();
    let mut notes = now.notes;
    let then = earlier.notes.into_iter().map(|note| format!("{name}: {note}"));
    notes.extend(then);
    Report { kind: now.kind, period: now.period, earlier: Some((earlier.period, name)), tables, notes }
}

fn join(mut now: Table, mut before: Table) -> Table {
    let names: BTreeSet<String> = now.columns.iter().chain(&before.columns).map(|c| c.name.clone()).collect();
    if names.len() > now.columns.len() || names.len() > before.columns.len() {
        // a kind of token that only one period knows
        let all = united(&now, &before);
        now = widened(now, &all);
        before = widened(before, &all);
    }
    let units: Vec<Unit> = now.columns.iter().map(|c| c.unit).collect();
    let mut earlier: HashMap<Vec<String>, Row> = before.rows.drain(..).map(|r| (r.keys.clone(), r)).collect();
    for row in &mut now.rows {
        let then = earlier.remove(&row.keys);
        hold(row, then.as_ref(), &units);
    }
    for (keys, then) in earlier {
        let cells = units.iter().map(|u| absent(*u)).collect();
        let mut row = Row { keys, cells };
        hold(&mut row, Some(&then), &units);
        now.rows.push(row);
    }
    if let Some(total) = &mut now.total {
        hold(total, before.total.as_ref(), &units);
    }
    now.left_out += before.left_out;
    now.finish()
}

fn hold(row: &mut Row, then: Option<&Row>, units: &[Unit]) {
    for (at, cell) in row.cells.iter_mut().enumerate() {
        if let Cell::Figure(_, before) = cell {
            let unit = units.get(at).copied().unwrap_or(Unit::Count);
            *before = Some(match then.map(|r| &r.cells[at]) {
                Some(Cell::Figure(value, _)) => *value,
                Some(Cell::Text(_)) => None,
                None => match absent(unit) {
                    Cell::Figure(value, _) => value,
                    Cell::Text(_) => None,
                },
            });
        }
    }
}

/// What stands in a row that a period does not have.
fn absent(unit: Unit) -> Cell {
    match unit {
        Unit::Count | Unit::Usd => Cell::of(0.0),
        Unit::Seconds | Unit::Ratio => Cell::maybe(None),
        Unit::Text => Cell::Text(String::new()),
    }
}

fn united(a: &Table, b: &Table) -> Vec<super::Column> {
    let mut all = a.columns.clone();
    for column in &b.columns {
        if !all.iter().any(|c| c.name == column.name) {
            // a new column stands after those that it follows in its own table
            let at = b.columns.iter().position(|c| c.name == column.name).unwrap_or(all.len());
            all.insert(at.min(all.len()), column.clone());
        }
    }
    all
}

fn widened(mut table: Table, all: &[super::Column]) -> Table {
    let places: Vec<Option<usize>> =
        all.iter().map(|c| table.columns.iter().position(|own| own.name == c.name)).collect();
    let widen = |row: &mut Row| {
        let cells = std::mem::take(&mut row.cells);
        let cell = |(place, column): (&Option<usize>, &super::Column)| match place {
            Some(at) => cells[*at].clone(),
            None => absent(column.unit),
        };
        row.cells = places.iter().zip(all).map(cell).collect();
    };
    table.rows.iter_mut().for_each(widen);
    table.total.iter_mut().for_each(widen);
    table.columns = all.to_vec();
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Period;
    use crate::report::Kind;

    #[test]
    fn changes_are_differences_and_percents_of_the_earlier_figure() {
        let cases = [
            (100.0, 150.0, 50.0, Some(50.0)),
            (100.0, 0.0, -100.0, Some(-100.0)),
            (0.0, 0.0, 0.0, Some(0.0)),
            (0.0, 5.0, 5.0, None),
            (-10.0, -5.0, 5.0, Some(50.0)),
        ];
        for (before, now, delta, percent) in cases {
            assert_eq!(Change::of(before, now), Change { delta, percent }, "{before} to {now}");
        }
    }

    fn report(columns: &[(&str, Unit)], rows: &[(&str, &[Option<f64>])]) -> Report {
        let mut table = Table::new("t", "T", &["k".to_owned()], columns);
        for (key, values) in rows {
            table.push(vec![(*key).to_owned()], values.iter().map(|v| Cell::maybe(*v)).collect());
        }
        let period = Period { from: 0, to: 1 };
        Report {
            kind: Kind::Loops,
            period,
            earlier: None,
            tables: vec![table.finish()],
            notes: vec!["n".into()],
        }
    }

    #[test]
    fn rows_and_columns_of_one_period_alone_are_there() {
        use Unit::{Count, Seconds};
        let now = report(
            &[("n", Count), ("s", Seconds)],
            &[("a", &[Some(4.0), Some(1.0)]), ("b", &[Some(1.0), None])],
        );
        let then = report(
            &[("n", Count), ("x", Count), ("s", Seconds)],
            &[("a", &[Some(2.0), Some(7.0), Some(3.0)]), ("c", &[Some(9.0), Some(1.0), Some(2.0)])],
        );
        let joined = compare(now, then, "before".to_owned());
        let table = &joined.tables[0];
        let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["n", "x", "s"]);
        let figure = |now: Option<f64>, before: Option<f64>| Cell::Figure(now, Some(before));
        let row = |key: &str| table.rows.iter().find(|r| r.keys == [key]).map(|r| r.cells.clone());
        let a =
            vec![figure(Some(4.0), Some(2.0)), figure(Some(0.0), Some(7.0)), figure(Some(1.0), Some(3.0))];
        assert_eq!(row("a"), Some(a));
        let b = vec![figure(Some(1.0), Some(0.0)), figure(Some(0.0), Some(0.0)), figure(None, None)];
        assert_eq!(row("b"), Some(b));
        let c = vec![figure(Some(0.0), Some(9.0)), figure(Some(0.0), Some(1.0)), figure(None, Some(2.0))];
        assert_eq!(row("c"), Some(c));
        assert_eq!(joined.notes, ["n", "before: n"]);
    }
}
