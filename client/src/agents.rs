//! Telemetry of agents: the mapping, the price book, budgets, what tokens cost.

use crate::encode::{Params, escape};
use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How names of telemetry become canonical ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentMapping {
    /// Which mapping it is.
    pub revision: String,
    /// Sessions of a source that keep their own series.
    pub sessions: usize,
    /// Its sources.
    pub sources: Vec<AgentSource>,
    /// Its text (TOML), where it was asked for.
    pub text: String,
    /// Whether it is the built-in one.
    pub builtin: bool,
}

/// A source of a mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentSource {
    /// Its name.
    pub name: String,
    /// How many rules it has.
    pub rules: usize,
}

/// What tokens cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceBook {
    /// Which book it is.
    pub revision: String,
    /// Its rows.
    pub prices: Vec<PriceRow>,
    /// Its text (TOML), where it was asked for.
    pub text: String,
    /// Whether it is the built-in one.
    pub builtin: bool,
}

/// What a model costs from a time on, in dollars a million tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceRow {
    /// Patterns of the provider.
    pub provider: Vec<String>,
    /// Patterns of the model.
    pub model: Vec<String>,
    /// The service tier; empty for the usual one.
    pub tier: String,
    /// From when on.
    pub from_ms: i64,
    /// Input.
    pub input: Option<String>,
    /// Output.
    pub output: Option<String>,
    /// Input from the cache.
    pub cache_read: Option<String>,
    /// Input into the cache.
    pub cache_write: Option<String>,
    /// Input into the cache for an hour.
    pub cache_write_1h: Option<String>,
    /// Reasoning; what output costs where it is missing.
    pub reasoning: Option<String>,
    /// Where the price was read.
    pub source: String,
    /// When it was known to hold.
    pub as_of: String,
}

/// A budget and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// What may be spent in a period, in dollars.
    pub limit_usd: String,
    /// `day`, `week` or `month`.
    pub period: String,
    /// Labels and patterns of their values.
    #[serde(rename = "match")]
    pub matching: BTreeMap<String, String>,
    /// Labels by which it is split.
    pub group: Vec<String>,
    /// Its text (TOML).
    pub text: String,
    /// How each group stands.
    pub groups: Vec<BudgetGroup>,
}

/// How a group of a budget stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BudgetGroup {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Spent in this period, in dollars.
    pub spent_usd: String,
    /// Pace of the last hour as a multiple of an even one.
    pub burn_rate_1h: f64,
    /// The same of six hours.
    pub burn_rate_6h: f64,
    /// At the end of the period, when the last day's pace goes on.
    pub forecast_usd: f64,
    /// Until the limit is reached; nothing when it never is.
    pub days_left: Option<f64>,
}

/// What tokens of a range cost by a price book.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenCost {
    /// The book.
    pub price_rev: String,
    /// After this.
    pub start_ms: i64,
    /// Up to this.
    pub end_ms: i64,
    /// By labels.
    pub groups: Vec<TokenCostGroup>,
}

/// Tokens of a group and their cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenCostGroup {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Tokens.
    pub tokens: f64,
    /// Tokens without a price.
    pub unpriced_tokens: f64,
    /// What the others cost, in dollars.
    pub cost_usd: String,
}

/// How the work on agent telemetry goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentStatus {
    /// The node that answers.
    pub node: u64,
    /// The node whose duty it is.
    pub duty_of_node: Option<u64>,
    /// Whether that is the one that answers; the rest is known to it alone.
    pub mine: bool,
    /// Up to when all is settled.
    pub settled_ms: i64,
    /// Up to when canonical samples are there.
    pub reached_ms: i64,
    /// Source series of the last window.
    pub source_series: u64,
    /// Source samples of the last window.
    pub source_samples: u64,
    /// Canonical samples that it wrote.
    pub written: u64,
    /// Series whose state is held.
    pub held_series: u64,
    /// Passes.
    pub passes: u64,
    /// How often it went back for late samples.
    pub returns: u64,
    /// Why it waits.
    pub trouble: Option<String>,
}

/// What a cost is asked for.
#[derive(Clone, Debug, Default)]
pub struct CostQuestion {
    /// After this, in milliseconds.
    pub start_ms: i64,
    /// Up to this.
    pub end_ms: i64,
    /// Selectors; their names do not count.
    pub selectors: Vec<String>,
    /// Labels by which the answer is split.
    pub by: Vec<String>,
    /// The text of another book than the one that holds.
    pub book: Option<String>,
}

impl Client {
    /// The mapping that holds.
    pub async fn agent_mapping(&self) -> Result<AgentMapping, Error> {
        Ok(self.ask(&Request::get("/api/v1/agents/mapping".into())).await?.data)
    }

    /// Checks a mapping and changes nothing.
    pub async fn check_agent_mapping(&self, text: &str) -> Result<AgentMapping, Error> {
        Ok(self.ask(&toml("/api/v1/agents/mapping/check", Method::POST, text)).await?.data)
    }

    /// Makes a mapping the one that holds; without one the built-in one.
    pub async fn apply_agent_mapping(&self, text: Option<&str>) -> Result<AgentMapping, Error> {
        Ok(self.ask(&put_or_delete("/api/v1/agents/mapping/current", text)).await?.data)
    }

    /// How the work on agent telemetry goes.
    pub async fn agent_status(&self) -> Result<AgentStatus, Error> {
        Ok(self.ask(&Request::get("/api/v1/agents/status".into())).await?.data)
    }

    /// Has all since `from_ms` worked on again, by the mapping and the price book that hold now.
    pub async fn rework_agents(&self, from_ms: i64) -> Result<(), Error> {
        let mut params = Params::default();
        params.add("from", &seconds(from_ms));
        let request = Request::form("/api/v1/agents/rework", params.as_str());
        self.transport.send(&request).await.map(|_| ())
    }

    /// The price book that holds.
    pub async fn prices(&self) -> Result<PriceBook, Error> {
        Ok(self.ask(&Request::get("/api/v1/prices".into())).await?.data)
    }

    /// Checks a price book and changes nothing.
    pub async fn check_prices(&self, text: &str) -> Result<PriceBook, Error> {
        Ok(self.ask(&toml("/api/v1/prices/check", Method::POST, text)).await?.data)
    }

    /// Makes a price book the one that holds; without one the built-in one.
    pub async fn apply_prices(&self, text: Option<&str>) -> Result<PriceBook, Error> {
        Ok(self.ask(&put_or_delete("/api/v1/prices/current", text)).await?.data)
    }

    /// What the tokens of a range cost.
    pub async fn token_cost(&self, question: &CostQuestion) -> Result<TokenCost, Error> {
        let mut params = Params::default();
        params.add("start", &seconds(question.start_ms)).add("end", &seconds(question.end_ms));
        for selector in &question.selectors {
            params.add("match[]", selector);
        }
        for label in &question.by {
            params.add("by", label);
        }
        params.add_if("book", question.book.as_deref());
        Ok(self.ask(&Request::form("/api/v1/agents/cost", params.as_str())).await?.data)
    }

    /// The budgets, and how they stand.
    pub async fn budgets(&self) -> Result<Vec<Budget>, Error> {
        Ok(self.ask(&Request::get("/api/v1/budgets".into())).await?.data)
    }

    /// Makes a budget, or changes the one of its name. `text` is TOML.
    pub async fn set_budget(&self, name: &str, text: &str) -> Result<Budget, Error> {
        Ok(self.ask(&put_or_delete(&budget_path(name), Some(text))).await?.data)
    }

    /// Removes a budget. Refused with 404 when there is none of the name.
    pub async fn remove_budget(&self, name: &str) -> Result<(), Error> {
        let _: Reported<serde_json::Value> = self.ask(&put_or_delete(&budget_path(name), None)).await?;
        Ok(())
    }
}

fn budget_path(name: &str) -> String {
    let mut path = "/api/v1/budgets/".to_owned();
    escape(&mut path, name);
    path
}

fn toml(path: &str, method: Method, text: &str) -> Request {
    let mut request = Request::post(path, "application/toml", Bytes::from(text.to_owned()));
    request.method = method;
    // the same document again is the same
    request.repeatable = true;
    request
}

fn put_or_delete(path: &str, text: Option<&str>) -> Request {
    match text {
        Some(text) => toml(path, Method::PUT, text),
        None => toml(path, Method::DELETE, ""),
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}
