use super::read_all;
use crate::cli::output::{Cell, Column, Listing};
use crate::cli::{Global, Outcome, escape::terminal, exit::Exit};
use plimsoll_rules::lint::{Remark, lint, to_be_asked};
use serde_json::json;
use std::path::PathBuf;

/// Remarks about rules; those about series that never were need a node.
pub(super) async fn run(global: &Global, paths: &[PathBuf], offline: bool) -> Outcome {
    let (files, faults) = read_all(paths)?;
    for fault in &faults {
        eprintln!("{}", terminal(fault));
    }
    let mut remarks = lint(&files);
    if !offline {
        let client = global.client()?;
        for (selector, remark) in to_be_asked(&files) {
            if !client.has_series(&selector).await? {
                remarks.push(remark);
            }
        }
    }
    remarks.sort_by(|a, b| (&a.file, a.line, a.check).cmp(&(&b.file, b.line, b.check)));
    let columns = ["file", "group", "rule", "check", "remark"].map(Column::left);
    let mut columns = columns.to_vec();
    columns.insert(1, Column::right("line"));
    let mut l = Listing::new("rule-remarks/1", columns);
    for Remark { file, line, group, rule, check, text } in &remarks {
        let row = vec![
            Cell::text(file.as_str()),
            Cell::text(line.to_string()),
            Cell::text(group.as_str()),
            Cell::text(rule.as_str()),
            Cell::text(*check),
            Cell::text(text.as_str()),
        ];
        l.push(
            row,
            json!({"file": file, "line": line, "group": group, "rule": rule, "check": check, "remark": text}),
        );
    }
    if remarks.is_empty() && faults.is_empty() {
        eprintln!("nothing to be looked at");
    }
    l.print(global.output)?;
    Ok(if remarks.is_empty() && faults.is_empty() { Exit::Ok } else { Exit::Lint })
}
