use crate::cli::output::{Cell, Column, Listing};
use crate::cli::{Global, Outcome, escape::terminal, exit::Exit};
use serde_json::json;

/// All rules, with their state.
pub(super) async fn run(global: &Global) -> Outcome {
    let answer = global.client()?.rule_groups().await?;
    for warning in &answer.warnings {
        eprintln!("{}", terminal(warning));
    }
    let columns = vec![
        Column::left("group"),
        Column::left("rule"),
        Column::left("type"),
        Column::left("state"),
        Column::left("health"),
        Column::right("alerts"),
        Column::right("node"),
        Column::left("evaluated"),
        Column::left("file").wide(),
        Column::left("query").wide(),
        Column::left("error"),
    ];
    let mut l = Listing::new("rules/1", columns);
    for group in &answer.data {
        for rule in &group.rules {
            let node = group.node.map(|n| n.to_string()).unwrap_or_default();
            let row = vec![
                Cell::text(group.name.as_str()),
                Cell::text(rule.name.as_str()),
                Cell::text(rule.kind.as_str()),
                Cell::text(rule.state.as_str()),
                Cell::text(rule.health.as_str()),
                Cell::count(rule.alerts.len() as u64),
                Cell::text(node),
                Cell::text(group.last_evaluation.as_str()),
                Cell::text(group.file.as_str()),
                Cell::text(rule.query.as_str()),
                Cell::text(rule.last_error.as_str()),
            ];
            let mut item = json!(rule);
            item["group"] = group.name.as_str().into();
            item["file"] = group.file.as_str().into();
            item["node"] = json!(group.node);
            l.push(row, item);
        }
    }
    if l.rows.is_empty() {
        eprintln!("no rules; begin with `plimsoll rules builtin | plimsoll rules put -`");
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}
