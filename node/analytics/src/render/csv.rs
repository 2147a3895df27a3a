use super::table::exact_cells;
use crate::report::{Report, Row, Unit};
use plimsoll_model::csv_field;
use std::borrow::Cow;

/// The first table; the others are sums of it.
pub(super) fn csv(report: &Report) -> String {
    let Some(table) = report.tables.first() else { return String::new() };
    let compared = report.earlier.is_some();
    let mut header: Vec<String> = table.keys.clone();
    for column in &table.columns {
        header.push(column.name.clone());
        if compared && column.unit != Unit::Text {
            header.extend(["before", "delta", "percent"].map(|part| format!("{}_{part}", column.name)));
        }
    }
    let mut out = String::new();
    line(&mut out, header.iter().map(|h| text(h)));
    for Row { keys, cells } in &table.rows {
        let figures = cells.iter().zip(&table.columns).flat_map(|(cell, column)| {
            let is_text = column.unit == Unit::Text;
            let cells = exact_cells(cell, compared && !is_text);
            cells.into_iter().map(move |c| if is_text { text(&c).into_owned() } else { c })
        });
        let figures: Vec<String> = figures.collect();
        line(&mut out, keys.iter().map(|k| text(k)).chain(figures.into_iter().map(Cow::Owned)));
    }
    out
}

/// A text as a field. One that a spreadsheet would take for a formula gets an apostrophe in front.
fn text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@']) {
        return Cow::Owned(csv_field(&format!("'{text}")).into_owned());
    }
    csv_field(text)
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = Cow<'a, str>>) {
    out.push_str(&cells.collect::<Vec<_>>().join(","));
    out.push('\n');
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_that_a_spreadsheet_would_calculate_is_text() {
        for (label, field) in [("=1+1", "'=1+1"), ("@a,b", "\"'@a,b\""), ("plain", "plain"), ("a=b", "a=b")] {
            assert_eq!(super::text(label), field);
        }
    }
}
