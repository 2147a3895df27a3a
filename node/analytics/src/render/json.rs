use super::notes;
use crate::report::{Cell, Change, Report, Row, Table};
use serde_json::{Map, Value, json};

/// The report as a document. Figures that cannot be told are null.
pub fn document(report: &Report) -> Value {
    let period = |p: &crate::Period| json!({"from_ms": p.from, "to_ms": p.to});
    let earlier = report.earlier.as_ref().map(|(p, name)| {
        let mut held = period(p);
        held["name"] = json!(name);
        held
    });
    let tables: Vec<Value> = report.tables.iter().map(table).collect();
    json!({
        "schema": "plimsoll.report/1",
        "kind": report.kind.as_str(),
        "from_ms": report.period.from,
        "to_ms": report.period.to,
        "compare": earlier,
        "tables": tables,
        "notes": notes(report),
    })
}

/// The rows of the first table, a line each.
pub(super) fn lines(report: &Report) -> String {
    let rows = report.tables.iter().take(1).flat_map(|t| t.rows.iter().map(|row| item(t, row)));
    rows.map(|row| format!("{row}\n")).collect()
}

fn table(table: &Table) -> Value {
    let rows: Vec<Value> = table.rows.iter().map(|row| item(table, row)).collect();
    let total = table.total.as_ref().map(|row| item(table, row));
    json!({"name": table.name, "title": table.title, "keys": table.keys, "rows": rows, "total": total})
}

fn item(table: &Table, row: &Row) -> Value {
    let mut out = Map::new();
    let mut compare = Map::new();
    for (key, value) in table.keys.iter().zip(&row.keys) {
        out.insert(key.clone(), json!(value));
    }
    for (column, cell) in table.columns.iter().zip(&row.cells) {
        match cell {
            Cell::Text(text) => put(&mut out, &column.name, json!(text)),
            Cell::Figure(now, before) => {
                put(&mut out, &column.name, number(*now));
                if let Some(before) = before {
                    let change = now.zip(*before).map(|(now, before)| Change::of(before, now));
                    let told = json!({
                        "before": number(*before),
                        "delta": number(change.map(|c| c.delta)),
                        "percent": number(change.and_then(|c| c.percent)),
                    });
                    put(&mut compare, &column.name, told);
                }
            }
        }
    }
    if !compare.is_empty() {
        out.insert("compare".to_owned(), Value::Object(compare));
    }
    Value::Object(out)
}

/// Whole numbers without a fraction, as far as they are exact.
fn number(v: Option<f64>) -> Value {
    match v {
        Some(v) if v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0 => json!(v as i64),
        Some(v) if v.is_finite() => json!(v),
        _ => Value::Null,
    }
}

fn put(into: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            into.insert(name.to_owned(), value);
        }
        Some((outer, inner)) => {
            let nested = into.entry(outer.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            nested[inner] = value;
        }
    }
}
