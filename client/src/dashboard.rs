//! Dashboards of the cluster, as data.

use crate::encode::{Params, escape};
use crate::query::get;
use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A dashboard as the cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dashboard {
    /// What names it.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// What it shows.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// How many panels it has.
    pub panels: u64,
    /// Whether it is fed live.
    pub live: bool,
    /// Whether it came with the program.
    pub built_in: bool,
    /// Who saved it.
    pub author: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub updated_ms: Option<i64>,
}

/// What came of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportedDashboard {
    /// What names it now.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// How many panels it has.
    pub panels: u64,
    /// What is not as it was.
    pub left_out: Vec<LeftOut>,
    /// Whether it was saved; a dry run saves nothing.
    pub saved: bool,
}

/// Something that an import could not bring over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// The panel, or the variable.
    pub panel: String,
    /// Why.
    pub reason: String,
}

/// How a dashboard is brought in.
#[derive(Clone, Debug, Default)]
pub struct DashboardImport {
    /// Another id than the one that it says or that its title makes.
    pub id: Option<String>,
    /// Whether one with the same id goes.
    pub replace: bool,
    /// Look, and save nothing.
    pub dry_run: bool,
}

impl Client {
    /// The dashboards that there are.
    pub async fn dashboards(&self) -> Result<Vec<Dashboard>, Error> {
        Ok(self.ask(&Request::get("/api/v1/dashboards".into())).await?.data)
    }

    /// The JSON of a dashboard. Refused with 404 when there is none of the id.
    pub async fn dashboard(&self, id: &str) -> Result<Value, Error> {
        Ok(self.ask(&Request::get(path(id))).await?.data)
    }

    /// Brings a dashboard in: the JSON of one of ours, or of Grafana's.
    pub async fn import_dashboard(
        &self,
        json: Bytes,
        how: &DashboardImport,
    ) -> Result<ImportedDashboard, Error> {
        let mut params = Params::default();
        params.add_if("id", how.id.as_ref());
        params.add_if("replace", how.replace.then_some(true)).add_if("dry_run", how.dry_run.then_some(true));
        let path = get("/api/v1/dashboards/import", &params).path;
        // Not repeatable: the second time a new one would get another id.
        let answer: Reported<ImportedDashboard> =
            self.ask(&Request::post(&path, "application/json", json)).await?;
        Ok(answer.data)
    }

    /// Removes a dashboard that somebody saved.
    pub async fn remove_dashboard(&self, id: &str) -> Result<(), Error> {
        let mut request = Request::get(path(id));
        request.method = Method::DELETE;
        self.transport.send(&request).await.map(|_| ())
    }
}

fn path(id: &str) -> String {
    let mut path = "/api/v1/dashboards/".to_owned();
    escape(&mut path, id);
    path
}
