//! Reports as tables of keys and figures, and how one period is held against an earlier one.

mod compare;
mod errors;
mod facts;
mod health;
mod loops;
mod tokens;
mod tools;

pub use compare::{Change, compare};
pub use errors::errors;
pub use facts::Facts;
pub use health::{Check, State, Thresholds, agent_checks, health};
pub use loops::{LoopStats, loop_stats, loops};
pub use tokens::{Pricing, Unpriced, Usage, tokens};
pub use tools::tools;

use crate::Period;
use plimsoll_model::{MatchOp, Matcher};

/// Rows of a table; more are left out with a note.
pub const MAX_ROWS: usize = 1000;

/// The reports there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// How loops performed.
    Loops,
    /// What language models were given, answered and cost.
    Tokens,
    /// How tools were used.
    Tools,
    /// What failed.
    Errors,
    /// Whether all is well.
    Health,
}

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which.
    pub kind: Kind,
    /// About when.
    pub period: Period,
    /// What it is held against, and how that is called.
    pub earlier: Option<(Period, String)>,
    /// Its tables, the most detailed first.
    pub tables: Vec<Table>,
    /// What a reader should know: what was left out, what could not be told.
    pub notes: Vec<String>,
}

/// Rows of figures, each under its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its name for programs.
    pub name: &'static str,
    /// Its title for people.
    pub title: String,
    /// The names of the keys.
    pub keys: Vec<String>,
    /// The columns of figures and texts.
    pub columns: Vec<Column>,
    /// The rows, the most important first.
    pub rows: Vec<Row>,
    /// The sum of all rows, those that were left out included.
    pub total: Option<Row>,
    /// Rows that were left out.
    pub left_out: usize,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name for programs; `a.b` is the field `b` of `a` in JSON.
    pub name: String,
    /// What its figures are.
    pub unit: Unit,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things that are counted.
    Count,
    /// Dollars.
    Usd,
    /// Seconds.
    Seconds,
    /// A part of one.
    Ratio,
    /// Text.
    Text,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Values of the keys.
    pub keys: Vec<String>,
    /// One cell a column.
    pub cells: Vec<Cell>,
}

/// A figure or a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A figure that can be told or not; and, in a report that is held against an earlier period, the one of then.
    Figure(Option<f64>, Option<Option<f64>>),
    /// A text.
    Text(String),
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Loops, Self::Tokens, Self::Tools, Self::Errors, Self::Health];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loops => "loops",
            Self::Tokens => "tokens",
            Self::Tools => "tools",
            Self::Errors => "errors",
            Self::Health => "health",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What is asked of the store for it: the counters, and the labels that they are told apart by beside the keys.
    pub fn counters(self) -> (Vec<Matcher>, &'static [&'static str]) {
        let (names, labels): (Vec<String>, &[&str]) = match self {
            Self::Loops => (facts::with_parts(&facts::LOOPS, &facts::ERRORS), &["status", "le"]),
            Self::Tokens => (facts::plain(&[&facts::TOKENS, &facts::COST]), &["token_type"]),
            Self::Tools => {
                (facts::with_parts(&facts::TOOL_SECONDS, &facts::TOOLS), &["outcome", "status", "le"])
            }
            Self::Errors => (facts::with_parts(&facts::LOOPS, &facts::ERRORS), &["status"]),
            Self::Health => (Vec::new(), &[]),
        };
        (vec![Matcher::new(plimsoll_model::METRIC_NAME, MatchOp::Regex, names.join("|"))], labels)
    }

    /// The labels that rows are told apart by unless others are asked for.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Loops => &["loop_type"],
            Self::Tokens => &["loop_type", "model"],
            Self::Tools => &["tool", "loop_type"],
            Self::Errors => &["loop_type", "error_type"],
            Self::Health => &[],
        }
    }
}

impl Table {
    fn new(name: &'static str, title: impl Into<String>, keys: &[String], columns: &[(&str, Unit)]) -> Self {
        let columns = columns.iter().map(|(n, u)| Column { name: (*n).to_owned(), unit: *u }).collect();
        Self { name, title: title.into(), keys: keys.to_vec(), columns, ..Self::default() }
    }

    fn push(&mut self, keys: Vec<String>, cells: Vec<Cell>) {
        self.rows.push(Row { keys, cells });
    }

    /// Puts the rows with the most in the first column in front, and cuts the rest.
    fn finish(mut self) -> Self {
        let first = |row: &Row| match row.cells.first() {
            Some(Cell::Figure(now, before)) => now.or(before.flatten()).unwrap_or(f64::NEG_INFINITY),
            _ => f64::NEG_INFINITY,
        };
        self.rows.sort_by(|a, b| first(b).total_cmp(&first(a)).then_with(|| a.keys.cmp(&b.keys)));
        self.left_out += self.rows.len().saturating_sub(MAX_ROWS);
        self.rows.truncate(MAX_ROWS);
        self
    }
}

impl Cell {
    fn of(value: f64) -> Self {
        Self::Figure(Some(value), None)
    }

    fn maybe(value: Option<f64>) -> Self {
        Self::Figure(value.filter(|v| v.is_finite()), None)
    }
}

/// `part` of `whole`, where there is a whole.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
