//! What the cluster scrapes: the documents that say so, and the targets.

use crate::encode::escape;
use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A document with `scrape_configs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScrapeDocument {
    /// `applied`, or `file/N` for the file of node N.
    pub source: String,
    /// When it last changed, in epochs of the ownership metadata.
    pub epoch: u64,
    /// Where relative paths in it start; empty for one that was applied.
    pub base: String,
    /// Its text, secrets included.
    pub yaml: String,
}

/// What an applied document came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScrapeApplied {
    /// The jobs in it.
    pub jobs: Vec<String>,
    /// False where it was only checked.
    pub applied: bool,
}

/// A target and how it was at its last scrape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScrapeTarget {
    /// The job.
    pub scrape_pool: String,
    /// Labels that its series get.
    pub labels: BTreeMap<String, String>,
    /// Labels before relabelling.
    pub discovered_labels: BTreeMap<String, String>,
    /// Where it is asked.
    pub scrape_url: String,
    /// `up`, `down` or `unknown`.
    pub health: String,
    /// Why it is down.
    pub last_error: String,
    /// RFC 3339.
    pub last_scrape: String,
    /// Seconds.
    pub last_scrape_duration: f64,
    /// How often.
    pub scrape_interval: String,
    /// How long it may take.
    pub scrape_timeout: String,
    /// Number of the node that scrapes it.
    pub node: Option<u64>,
    /// Samples of its last good scrape.
    pub samples: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Targets {
    active_targets: Vec<ScrapeTarget>,
    dropped_target_counts: BTreeMap<String, u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Documents {
    documents: Vec<ScrapeDocument>,
}

impl Client {
    /// Replaces the document that was applied before; with `check`, only says what is wrong with it.
    pub async fn apply_scrape_config(
        &self,
        yaml: &str,
        check: bool,
    ) -> Result<Reported<ScrapeApplied>, Error> {
        let path = format!("/api/v1/scrape/config?check={check}");
        let mut request = Request::post(&path, "application/yaml", Bytes::from(yaml.to_owned()));
        // the same document twice is the same as once
        request.repeatable = true;
        self.ask(&request).await
    }

    /// Takes the applied document back. Refused with 404 when there is none.
    pub async fn remove_scrape_config(&self) -> Result<(), Error> {
        let mut request = Request::get("/api/v1/scrape/config".to_owned());
        request.method = Method::DELETE;
        self.transport.send(&request).await.map(|_| ())
    }

    /// The documents that hold.
    pub async fn scrape_configs(&self) -> Result<Vec<ScrapeDocument>, Error> {
        let answer: Reported<Documents> = self.ask(&Request::get("/api/v1/scrape/config".to_owned())).await?;
        Ok(answer.data.documents)
    }

    /// The targets, of one job or of all, how many each job dropped, and what keeps addresses from being scraped.
    pub async fn scrape_targets(
        &self,
        job: Option<&str>,
    ) -> Result<Reported<(Vec<ScrapeTarget>, BTreeMap<String, u64>)>, Error> {
        let job = job.map(|job| {
            let mut pool = "?scrapePool=".to_owned();
            escape(&mut pool, job);
            pool
        });
        let job = job.unwrap_or_default();
        let answer: Reported<Targets> = self.ask(&Request::get(format!("/api/v1/targets{job}"))).await?;
        let Reported { data, warnings, infos } = answer;
        Ok(Reported { data: (data.active_targets, data.dropped_target_counts), warnings, infos })
    }
}
