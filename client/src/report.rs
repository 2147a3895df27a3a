//! Reports: how loops performed, what language models used and cost, tools, errors, health.

use crate::encode::Params;
use crate::query::{get, seconds};
use crate::{Client, Error, client::Reported, transport::Request};
use plimsoll_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// The last moment before its period; a day before `to` where there is none.
    pub from: Option<Timestamp>,
    /// The last moment of its period; now where there is none.
    pub to: Option<Timestamp>,
    /// What it is held against: `previous`, `week`, or a duration such as `1d`.
    pub compare: Option<String>,
    /// Labels that rows are told apart by; the report's own where there is none.
    pub by: Vec<String>,
    /// Only series that this selects, such as `{team="a"}`.
    pub selector: Option<String>,
}

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Name and version of the shape.
    pub schema: String,
    /// `loops`, `tokens`, `tools`, `errors` or `health`.
    pub kind: String,
    /// The last moment before the period.
    pub from_ms: Timestamp,
    /// The last moment of the period.
    pub to_ms: Timestamp,
    /// What it is held against.
    pub compare: Option<ComparedPeriod>,
    /// Its tables, the most detailed first.
    pub tables: Vec<ReportTable>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// An earlier period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComparedPeriod {
    /// As a person says it.
    pub name: String,
    /// The last moment before it.
    pub from_ms: Timestamp,
    /// Its last moment.
    pub to_ms: Timestamp,
}

/// A table of a report. A row is an object: values of the keys, figures (null where one cannot be told), and under
/// `compare` for each figure `before`, `delta` and `percent`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportTable {
    /// Its name.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// The labels that rows are told apart by.
    pub keys: Vec<String>,
    /// The rows, the most important first.
    pub rows: Vec<Value>,
    /// The whole.
    pub total: Option<Value>,
}

/// How the loops under one set of labels performed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoopPerformance {
    /// The labels, `loop_type` unless others were asked for.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// Loops that ended.
    pub executions: f64,
    /// The part of them that ended well.
    pub success_rate: Option<f64>,
    /// Errors that were counted.
    pub errors: f64,
    /// Median of the durations in seconds.
    pub median_seconds: Option<f64>,
    /// 95th percentile.
    pub p95_seconds: Option<f64>,
    /// 99th percentile.
    pub p99_seconds: Option<f64>,
    /// Mean.
    pub mean_seconds: Option<f64>,
    /// Sum.
    pub total_seconds: Option<f64>,
}

/// What was used under one set of labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenUsage {
    /// The labels, `loop_type` and `model` unless others were asked for.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// Tokens by kind.
    pub tokens: BTreeMap<String, f64>,
    /// All of them.
    pub total: f64,
    /// What they cost; nothing where there is no price.
    pub cost_usd: Option<f64>,
    /// How the cost is known: `counted`, `price book`, `partly unpriced`, `unpriced`.
    pub cost_basis: String,
}

impl ReportOptions {
    fn params(&self) -> Params {
        let mut p = Params::default();
        p.add_if("from", self.from.map(seconds)).add_if("to", self.to.map(seconds));
        p.add_if("compare", self.compare.as_deref()).add_if("match", self.selector.as_deref());
        for label in &self.by {
            p.add("by", label);
        }
        p
    }
}

impl Client {
    /// The report `kind`: `loops`, `tokens`, `tools`, `errors` or `health`.
    pub async fn report(&self, kind: &str, options: &ReportOptions) -> Result<Report, Error> {
        let answer: Reported<Report> = self.ask(&get(&path(kind), &options.params())).await?;
        Ok(answer.data)
    }

    /// The same as text: `table`, `wide`, `json`, `jsonl`, `csv`, `md` or `html`.
    pub async fn report_text(
        &self,
        kind: &str,
        options: &ReportOptions,
        format: &str,
    ) -> Result<String, Error> {
        let mut params = options.params();
        params.add("format", format);
        self.text(&get(&path(kind), &params)).await
    }

    /// How loops performed, by type of loop: executions, success rate, median, p95 and p99 of their durations.
    pub async fn loop_performance_stats(
        &self,
        options: &ReportOptions,
    ) -> Result<Vec<LoopPerformance>, Error> {
        let named = |row: &mut LoopPerformance, labels| row.labels = labels;
        self.rows("loops", options, named).await
    }

    /// What language models used and cost, by type of loop and model.
    pub async fn token_usage_report(&self, options: &ReportOptions) -> Result<Vec<TokenUsage>, Error> {
        let named = |row: &mut TokenUsage, labels| row.labels = labels;
        self.rows("tokens", options, named).await
    }

    async fn rows<T: serde::de::DeserializeOwned>(
        &self,
        kind: &str,
        options: &ReportOptions,
        named: impl Fn(&mut T, BTreeMap<String, String>),
    ) -> Result<Vec<T>, Error> {
        let report = self.report(kind, options).await?;
        let Some(table) = report.tables.into_iter().next() else { return Ok(Vec::new()) };
        let read = |row: Value| {
            let label = |key: &String| Some((key.clone(), row.get(key)?.as_str()?.to_owned()));
            let labels = table.keys.iter().filter_map(label).collect();
            let mut read: T = serde_json::from_value(row)
                .map_err(|e| Error::Answer { url: self.url().to_owned(), reason: e.to_string() })?;
            named(&mut read, labels);
            Ok(read)
        };
        table.rows.into_iter().map(read).collect()
    }

    /// The body of an answer as text.
    pub(crate) async fn text(&self, request: &Request) -> Result<String, Error> {
        let reply = self.transport.send(request).await?;
        Ok(String::from_utf8_lossy(&reply.body).into_owned())
    }
}

fn path(kind: &str) -> String {
    let mut path = "/api/v1/reports/".to_owned();
    crate::encode::escape(&mut path, kind);
    path
}
