use super::table::texts;
use super::{about, notes};
use crate::report::Report;
use plimsoll_model::html_text as escaped;

const STYLE: &str = "body{font:15px system-ui,sans-serif;margin:2em;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;margin:1em 0}\
th,td{padding:.35em .8em;border-bottom:1px solid #d0d7de;text-align:left}\
th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}\
tr.total td{font-weight:600;border-top:2px solid #8c959f}.about{color:#57606a}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}.about{color:#8b949e}}";

/// A page without scripts and without anything from elsewhere.
pub(super) fn html(report: &Report) -> String {
    let title = format!("Plimsoll: {}", report.kind.as_str());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p class=\"about\">{}</p>\n",
        escaped(&about(report))
    );
    for table in &report.tables {
        out.push_str(&format!("<h2>{}</h2>\n", escaped(&table.title)));
        if table.rows.is_empty() {
            out.push_str("<p>Nothing in this period.</p>\n");
            continue;
        }
        let (header, rows) = texts(table, false, report.earlier.is_some());
        let class = |right: bool| if right { " class=\"n\"" } else { "" };
        let cell =
            |tag: &str, text: &str, right: bool| format!("<{tag}{}>{}</{tag}>", class(right), escaped(text));
        let titles: String = header.iter().map(|(t, right)| cell("th", t, *right)).collect();
        out.push_str(&format!("<table>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n"));
        for (at, row) in rows.iter().enumerate() {
            let total = at + 1 == rows.len() && table.total.is_some();
            let cells: String =
                row.iter().zip(&header).map(|(text, (_, right))| cell("td", text, *right)).collect();
            out.push_str(&format!("<tr{}>{cells}</tr>\n", if total { " class=\"total\"" } else { "" }));
        }
        out.push_str("</tbody>\n</table>\n");
    }
    let notes = notes(report);
    if !notes.is_empty() {
        let items: String = notes.iter().map(|n| format!("<li>{}</li>\n", escaped(n))).collect();
        out.push_str(&format!("<ul>\n{items}</ul>\n"));
    }
    out.push_str("</body>\n</html>\n");
    out
}
