//! Rules, alerts and silences, as the API tells them.

use crate::encode::{Params, escape};
use crate::query::get;
use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Texts = BTreeMap<String, String>;

/// A group of rules and how it is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleGroup {
    /// Its name.
    pub name: String,
    /// Its file, or `api`.
    pub file: String,
    /// Seconds between two evaluations.
    pub interval: f64,
    /// When it was evaluated last.
    #[serde(rename = "lastEvaluation")]
    pub last_evaluation: String,
    /// Evaluations that were left out.
    #[serde(rename = "missedEvaluations")]
    pub missed: u64,
    /// The node that evaluates it.
    pub node: Option<u64>,
    /// Its rules.
    pub rules: Vec<RuleState>,
}

/// A rule and how it is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleState {
    /// Its name.
    pub name: String,
    /// `alerting` or `recording`.
    #[serde(rename = "type")]
    pub kind: String,
    /// PromQL.
    pub query: String,
    /// `ok`, `err` or `unknown`.
    pub health: String,
    /// `firing`, `pending` or `inactive`; empty for a recording rule.
    pub state: String,
    /// Why the last evaluation failed.
    #[serde(rename = "lastError")]
    pub last_error: String,
    /// Alerts that are pending or fire.
    pub alerts: Vec<ActiveAlert>,
    /// What a newer node adds.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// An alert that is pending or fires.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveAlert {
    /// Its labels.
    pub labels: Texts,
    /// Texts for people.
    pub annotations: Texts,
    /// `firing` or `pending`.
    pub state: String,
    /// Since when its expression holds.
    #[serde(rename = "activeAt")]
    pub active_at: String,
    /// The value of its expression.
    pub value: String,
}

/// A silence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// `active`, `pending` or `expired`.
    pub status: SilenceStatus,
    /// All have to fit.
    pub matchers: Vec<SilenceMatcher>,
    /// From when on.
    pub starts_at: String,
    /// Until when.
    pub ends_at: String,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Where a silence stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SilenceStatus {
    /// `active`, `pending` or `expired`.
    pub state: String,
}

/// A matcher of a silence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// The label.
    pub name: String,
    /// The value or pattern.
    pub value: String,
    /// Whether it is a pattern.
    pub is_regex: bool,
    /// Whether it is to be equal rather than not.
    pub is_equal: bool,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<RuleGroup>,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<ActiveAlert>,
}

fn group_path(name: &str) -> String {
    let mut path = "/api/v1/rules/groups/".to_owned();
    escape(&mut path, name);
    path
}

impl Client {
    /// All groups of rules.
    pub async fn rule_groups(&self) -> Result<Reported<Vec<RuleGroup>>, Error> {
        let answer: Reported<Groups> = self.ask(&Request::get("/api/v1/rules".into())).await?;
        Ok(Reported { data: answer.data.groups, warnings: answer.warnings, infos: answer.infos })
    }

    /// Alerts that are pending or fire.
    pub async fn active_alerts(&self) -> Result<Reported<Vec<ActiveAlert>>, Error> {
        let answer: Reported<Alerts> = self.ask(&Request::get("/api/v1/alerts".into())).await?;
        Ok(Reported { data: answer.data.alerts, warnings: answer.warnings, infos: answer.infos })
    }

    /// Puts a group: YAML of one group, evaluated from then on.
    pub async fn put_rule_group(&self, name: &str, yaml: &str) -> Result<(), Error> {
        let mut request = Request::post(&group_path(name), "application/yaml", Bytes::from(yaml.to_owned()));
        request.method = Method::PUT;
        request.repeatable = true;
        self.transport.send(&request).await.map(drop)
    }

    /// Removes a group that was put.
    pub async fn remove_rule_group(&self, name: &str) -> Result<(), Error> {
        let mut request = Request::get(group_path(name));
        request.method = Method::DELETE;
        self.transport.send(&request).await.map(drop)
    }

    /// Whether there is a series that the selector names, of any time.
    pub async fn has_series(&self, selector: &str) -> Result<bool, Error> {
        let mut params = Params::default();
        params.add("match[]", selector).add("limit", "1");
        let answer: Reported<Vec<Value>> = self.ask(&get("/api/v1/series", &params)).await?;
        Ok(!answer.data.is_empty())
    }

    /// All silences.
    pub async fn silences(&self) -> Result<Vec<Silence>, Error> {
        self.plain(&Request::get("/api/v1/silences".into())).await
    }

    /// Makes a silence; answers its id. Times are RFC 3339.
    pub async fn create_silence(&self, silence: &Silence) -> Result<String, Error> {
        let body = json!({
            "matchers": silence.matchers,
            "startsAt": silence.starts_at,
            "endsAt": silence.ends_at,
            "createdBy": silence.created_by,
            "comment": silence.comment,
        });
        let request = Request::post("/api/v1/silences", "application/json", Bytes::from(body.to_string()));
        let answer: Value = self.plain(&request).await?;
        Ok(answer["silenceID"].as_str().unwrap_or_default().to_owned())
    }

    /// Ends a silence.
    pub async fn expire_silence(&self, id: &str) -> Result<(), Error> {
        let mut path = "/api/v1/silences/".to_owned();
        escape(&mut path, id);
        let mut request = Request::get(path);
        request.method = Method::DELETE;
        self.transport.send(&request).await.map(drop)
    }

    /// Routes and receivers, without secrets.
    pub async fn notification_config(&self) -> Result<Value, Error> {
        Ok(self.ask(&Request::get("/api/v1/notifications/config".into())).await?.data)
    }

    /// Says where alerts go: YAML or JSON.
    pub async fn put_notification_config(&self, text: &str) -> Result<(), Error> {
        let path = "/api/v1/notifications/config";
        let mut request = Request::post(path, "application/yaml", Bytes::from(text.to_owned()));
        request.method = Method::PUT;
        request.repeatable = true;
        self.transport.send(&request).await.map(drop)
    }

    /// An answer without an envelope.
    async fn plain<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        let reply = self.transport.send(request).await?;
        serde_json::from_slice(&reply.body)
            .map_err(|e| Error::Answer { url: reply.url, reason: e.to_string() })
    }
}
