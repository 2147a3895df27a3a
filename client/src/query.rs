//! Questions to a node: PromQL, series and labels, and what the node says about itself.

use crate::answer::{Data, WireLabels};
use crate::client::Reported;
use crate::encode::{Params, label_segment};
use crate::status::{BuildInfo, Cardinality, Metadata, Status, without_nulls};
use crate::transport::Request;
use crate::{Answer, Client, Error};
use plimsoll_model::{Labels, Timestamp};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::time::Duration;

/// What narrows `series`, `labels`, `label_values` and `export`: PromQL selectors (any of them), a time range,
/// a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Selectors such as `up{job="api"}`; none means all series where the node allows it.
    pub matchers: Vec<String>,
    /// Only what has samples from here on.
    pub start: Option<Timestamp>,
    /// Only what has samples up to here.
    pub end: Option<Timestamp>,
    /// At most so many answers; the node warns when it cut.
    pub limit: Option<u64>,
}

impl Selection {
    /// The series that `matcher` selects, at any time.
    pub fn matching(matcher: impl Into<String>) -> Self {
        Self { matchers: vec![matcher.into()], ..Self::default() }
    }

    pub(crate) fn params(&self) -> Params {
        let mut p = Params::default();
        for matcher in &self.matchers {
            p.add("match[]", matcher);
        }
        p.add_if("start", self.start.map(seconds)).add_if("end", self.end.map(seconds));
        p.add_if("limit", self.limit);
        p
    }
}

impl Client {
    /// Evaluates `expr` at `time` (milliseconds), or now.
    pub async fn query(&self, expr: &str, time: Option<Timestamp>) -> Result<Answer, Error> {
        let mut p = Params::default();
        p.add("query", expr).add_if("time", time.map(seconds));
        self.evaluate("/api/v1/query", p).await
    }

    /// Evaluates `expr` at every `step` from `start` to `end`, both included.
    pub async fn query_range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Answer, Error> {
        let mut p = Params::default();
        p.add("query", expr).add("start", &seconds(start)).add("end", &seconds(end));
        p.add("step", &step.as_secs_f64().to_string());
        self.evaluate("/api/v1/query_range", p).await
    }

    async fn evaluate(&self, path: &str, mut params: Params) -> Result<Answer, Error> {
        // The node gives up when nobody would read its answer any more.
        params.add("timeout", &self.transport.settings().timeout.as_secs_f64().to_string());
        let r: Reported<Data> = self.ask(&Request::form(path, params.as_str())).await?;
        Ok(Answer { data: r.data, warnings: r.warnings, infos: r.infos })
    }

    /// Names of labels, sorted.
    pub async fn labels(&self, selection: &Selection) -> Result<Reported<Vec<String>>, Error> {
        self.ask(&Request::form("/api/v1/labels", selection.params().as_str())).await
    }

    /// Values of the label `name`, sorted.
    pub async fn label_values(
        &self,
        name: &str,
        selection: &Selection,
    ) -> Result<Reported<Vec<String>>, Error> {
        let path = format!("/api/v1/label/{}/values", label_segment(name));
        self.ask(&get(&path, &selection.params())).await
    }

    /// The series that the selection's matchers name; there must be one.
    pub async fn series(&self, selection: &Selection) -> Result<Reported<Vec<Labels>>, Error> {
        let request = Request::form("/api/v1/series", selection.params().as_str());
        let r: Reported<Vec<WireLabels>> = self.ask(&request).await?;
        let data = r.data.into_iter().map(|w| w.0).collect();
        Ok(Reported { data, warnings: r.warnings, infos: r.infos })
    }

    /// Type, help and unit of metrics: of `metric`, or of all.
    pub async fn metadata(&self, metric: Option<&str>) -> Result<BTreeMap<String, Vec<Metadata>>, Error> {
        let mut p = Params::default();
        p.add_if("metric", metric);
        Ok(self.ask(&get("/api/v1/metadata", &p)).await?.data)
    }

    /// What the node says about itself and its cluster.
    pub async fn status(&self) -> Result<Status, Error> {
        self.ask_tolerantly("/api/v1/status", &Params::default()).await
    }

    /// Version of the node.
    pub async fn build_info(&self) -> Result<BuildInfo, Error> {
        self.ask_tolerantly("/api/v1/status/buildinfo", &Params::default()).await
    }

    /// Where the series are: the `limit` largest metrics, labels and pairs.
    pub async fn cardinality(&self, matchers: &[String], limit: u64) -> Result<Cardinality, Error> {
        let mut p = Params::default();
        p.add("limit", &limit.to_string());
        for matcher in matchers {
            p.add("match[]", matcher);
        }
        self.ask_tolerantly("/api/v1/cardinality", &p).await
    }

    /// Asks for what nodes of other versions say differently.
    async fn ask_tolerantly<T: DeserializeOwned>(&self, path: &str, params: &Params) -> Result<T, Error> {
        let data: serde_json::Value = self.ask(&get(path, params)).await?.data;
        let read = serde_json::from_value(without_nulls(data));
        read.map_err(|e| Error::Answer { url: self.url().to_owned(), reason: e.to_string() })
    }

    /// The node's own metrics in Prometheus' text format.
    pub async fn metrics_text(&self) -> Result<String, Error> {
        let reply = self.transport.send(&Request::get("/metrics".into())).await?;
        Ok(String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// Whether the node takes writes and answers queries; the error says why not.
    pub async fn ready(&self) -> Result<Ready, Error> {
        let reply = self.transport.send(&Request::get("/-/ready".into())).await?;
        let date = reply.headers.get("date").and_then(|v| v.to_str().ok());
        let date = date.and_then(|v| httpdate::parse_http_date(v).ok());
        Ok(Ready { clock: date })
    }
}

/// A node that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The node's clock by its `Date` header, to the second.
    pub clock: Option<std::time::SystemTime>,
}

pub(crate) fn get(path: &str, params: &Params) -> Request {
    if params.is_empty() {
        return Request::get(path.to_owned());
    }
    Request::get(format!("{path}?{}", params.as_str()))
}

/// Milliseconds as the API takes them: seconds with a fraction, exactly.
pub(crate) fn seconds(t: Timestamp) -> String {
    let sign = if t < 0 { "-" } else { "" };
    let t = t.unsigned_abs();
    match t % 1000 {
        0 => format!("{sign}{}", t / 1000),
        ms => format!("{sign}{}.{ms:03}", t / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sent_to_the_millisecond() {
        let cases = [(0, "0"), (1_700_000_000_123, "1700000000.123"), (-1, "-0.001"), (5_000, "5")];
        for (ms, text) in cases {
            assert_eq!(seconds(ms), text);
        }
        assert_eq!(seconds(i64::MIN), "-9223372036854775.808");
    }
}
