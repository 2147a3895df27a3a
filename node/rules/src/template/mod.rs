//! Templates of labels, annotations and messages: the part of Go's text/template that rules are written in, with
//! Prometheus' functions. Language: <https://pkg.go.dev/text/template>, functions:
//! <https://prometheus.io/docs/prometheus/latest/configuration/template_reference/>.
//!
//! A template cannot wait: a query that it makes is answered from what the caller has gathered, or named in
//! [`Error::Needs`], to be asked before the next try. Size, depth and work are bounded.

mod compare;
mod exec;
mod functions;
mod humanize;
mod lex;
mod parse;
mod printf;
mod value;

pub use functions::found;
pub use humanize::{general, humanize_duration};
pub use value::Value;

use parse::Node;
use std::collections::BTreeMap;

/// Bytes that a template may have.
const SOURCE_BYTES: usize = 64 << 10;
/// Queries that one template may make.
const QUERIES: usize = 20;

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    nodes: Vec<Node>,
    defined: BTreeMap<String, Vec<Node>>,
    /// Most are plain text.
    plain: Option<String>,
}

/// Answers to queries, by their text.
pub type Answers = BTreeMap<String, Result<Vec<Found>, String>>;

/// One series of an answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its labels, with the name.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// What a template can see.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// Fields of `.`.
    pub root: BTreeMap<String, Value>,
    /// Variables that stand ready, without `$`.
    pub variables: BTreeMap<String, Value>,
    /// Where this cluster is reached, for `externalURL`.
    pub external_url: String,
    /// Milliseconds since 1970, for `now`.
    pub now_ms: i64,
}

/// Why a template gave no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be read, or not be carried out.
    #[error("{0}")]
    Failed(String),
    /// It asks this query, of which there is no answer yet.
    #[error("asks {0}")]
    Needs(String),
}

impl Error {
    fn new(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

impl Data {
    /// What the labels and annotations of an alert see.
    pub fn of_alert(
        labels: &BTreeMap<String, String>,
        value: f64,
        external_labels: &BTreeMap<String, String>,
        external_url: &str,
        now_ms: i64,
    ) -> Self {
        let fields = [
            ("Labels", "labels", Value::Labels(labels.clone())),
            ("ExternalLabels", "externalLabels", Value::Labels(external_labels.clone())),
            ("ExternalURL", "externalURL", Value::Text(external_url.to_owned())),
            ("Value", "value", Value::Float(value)),
        ];
        let mut data = Self { external_url: external_url.to_owned(), now_ms, ..Self::default() };
        for (field, variable, value) in fields {
            data.root.insert(field.to_owned(), value.clone());
            data.variables.insert(variable.to_owned(), value);
        }
        data
    }
}

impl Template {
    /// Reads a template of a rule: `$labels`, `$value`, `$externalLabels` and `$externalURL` are known.
    pub fn new(source: &str) -> Result<Self, Error> {
        Self::with_variables(source, &["labels", "externalLabels", "externalURL", "value"])
    }

    /// Reads a template that knows these variables.
    pub fn with_variables(source: &str, variables: &[&str]) -> Result<Self, Error> {
        if source.len() > SOURCE_BYTES {
            return Err(Error::new(format!(
                "a template may have {SOURCE_BYTES} bytes, not {}",
                source.len()
            )));
        }
        if !source.contains("{{") {
            let plain = Some(source.to_owned());
            return Ok(Self { nodes: Vec::new(), defined: BTreeMap::new(), plain });
        }
        let (nodes, defined) = parse::parse(source, variables)?;
        Ok(Self { nodes, defined, plain: None })
    }

    /// The text. What it asks is looked up in `answers`.
    pub fn expand(&self, data: &Data, answers: &Answers) -> Result<String, Error> {
        match &self.plain {
            Some(text) => Ok(text.clone()),
            None if answers.len() > QUERIES => {
                Err(Error::new(format!("a template may make {QUERIES} queries")))
            }
            None => exec::run(&self.nodes, &self.defined, data, answers),
        }
    }
}

/// The text of `source`, where it can be told without queries: for checks and messages.
pub fn expand(source: &str, data: &Data) -> Result<String, Error> {
    let names: Vec<&str> = data.variables.keys().map(String::as_str).collect();
    Template::with_variables(source, &names)?.expand(data, &Answers::new())
}

#[cfg(test)]
mod tests;
