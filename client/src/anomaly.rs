//! Anomalies, what is watched for them, forecasts, and reports on a schedule.

use crate::answer::WireLabels;
use crate::encode::{Params, escape};
use crate::query::{get, seconds};
use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use bytes::Bytes;
use hyper::Method;
use plimsoll_model::{Labels, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A value that is not what one would expect at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// The watch that found it.
    pub watch: String,
    /// Labels of the watched series.
    pub labels: Labels,
    /// The value.
    pub value: Option<f64>,
    /// How far it lies from what was expected, in spreads of past errors.
    pub score: f64,
    /// The score at the edge of the band.
    pub threshold: f64,
    /// What was expected.
    pub expected: Option<f64>,
    /// The lower edge of the band.
    pub lower: Option<f64>,
    /// The upper edge.
    pub upper: Option<f64>,
}

/// What is anomalous, and what is watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anomalies {
    /// The anomalies, the largest in front.
    pub anomalies: Vec<Anomaly>,
    /// The watches.
    pub watches: Vec<Watch>,
}

/// What is watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// Its name: the label `watch` of its series.
    pub name: String,
    /// PromQL; each series of its answer is watched.
    pub expr: String,
    /// Seconds between two looks.
    pub interval_s: u32,
    /// `auto`, `none`, `daily` or `weekly`.
    pub season: String,
    /// `low`, `medium` or `high`.
    pub sensitivity: String,
    /// Smaller differences are never anomalous.
    pub floor: f64,
    /// Whether it rests.
    pub off: bool,
    /// The score at the edge of the band.
    #[serde(skip_serializing)]
    pub threshold: f64,
}

/// What an expression's series will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecasts {
    /// A forecast a series.
    pub series: Vec<SeriesForecast>,
    /// What was left out.
    pub notes: Vec<String>,
}

/// What one series will do.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesForecast {
    /// Its labels.
    pub labels: Labels,
    /// Which pattern repeats.
    pub season: String,
    /// Whether there is a trend in it.
    pub trend: bool,
    /// The part of the values that should lie in the band.
    pub coverage: f64,
    /// The points.
    pub points: Vec<ForecastPoint>,
}

/// What is expected at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ForecastPoint {
    /// When.
    pub at_ms: Timestamp,
    /// The value.
    pub expected: f64,
    /// The lower edge of the band.
    pub lower: f64,
    /// The upper edge.
    pub upper: f64,
}

/// A report that is sent by itself. Times are UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Which report.
    pub report: String,
    /// When.
    pub when: String,
    /// `file`, or `{"webhook": url}`.
    pub to: Value,
    /// In which form.
    pub format: String,
    /// The length of the period; from one due time to the next where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<i64>,
    /// What it is held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Labels that rows are told apart by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Only series that this selects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// When it is due next.
    #[serde(skip_serializing)]
    pub next_ms: Option<Timestamp>,
    /// The last time that it was seen to.
    #[serde(skip_serializing)]
    pub last: Option<ScheduleRun>,
}

/// The last time that a schedule was seen to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleRun {
    /// When it was due.
    pub due_ms: Timestamp,
    /// When it was done.
    pub done_ms: Timestamp,
    /// Which node did it.
    pub node: u64,
    /// Where it went, or why it could not.
    pub outcome: String,
    /// Whether it arrived.
    pub sent: bool,
}

#[derive(Deserialize)]
struct WireAnomalies {
    anomalies: Vec<WireAnomaly>,
    watches: Vec<Watch>,
}

#[derive(Deserialize)]
struct WireAnomaly {
    watch: String,
    labels: WireLabels,
    value: Option<f64>,
    score: f64,
    threshold: f64,
    expected: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
}

#[derive(Deserialize)]
struct WireForecasts {
    series: Vec<WireForecast>,
}

#[derive(Deserialize)]
struct WireForecast {
    labels: WireLabels,
    season: String,
    trend: bool,
    coverage: f64,
    points: Vec<ForecastPoint>,
}

impl Client {
    /// What is anomalous now, or at `time`; with `all` every watched series.
    pub async fn anomalies(&self, time: Option<Timestamp>, all: bool) -> Result<Anomalies, Error> {
        let mut p = Params::default();
        p.add_if("time", time.map(seconds)).add_if("all", all.then_some("true"));
        let wire: Reported<WireAnomalies> = self.ask(&get("/api/v1/anomalies", &p)).await?;
        let read = |a: WireAnomaly| Anomaly {
            watch: a.watch,
            labels: a.labels.0,
            value: a.value,
            score: a.score,
            threshold: a.threshold,
            expected: a.expected,
            lower: a.lower,
            upper: a.upper,
        };
        let anomalies = wire.data.anomalies.into_iter().map(read).collect();
        Ok(Anomalies { anomalies, watches: wire.data.watches })
    }

    /// Watches an expression, or replaces the watch of this name.
    pub async fn put_watch(&self, watch: &Watch) -> Result<(), Error> {
        self.put_document("/api/v1/anomalies/watches", watch).await
    }

    /// Watches no longer.
    pub async fn remove_watch(&self, name: &str) -> Result<(), Error> {
        self.remove_document("/api/v1/anomalies/watches/", name).await
    }

    /// What the series of `expr` will do within `horizon`. `season`: `auto`, `none`, `daily` or `weekly`.
    pub async fn forecast(&self, expr: &str, horizon: Duration, season: &str) -> Result<Forecasts, Error> {
        let mut p = Params::default();
        p.add("query", expr).add("horizon", &horizon.as_secs_f64().to_string()).add("season", season);
        let wire: Reported<WireForecasts> = self.ask(&Request::form("/api/v1/forecast", p.as_str())).await?;
        let read = |f: WireForecast| SeriesForecast {
            labels: f.labels.0,
            season: f.season,
            trend: f.trend,
            coverage: f.coverage,
            points: f.points,
        };
        Ok(Forecasts { series: wire.data.series.into_iter().map(read).collect(), notes: wire.warnings })
    }

    /// The reports that are sent by themselves.
    pub async fn report_schedules(&self) -> Result<Vec<Schedule>, Error> {
        Ok(self.ask(&Request::get("/api/v1/reports/schedules".into())).await?.data)
    }

    /// Sends a report by itself, or replaces the schedule of this name.
    pub async fn put_report_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        self.put_document("/api/v1/reports/schedules", schedule).await
    }

    /// Sends it no longer.
    pub async fn remove_report_schedule(&self, name: &str) -> Result<(), Error> {
        self.remove_document("/api/v1/reports/schedules/", name).await
    }

    async fn put_document(&self, path: &str, document: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_vec(document).map_err(|e| Error::Config(e.to_string()))?;
        let mut request = Request::post(path, "application/json", Bytes::from(body));
        // it replaces itself
        request.repeatable = true;
        self.transport.send(&request).await.map(drop)
    }

    async fn remove_document(&self, path: &str, name: &str) -> Result<(), Error> {
        let mut path = path.to_owned();
        escape(&mut path, name);
        let mut request = Request::get(path);
        request.method = Method::DELETE;
        self.transport.send(&request).await.map(drop)
    }
}
