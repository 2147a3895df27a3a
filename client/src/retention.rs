//! How long samples are kept, and deletions.

use crate::client::Reported;
use crate::query::get;
use crate::status::without_nulls;
use crate::transport::Request;
use crate::{Client, Error, Selection};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Series that match are kept for so long; of the rules that match a series the first one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionRule {
    /// A selector; empty for what no rule names.
    #[serde(rename = "match")]
    pub selector: String,
    /// A duration of a day at least, as the operator wrote it.
    pub keep: String,
    /// The same in milliseconds.
    pub keep_ms: i64,
}

/// The rules of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// How long what no rule names is kept, in milliseconds.
    pub default_ms: i64,
    /// The longest time that anything is kept for.
    pub longest_ms: i64,
    /// Epoch of the rules; 0 where there are none.
    pub epoch: u64,
    /// In order.
    pub rules: Vec<RetentionRule>,
}

/// What a rule would delete now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetentionEffect {
    /// The rule.
    #[serde(flatten)]
    pub rule: RetentionRule,
    /// Samples older than this go, in milliseconds since the Unix epoch.
    pub older_than_ms: i64,
    /// Series that have some.
    pub series: u64,
    /// About so many bytes of rows, in one copy.
    pub bytes: u64,
}

/// A deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeletionJob {
    /// Its number.
    pub id: u64,
    /// `running`, `waiting`, `done` or `failed`.
    pub state: String,
    /// Selectors.
    #[serde(rename = "match")]
    pub matchers: Vec<String>,
    /// From here on, where it has a beginning.
    pub start_ms: Option<i64>,
    /// Up to here, where it has an end.
    pub end_ms: Option<i64>,
    /// Who asked.
    pub by: String,
    /// When.
    pub created_ms: i64,
    /// When it was done.
    pub finished_ms: Option<i64>,
    /// Shards in which it is to be done.
    pub shards: u64,
    /// Shards in which it is done.
    pub shards_done: u64,
    /// Series hit so far.
    pub series: u64,
    /// Why it does not go on.
    pub trouble: Option<String>,
}

/// What a deletion would hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WouldDelete {
    /// Series.
    pub series: u64,
    /// About so many bytes of rows, in one copy.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct Effects {
    rules: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jobs {
    deletions: Vec<DeletionJob>,
}

const RETENTION: &str = "/api/v1/admin/retention";
const DELETE: &str = "/api/v1/admin/tsdb/delete_series";

impl Client {
    /// The rules that hold.
    pub async fn retention(&self) -> Result<Retention, Error> {
        Ok(self.ask(&Request::get(RETENTION.into())).await?.data)
    }

    /// Puts `rules` in the place of those of `epoch`. Refused when somebody else has changed them meanwhile.
    pub async fn set_retention(&self, rules: &[RetentionRule], epoch: u64) -> Result<Retention, Error> {
        let body = json!({"rules": plain(rules), "epoch": epoch}).to_string();
        Ok(self.ask(&Request::post(RETENTION, "application/json", Bytes::from(body))).await?.data)
    }

    /// What `rules`, or those that hold, would delete now.
    pub async fn retention_dry_run(
        &self,
        rules: Option<&[RetentionRule]>,
    ) -> Result<Vec<RetentionEffect>, Error> {
        let body = rules.map(|rules| json!({"rules": plain(rules)}).to_string()).unwrap_or_default();
        let mut request =
            Request::post("/api/v1/admin/retention/dry_run", "application/json", Bytes::from(body));
        request.repeatable = true;
        let effects: Reported<Effects> = self.ask(&request).await?;
        let read = |row| {
            serde_json::from_value(without_nulls(row))
                .map_err(|e| Error::Answer { url: RETENTION.to_owned(), reason: e.to_string() })
        };
        effects.data.rules.into_iter().map(read).collect()
    }

    /// Begins to delete the samples of a selection. Answers at once; see [`Client::deletions`] for its progress.
    pub async fn delete_series(&self, selection: &Selection) -> Result<DeletionJob, Error> {
        let request = Request::form(&format!("{DELETE}?{}", selection.params().as_str()), "");
        Ok(self.ask(&request).await?.data)
    }

    /// What [`Client::delete_series`] would hit.
    pub async fn would_delete(&self, selection: &Selection) -> Result<WouldDelete, Error> {
        let path = format!("{DELETE}?{}&dry_run=true", selection.params().as_str());
        let mut request = Request::form(&path, "");
        request.repeatable = true;
        Ok(self.ask(&request).await?.data)
    }

    /// The deletions under way and of the past, newest first.
    pub async fn deletions(&self) -> Result<Vec<DeletionJob>, Error> {
        let jobs: Reported<Jobs> = self.ask(&get("/api/v1/admin/deletions", &Default::default())).await?;
        Ok(jobs.data.deletions)
    }
}

fn plain(rules: &[RetentionRule]) -> Vec<serde_json::Value> {
    rules.iter().map(|r| json!({"match": r.selector, "keep": r.keep})).collect()
}
