//! A report as text for people and programs. Label text is chosen by whoever sends samples, so in every form it is
//! shown and never obeyed.

mod csv;
mod figure;
mod html;
mod json;
mod markdown;
mod table;

pub use figure::{count, seconds, usd};

use crate::report::Report;
use crate::time;

/// A form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For a terminal, with rounded figures.
    Table,
    /// For a terminal, with exact figures and a column for each figure of a comparison.
    Wide,
    /// One JSON document; its `schema` names its shape and version.
    Json,
    /// The first table, one JSON object a row.
    Jsonl,
    /// The first table, exact, with a header (RFC 4180).
    Csv,
    /// Markdown, for a chat or an issue.
    Md,
    /// A page that needs nothing else.
    Html,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Table, Self::Wide, Self::Json, Self::Jsonl, Self::Csv, Self::Md, Self::Html];

    /// As it is written, which is the ending of a file too but for tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Html => "html",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// The ending of a file.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Table | Self::Wide => "txt",
            other => other.as_str(),
        }
    }

    /// The type of a body.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Table | Self::Wide => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Md => "text/markdown; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// `report` as text.
pub fn render(report: &Report, format: Format) -> String {
    match format {
        Format::Table => table::table(report, false),
        Format::Wide => table::table(report, true),
        Format::Json => format!("{:#}\n", json::document(report)),
        Format::Jsonl => json::lines(report),
        Format::Csv => csv::csv(report),
        Format::Md => markdown::markdown(report),
        Format::Html => html::html(report),
    }
}

pub use json::document;

/// The period and what it is held against, in one line.
fn about(report: &Report) -> String {
    let span = |p: &crate::Period| format!("{} to {}", time::show(p.from), time::show(p.to));
    let held = report.earlier.as_ref().map(|(p, name)| format!(", against {name} ({})", span(p)));
    format!("{}{} UTC", span(&report.period), held.unwrap_or_default())
}

/// The notes, with one for every table that was cut.
fn notes(report: &Report) -> Vec<String> {
    let cut = report.tables.iter().filter(|t| t.left_out > 0);
    let cut = cut.map(|t| format!("{}: {} more rows are left out", t.title, t.left_out));
    report.notes.iter().cloned().chain(cut).collect()
}
