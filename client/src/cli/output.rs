//! Rows on stdout in the five formats.

use super::escape::{csv, html, markdown, terminal};
use super::exit::Problem;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde_json::{Map, Value, json};
use std::io::{BufWriter, IsTerminal, Write};

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people, with rounded figures.
    Table,
    /// A table with all columns and exact figures, never wrapped.
    Wide,
    /// One JSON document; its `schema` names its shape and version.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header (RFC 4180), exact figures.
    Csv,
    /// A table in Markdown.
    Md,
    /// A table in HTML; of a report, a whole page.
    Html,
}

/// What a command lists.
#[derive(Debug)]
pub(super) struct Listing {
    /// Name and version of the JSON shape, such as `series/1`.
    pub schema: &'static str,
    /// Further fields of the JSON document.
    pub head: Map<String, Value>,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    /// One JSON value a row.
    pub items: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    pub right: bool,
    /// Only in wide tables and CSV.
    pub wide: bool,
}

/// A value, exact and as people like it.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    raw: String,
    shown: Option<String>,
}

impl Column {
    pub fn left(name: impl Into<String>) -> Self {
        Self { name: name.into(), right: false, wide: false }
    }

    pub fn right(name: impl Into<String>) -> Self {
        Self { name: name.into(), right: true, wide: false }
    }

    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self { raw: text.into(), shown: None }
    }

    pub fn shown(raw: impl ToString, shown: impl Into<String>) -> Self {
        Self { raw: raw.to_string(), shown: Some(shown.into()) }
    }

    pub fn count(n: u64) -> Self {
        Self::shown(n, super::units::show_count(n))
    }

    pub fn bytes(n: u64) -> Self {
        Self::shown(n, super::units::show_bytes(n))
    }

    pub fn value(v: f64) -> Self {
        Self::shown(super::units::show_value(v), super::units::show_short(v))
    }

    fn for_table(&self, exact: bool) -> &str {
        if exact { &self.raw } else { self.shown.as_deref().unwrap_or(&self.raw) }
    }
}

impl Listing {
    pub fn new(schema: &'static str, columns: Vec<Column>) -> Self {
        Self { schema, head: Map::new(), columns, rows: Vec::new(), items: Vec::new() }
    }

    pub fn push(&mut self, row: Vec<Cell>, item: Value) {
        self.rows.push(row);
        self.items.push(item);
    }

    /// Prints on stdout; tables as wide as the terminal, or as wide as they are when there is none.
    pub fn print(&self, format: Format) -> Result<(), Problem> {
        let on_terminal = std::io::stdout().is_terminal();
        let mut out = BufWriter::new(std::io::stdout().lock());
        self.write(&mut out, format, on_terminal)?;
        Ok(out.flush()?)
    }

    /// As it would be printed, for a larger picture; as wide as it must be, or as the terminal is.
    pub fn text(&self, format: Format) -> String {
        let mut out = Vec::new();
        // Memory takes all, and what is written is text.
        let _ = self.write(&mut out, format, std::io::stdout().is_terminal());
        String::from_utf8_lossy(&out).into_owned()
    }

    pub fn write(&self, out: &mut impl Write, format: Format, on_terminal: bool) -> std::io::Result<()> {
        match format {
            Format::Table => out.write_all(self.table(false, on_terminal).as_bytes()),
            Format::Wide => out.write_all(self.table(true, false).as_bytes()),
            Format::Json => self.write_json(out),
            Format::Jsonl => {
                for item in &self.items {
                    serde_json::to_writer(&mut *out, item)?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            }
            Format::Csv => self.write_csv(out),
            Format::Md => self.write_markdown(out),
            Format::Html => self.write_html(out),
        }
    }

    fn write_json(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut document = Map::new();
        document.insert("schema".into(), json!(format!("plimsoll.{}", self.schema)));
        document.extend(self.head.clone());
        document.insert("items".into(), Value::Array(self.items.clone()));
        serde_json::to_writer_pretty(&mut *out, &document)?;
        out.write_all(b"\n")
    }

    fn write_csv(&self, out: &mut impl Write) -> std::io::Result<()> {
        let names: Vec<_> = self.columns.iter().map(|c| csv(&c.name)).collect();
        writeln!(out, "{}", names.join(","))?;
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(|c| csv(&c.raw)).collect();
            writeln!(out, "{}", cells.join(","))?;
        }
        Ok(())
    }

    fn write_markdown(&self, out: &mut impl Write) -> std::io::Result<()> {
        let shown: Vec<usize> = (0..self.columns.len()).filter(|i| !self.columns[*i].wide).collect();
        let names = shown.iter().map(|i| markdown(&self.columns[*i].name));
        writeln!(out, "| {} |", names.collect::<Vec<_>>().join(" | "))?;
        let rules = shown.iter().map(|i| if self.columns[*i].right { "---:" } else { "---" });
        writeln!(out, "|{}|", rules.collect::<Vec<_>>().join("|"))?;
        for row in &self.rows {
            let cells = shown.iter().map(|i| markdown(row[*i].for_table(false)));
            writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
        Ok(())
    }

    fn write_html(&self, out: &mut impl Write) -> std::io::Result<()> {
        let shown: Vec<usize> = (0..self.columns.len()).filter(|i| !self.columns[*i].wide).collect();
        let line = |cells: Vec<&str>, tag: &str| -> String {
            cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", html(cell))).collect()
        };
        let names = shown.iter().map(|i| self.columns[*i].name.as_str()).collect();
        writeln!(out, "<table>\n<thead><tr>{}</tr></thead>\n<tbody>", line(names, "th"))?;
        for row in &self.rows {
            writeln!(
                out,
                "<tr>{}</tr>",
                line(shown.iter().map(|i| row[*i].for_table(false)).collect(), "td")
            )?;
        }
        writeln!(out, "</tbody>\n</table>")
    }

    fn table(&self, wide: bool, fit: bool) -> String {
        let shown: Vec<usize> = (0..self.columns.len()).filter(|i| wide || !self.columns[*i].wide).collect();
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        // Dynamic wraps long cells at the terminal's edge; it never drops text.
        table.set_content_arrangement(if fit {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        table.set_header(shown.iter().map(|i| terminal(&self.columns[*i].name).to_uppercase()));
        for row in &self.rows {
            table.add_row(shown.iter().map(|i| terminal(row[*i].for_table(wide)).into_owned()));
        }
        for (at, i) in shown.iter().enumerate() {
            if let Some(column) = table.column_mut(at) {
                column.set_padding((0, 2));
                if self.columns[*i].right {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let mut out = String::new();
        for line in table.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Writes `text` on stdout as it is; a reader that has left is an error that ends the command quietly.
pub(super) fn say(text: &str) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// A number in JSON; what JSON has no number for stands there as Prometheus writes it.
pub(super) fn json_value(v: f64) -> Value {
    if v.is_finite() { json!(v) } else { json!(super::units::show_value(v)) }
}

/// Labels as a JSON object.
pub(super) fn json_labels(labels: &plimsoll_model::Labels) -> Value {
    Value::Object(labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect())
}

/// A message about the data, on stderr.
pub(super) fn warn(kind: &str, messages: &[String]) {
    for message in messages {
        eprintln!("{kind}: {}", terminal(message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let mut l = Listing::new(
            "test/1",
            vec![Column::left("name"), Column::right("size"), Column::left("note").wide()],
        );
        l.head.insert("total".into(), json!(2));
        l.push(
            vec![Cell::text("a"), Cell::bytes(2048), Cell::text("x,y")],
            json!({"name": "a", "size": 2048}),
        );
        l.push(
            vec![Cell::text("b\x1b[31m"), Cell::bytes(5), Cell::text("\"q\"")],
            json!({"name": "b\u{1b}[31m", "size": 5}),
        );
        l
    }

    fn printed(format: Format) -> String {
        let mut out = Vec::new();
        listing().write(&mut out, format, false).expect("memory takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_table_is_aligned_and_shows_hostile_text() {
        let expected = "NAME           SIZE\na          2.00 KiB\nb\\x1b[31m       5 B\n";
        assert_eq!(printed(Format::Table), expected);
    }

    #[test]
    fn a_wide_table_has_all_columns_and_exact_figures() {
        let expected = "NAME       SIZE  NOTE\na          2048  x,y\nb\\x1b[31m     5  \"q\"\n";
        assert_eq!(printed(Format::Wide), expected);
    }

    #[test]
    fn markdown_and_html_show_text_and_do_not_obey_it() {
        assert_eq!(
            printed(Format::Md),
            "| name | size |\n|---|---:|\n| a | 2.00 KiB |\n| b\\\\x1b\\[31m | 5 B |\n"
        );
        let html = printed(Format::Html);
        assert!(html.contains("<tr><td>b\\x1b[31m</td><td>5 B</td></tr>"), "{html}");
    }

    #[test]
    fn csv_is_quoted_and_escaped() {
        assert_eq!(printed(Format::Csv), "name,size,note\na,2048,\"x,y\"\nb\\x1b[31m,5,\"\"\"q\"\"\"\n");
    }

    #[test]
    fn json_names_its_schema_and_jsonl_is_a_line_an_item() {
        let document: Value = serde_json::from_str(&printed(Format::Json)).expect("JSON");
        assert_eq!((&document["schema"], &document["total"]), (&json!("plimsoll.test/1"), &json!(2)));
        assert_eq!(document["items"][1]["size"], json!(5));
        assert_eq!(
            printed(Format::Jsonl),
            "{\"name\":\"a\",\"size\":2048}\n{\"name\":\"b\\u001b[31m\",\"size\":5}\n"
        );
    }
}
