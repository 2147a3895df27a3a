use super::table::texts;
use super::{about, notes};
use crate::report::Report;
use plimsoll_model::markdown_text as plain;

pub(super) fn markdown(report: &Report) -> String {
    let mut out = format!("{}\n", about(report));
    for table in &report.tables {
        out.push_str(&format!("\n## {}\n\n", plain(&table.title)));
        if table.rows.is_empty() {
            out.push_str("Nothing in this period.\n");
            continue;
        }
        let (header, rows) = texts(table, false, report.earlier.is_some());
        let titles: Vec<String> = header.iter().map(|(t, _)| plain(t)).collect();
        let rules: Vec<&str> = header.iter().map(|(_, right)| if *right { "---:" } else { "---" }).collect();
        out.push_str(&format!("| {} |\n|{}|\n", titles.join(" | "), rules.join("|")));
        let last = rows.len() - 1;
        for (at, row) in rows.iter().enumerate() {
            let total = at == last && table.total.is_some();
            let cells = row.iter().map(|cell| match plain(cell) {
                cell if total && !cell.is_empty() => format!("**{cell}**"),
                cell => cell,
            });
            out.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
        }
    }
    let notes = notes(report);
    if !notes.is_empty() {
        out.push('\n');
    }
    notes.iter().for_each(|note| out.push_str(&format!("- {}\n", plain(note))));
    out
}
