use super::status_of;
use crate::http::{AppState, Reading};
use crate::query::{Consistency, Error, Kind, Question, Request as Asked, Times};
use plimsoll_model::{Labels, MatchOp, Matcher, TimeRange};
use plimsoll_promql::{Answer, Point, RangeSeries, Value};
use plimsoll_proto::v1;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Series in one block of a stream.
const BLOCK: usize = 256;
/// Blocks that may wait for a slow reader.
const BLOCKS: usize = 4;
/// Entries of an answer unless the asker wants fewer.
const ENTRIES: usize = 40_000;

/// The service `plimsoll.v1.Query`.
pub struct Query(pub AppState);

#[tonic::async_trait]
impl v1::query_server::Query for Query {
    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<v1::QueryResponse>, Status> {
        let r = request.into_inner();
        let times = Times::Instant(r.time.unwrap_or_else(crate::now_ms));
        self.run(asked(r.query, times, r.lookback_ms, r.limits)).await.map(Response::new)
    }

    async fn query_range(
        &self,
        request: Request<v1::QueryRangeRequest>,
    ) -> Result<Response<v1::QueryResponse>, Status> {
        self.run(asked_range(request.into_inner())?).await.map(Response::new)
    }

    type QueryStreamStream = ReceiverStream<Result<v1::QueryBlock, Status>>;

    async fn query_stream(
        &self,
        request: Request<v1::QueryRangeRequest>,
    ) -> Result<Response<Self::QueryStreamStream>, Status> {
        let whole = self.run(asked_range(request.into_inner())?).await?;
        let (blocks, receiver) = tokio::sync::mpsc::channel(BLOCKS);
        tokio::spawn(async move {
            let mut series = match whole.value {
                Some(v1::query_response::Value::Matrix(m) | v1::query_response::Value::Vector(m)) => m.series,
                _ => Vec::new(),
            };
            loop {
                let rest = series.split_off(series.len().min(BLOCK));
                let last = rest.is_empty();
                let mut block = v1::QueryBlock { series, ..Default::default() };
                if last {
                    (block.warnings, block.infos) = (whole.warnings.clone(), whole.infos.clone());
                    block.stats = whole.stats;
                }
                // the reader may be gone
                if blocks.send(Ok(block)).await.is_err() || last {
                    return;
                }
                series = rest;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn labels(
        &self,
        request: Request<v1::LabelsRequest>,
    ) -> Result<Response<v1::LabelsResponse>, Status> {
        let r = request.into_inner();
        let (selectors, range) = (selectors(&r.selectors), range(r.start, r.end));
        let question = Question::LabelNames { selectors, range };
        let (found, _) = self.0.texts(question, Reading::default()).await?;
        Ok(Response::new(list(found, r.limit)))
    }

    async fn label_values(
        &self,
        request: Request<v1::LabelValuesRequest>,
    ) -> Result<Response<v1::LabelsResponse>, Status> {
        let r = request.into_inner();
        let (selectors, range) = (selectors(&r.selectors), range(r.start, r.end));
        let question = Question::LabelValues { name: r.label, selectors, range };
        let (found, _) = self.0.texts(question, Reading::default()).await?;
        Ok(Response::new(list(found, r.limit)))
    }

    async fn series(
        &self,
        request: Request<v1::SeriesRequest>,
    ) -> Result<Response<v1::SeriesResponse>, Status> {
        let r = request.into_inner();
        if r.selectors.is_empty() {
            return Err(Status::invalid_argument("at least one selector is needed"));
        }
        let (selectors, range, limit) = (selectors(&r.selectors), range(r.start, r.end), limit(r.limit));
        let question = Question::Series { selectors, range, limit: limit as u64 + 1 };
        let (found, _) = self.0.labels::<BTreeSet<Labels>>(question, Reading::default()).await?;
        let warnings = truncated(found.len(), limit);
        let series = found.iter().take(limit).map(|l| v1::LabelSet { labels: labels(l) }).collect();
        Ok(Response::new(v1::SeriesResponse { series, warnings }))
    }
}

impl Query {
    async fn run(&self, asked: Asked) -> Result<v1::QueryResponse, Status> {
        let began = Instant::now();
        let answer = self.0.queries.run(asked).await.map_err(status)?;
        Ok(response(answer, began.elapsed()))
    }
}

fn status(e: Error) -> Status {
    let text = e.to_string();
    match e.kind() {
        Kind::BadData => Status::invalid_argument(text),
        Kind::Execution => Status::failed_precondition(text),
        Kind::Timeout => Status::deadline_exceeded(text),
        Kind::Canceled => Status::cancelled(text),
        Kind::Unavailable => Status::unavailable(text),
        Kind::Busy => Status::resource_exhausted(text),
        Kind::Internal => Status::internal(text),
    }
}

impl From<crate::http::ApiError> for Status {
    fn from(e: crate::http::ApiError) -> Self {
        status_of(e.fault(), false, &e)
    }
}

fn asked(text: String, times: Times, lookback_ms: Option<u64>, limits: Option<v1::Limits>) -> Asked {
    let timeout = limits.map(|l| l.timeout_ms).filter(|ms| *ms > 0).map(Duration::from_millis);
    let partial = limits.is_some_and(|l| l.allow_partial);
    Asked {
        text,
        times,
        timeout,
        lookback: lookback_ms.map(Duration::from_millis),
        origin: "grpc".to_owned(),
        consistency: Consistency::Lease,
        partial,
    }
}

fn asked_range(r: v1::QueryRangeRequest) -> Result<Asked, Status> {
    let step = i64::try_from(r.step_ms).ok().filter(|s| *s > 0);
    let step = step.ok_or_else(|| Status::invalid_argument("step_ms must be more than zero"))?;
    if r.end < r.start {
        return Err(Status::invalid_argument("end must not be before start"));
    }
    let times = Times::Range { start: r.start, end: r.end, step };
    Ok(asked(r.query, times, r.lookback_ms, r.limits))
}

fn response(answer: Answer, took: Duration) -> v1::QueryResponse {
    use v1::query_response::Value as Wire;
    let value = match answer.value {
        Value::Scalar(timestamp, value) => Wire::Scalar(v1::Scalar { timestamp, value }),
        Value::String(timestamp, value) => Wire::Text(v1::Text { timestamp, value }),
        Value::Vector(at, all) => Wire::Vector(v1::Vector {
            series: all.into_iter().map(|s| one(&s.labels, at, &s.point)).collect(),
        }),
        Value::Matrix(all) => Wire::Matrix(v1::Vector { series: all.iter().map(many).collect() }),
    };
    let stats = v1::QueryStats {
        series: answer.stats.series,
        samples: answer.stats.samples_read,
        duration_us: took.as_micros() as u64,
    };
    v1::QueryResponse {
        value: Some(value),
        warnings: answer.warnings,
        infos: answer.infos,
        stats: Some(stats),
    }
}

fn one(of: &Labels, at: i64, point: &Point) -> v1::Series {
    let mut series = v1::Series { labels: labels(of), ..Default::default() };
    match point {
        Point::Float(v) => {
            series.timestamps.push(at);
            series.values.push(*v);
        }
        Point::Histogram(h) => series
            .histograms
            .push(v1::HistogramSample { timestamp: at, histogram: Some(v1::Histogram::from(&**h)) }),
    }
    series
}

fn many(of: &RangeSeries) -> v1::Series {
    let (timestamps, values) = of.floats.iter().copied().unzip();
    let sample = |(t, h): &(i64, std::sync::Arc<plimsoll_model::Histogram>)| v1::HistogramSample {
        timestamp: *t,
        histogram: Some(v1::Histogram::from(&**h)),
    };
    v1::Series {
        labels: labels(&of.labels),
        timestamps,
        values,
        histograms: of.histograms.iter().map(sample).collect(),
    }
}

pub(super) fn labels(of: &Labels) -> Vec<v1::Label> {
    of.iter().map(|(n, v)| v1::Label { name: n.to_owned(), value: v.to_owned() }).collect()
}

/// The selectors of a request; none selects every series.
pub(super) fn selectors(wire: &[v1::Selector]) -> Vec<Vec<Matcher>> {
    let matcher = |m: &v1::Matcher| {
        let op = match m.op() {
            v1::matcher::Op::Equal => MatchOp::Equal,
            v1::matcher::Op::NotEqual => MatchOp::NotEqual,
            v1::matcher::Op::Regex => MatchOp::Regex,
            v1::matcher::Op::NotRegex => MatchOp::NotRegex,
        };
        Matcher::new(&m.name, op, &m.value)
    };
    let mut all: Vec<Vec<Matcher>> = wire.iter().map(|s| s.matchers.iter().map(matcher).collect()).collect();
    if all.is_empty() {
        all.push(Vec::new());
    }
    all
}

fn range(start: Option<i64>, end: Option<i64>) -> TimeRange {
    TimeRange { start: start.unwrap_or(TimeRange::ALL.start), end: end.unwrap_or(TimeRange::ALL.end) }
}

fn limit(wanted: u64) -> usize {
    if wanted == 0 { ENTRIES } else { (wanted as usize).min(ENTRIES) }
}

fn list(found: BTreeSet<String>, wanted: u64) -> v1::LabelsResponse {
    let limit = limit(wanted);
    let warnings = truncated(found.len(), limit);
    v1::LabelsResponse { values: found.into_iter().take(limit).collect(), warnings }
}

fn truncated(found: usize, limit: usize) -> Vec<String> {
    if found > limit { vec!["results truncated due to limit".to_owned()] } else { Vec::new() }
}
