//! A file of unit tests.

use crate::file::{Error, read_yaml};
use plimsoll_promql::parse_duration;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A file of unit tests.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Rule files, relative to the file.
    pub rule_files: Vec<String>,
    /// How often rules are evaluated.
    pub interval_ms: i64,
    /// Groups that are evaluated first, in this order.
    pub group_eval_order: Vec<String>,
    /// Whether values may differ by rounding.
    pub fuzzy_compare: bool,
    pub(super) tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    rule_files: Vec<String>,
    evaluation_interval: Option<String>,
    #[serde(default)]
    group_eval_order: Vec<String>,
    #[serde(default)]
    fuzzy_compare: bool,
    #[serde(default)]
    tests: Vec<Test>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    #[serde(default)]
    pub name: String,
    pub interval: Option<String>,
    #[serde(default)]
    pub input_series: Vec<Input>,
    #[serde(default)]
    pub alert_rule_test: Vec<AlertCase>,
    #[serde(default)]
    pub promql_expr_test: Vec<ExprCase>,
    #[serde(default)]
    pub external_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub external_url: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub series: String,
    pub values: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertCase {
    pub eval_time: Option<String>,
    pub alertname: String,
    pub exp_alerts: Option<Vec<Expected>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    #[serde(default)]
    pub exp_labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub exp_annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExprCase {
    pub expr: String,
    pub eval_time: Option<String>,
    pub exp_samples: Option<Vec<ExpectedSample>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedSample {
    #[serde(default)]
    pub labels: String,
    #[serde(default)]
    pub value: f64,
    pub histogram: Option<String>,
}

/// Reads a file of unit tests.
pub fn parse(text: &str) -> Result<TestFile, Error> {
    let raw: RawFile = read_yaml(text)?;
    let interval_ms = length(raw.evaluation_interval.as_ref()).map_err(Error::whole)?;
    Ok(TestFile {
        rule_files: raw.rule_files,
        interval_ms: if interval_ms == 0 { 60_000 } else { interval_ms },
        group_eval_order: raw.group_eval_order,
        fuzzy_compare: raw.fuzzy_compare,
        tests: raw.tests,
    })
}

/// A length of time; none is 0.
pub(super) fn length(text: Option<&String>) -> Result<i64, String> {
    let Some(text) = text else { return Ok(0) };
    parse_duration(text).ok_or_else(|| format!("not a valid duration string: {text:?}"))
}
