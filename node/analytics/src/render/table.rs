use super::{about, figure, notes};
use crate::report::{Cell, Change, Report, Row, Table, Unit};
use plimsoll_model::visible;

/// A text of columns. With `exact` all digits, and the figures of a comparison in columns of their own.
pub(super) fn table(report: &Report, exact: bool) -> String {
    let mut out = format!("{}\n", about(report));
    for table in &report.tables {
        out.push_str(&format!("\n{}\n", visible(&table.title)));
        if table.rows.is_empty() {
            out.push_str("  nothing in this period\n");
            continue;
        }
        let (header, rows) = texts(table, exact, report.earlier.is_some());
        lay_out(&mut out, &header, &rows);
    }
    for (at, note) in notes(report).iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { "" });
        out.push_str(&format!("note: {}\n", visible(note)));
    }
    out
}

/// Titles, true where a column holds figures; and the rows, the total last.
pub(super) type Texts = (Vec<(String, bool)>, Vec<Vec<String>>);

/// A table as texts.
pub(super) fn texts(table: &Table, exact: bool, compared: bool) -> Texts {
    let mut header: Vec<(String, bool)> = table.keys.iter().map(|k| (k.replace('_', " "), false)).collect();
    for column in &table.columns {
        let (title, right) = (figure::title(&column.name, exact), column.unit != Unit::Text);
        if exact && compared && right {
            header.extend(["", " before", " delta", " percent"].map(|part| (format!("{title}{part}"), true)));
        } else {
            header.push((title, right));
        }
    }
    let mut rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| cells(table, row, exact, compared)).collect();
    if let Some(total) = &table.total {
        let mut named = total.clone();
        named.keys = table.keys.iter().map(|_| String::new()).collect();
        if let Some(first) = named.keys.first_mut() {
            *first = "total".to_owned();
        }
        rows.push(cells(table, &named, exact, compared));
    }
    (header, rows)
}

fn cells(table: &Table, row: &Row, exact: bool, compared: bool) -> Vec<String> {
    let mut out: Vec<String> = row.keys.clone();
    for (cell, column) in row.cells.iter().zip(&table.columns) {
        if !exact {
            out.push(figure::cell(cell, column.unit));
            continue;
        }
        out.extend(exact_cells(cell, compared && column.unit != Unit::Text));
    }
    out
}

/// The figure to the last digit; held against an earlier one, that, the difference and the percents too.
pub(super) fn exact_cells(cell: &Cell, compared: bool) -> Vec<String> {
    let text = |v: Option<f64>| v.map_or(String::new(), figure::exact);
    match cell {
        Cell::Text(t) => vec![t.clone()],
        Cell::Figure(now, _) if !compared => vec![text(*now)],
        Cell::Figure(now, before) => {
            let before = before.flatten();
            let change = now.zip(before).map(|(now, before)| Change::of(before, now));
            vec![
                text(*now),
                text(before),
                text(change.map(|c| c.delta)),
                text(change.and_then(|c| c.percent)),
            ]
        }
    }
}

fn lay_out(out: &mut String, header: &[(String, bool)], rows: &[Vec<String>]) {
    let titles: Vec<String> = header.iter().map(|(t, _)| visible(t).to_uppercase()).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(cell).into_owned()).collect()).collect();
    let wide = |text: &str| text.chars().count();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| wide(&row[at]));
        cells.chain([wide(&titles[at])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    for row in std::iter::once(&titles).chain(&rows) {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[at].saturating_sub(wide(cell)));
            line.push_str(&if header[at].1 { format!("{gap}{cell}  ") } else { format!("{cell}{gap}  ") });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
