use serde::{Deserialize, Serialize};

/// Columns that the grid of a dashboard has.
pub const COLUMNS: u16 = 24;

/// A dashboard. Its JSON is what `GET /api/v1/dashboards/<id>` answers and what is imported and exported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    /// Names it in the API and in addresses.
    #[serde(default)]
    pub id: String,
    /// What people call it.
    pub title: String,
    /// A sentence about what it shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether the hub feeds it, as long as it shows the present.
    #[serde(default, skip_serializing_if = "is_false")]
    pub live: bool,
    /// Where its range begins unless somebody chooses another: `now-1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Seconds between two refreshes; 0 is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_seconds: Option<u32>,
    /// What a reader can choose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// The panels, in reading order.
    pub panels: Vec<Panel>,
    /// Whether it came with the program; only ever answered, and ignored when it is sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub built_in: bool,
}

/// A choice of the reader that queries refer to as `$name`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What is shown instead of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where its values come from: `label_values(selector, label)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Its values, where no query finds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// Whether several can be chosen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub multi: bool,
    /// What is chosen at first; nothing is every value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default: Vec<String>,
}

/// What a panel is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The last value, large; several series are several values.
    Stat,
    /// Lines over time.
    Line,
    /// Lines with the area under them.
    Area,
    /// Areas on top of one another.
    Stacked,
    /// The values of the last moment as bars, the longest first.
    Bars,
    /// The values of the last moment as rows.
    Table,
    /// Buckets of a histogram over time.
    Heatmap,
    /// Words.
    Text,
    /// A title over the panels below it.
    Section,
    /// The nodes of the cluster; no query.
    Nodes,
    /// Alerts that fire; no query.
    Alerts,
    /// How many shards are in which state; no query.
    Shards,
    /// A panel of another program that cannot be shown; its text says why.
    Unsupported,
}

impl Kind {
    /// Whether a panel of this kind asks queries.
    pub fn is_asked(self) -> bool {
        use Kind::*;
        matches!(self, Stat | Line | Area | Stacked | Bars | Table | Heatmap)
    }
}

/// A place on a grid of 24 columns; rows are 34 pixels high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// First column, from 0.
    pub x: u16,
    /// First row, from 0.
    pub y: u16,
    /// Columns.
    pub w: u16,
    /// Rows.
    pub h: u16,
}

/// How good a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Needs somebody.
    Bad,
}

/// From this value on the level holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The value.
    pub at: f64,
    /// The level.
    pub level: Level,
}

/// A query of a panel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// PromQL, with variables.
    pub expr: String,
    /// How series are named: `{{label}}` is a label's value. In a table, the title of the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legend: Option<String>,
    /// Unit of the column of a table, where it is not the panel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A panel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// Its title.
    pub title: String,
    /// What it is drawn as.
    pub kind: Kind,
    /// Where.
    pub at: Place,
    /// What it asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Query>,
    /// `s`, `bytes`, `bytes/s`, `usd`, `usd/h`, `percent` (of 1), `percent100`, `count`, `time`, or a word that is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Least value of the axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest value of the axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// From which values on it is worth a look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// Words of a text; of an unsupported panel, why it is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What to do where there are no samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<String>,
    /// What the value means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Panel {
    /// A panel with a title and a place, and nothing else.
    pub fn new(title: impl Into<String>, kind: Kind, at: Place) -> Self {
        Self {
            title: title.into(),
            kind,
            at,
            queries: Vec::new(),
            unit: None,
            min: None,
            max: None,
            thresholds: Vec::new(),
            text: None,
            empty: None,
            description: None,
        }
    }
}

fn is_false(b: &bool) -> bool {
    !*b
}
