//! Live queries as server-sent events.
//!
//! `hello` names the queries and their numbers, `history` is what a query was, `tick` what queries are at a step,
//! `cluster` the state of the cluster, `end` why nothing more comes. A comment every 15 s tells a quiet stream from a dead one.

use super::answer::{Time, matrix_series, vector_series};
use super::app::WeakApp;
use super::{ApiError, AppState, Params, cluster};
use crate::hub::{self, Form, Key, Outcome, Viewer, Wanted, Wish};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use plimsoll_model::Fault;
use plimsoll_promql::Value;
use serde_json::json;
use std::convert::Infallible;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How long a stream may be silent; proxies close quiet connections after 30 to 60 s.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a stream may last; then its token is looked at anew.
const LONGEST: Duration = Duration::from_secs(3600);
/// Milliseconds between two values where nobody says.
const STEP_MS: i64 = 5000;

/// The route.
pub fn routes() -> Router<AppState> {
    Router::new().route("/api/v1/live", get(live).post(live))
}

/// `GET|POST /api/v1/live?query=&instant=&step=&window=&cluster=`
async fn live(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let hub = app.hub.get().ok_or_else(|| unavailable("the node starts; ask again"))?;
    let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    let window_ms = params.duration("window")?.map_or(0, millis);
    let mut queries: Vec<Wanted> = Vec::new();
    for (name, window_ms) in [("query", window_ms), ("instant", 0)] {
        for expr in params.all(name) {
            let wanted = Wanted { expr: expr.to_owned(), window_ms };
            if !queries.contains(&wanted) {
                queries.push(wanted);
            }
        }
    }
    let wish = Wish {
        queries,
        step_ms: params.duration("step")?.map_or(STEP_MS, millis),
        cluster: params.flag("cluster")?,
    };
    if wish.queries.is_empty() && !wish.cluster {
        return Err(ApiError::bad_data(
            "nothing to look at: give `query` or `instant`, as often as you like, or `cluster=true`",
        ));
    }
    let viewer = hub.join(wish).await?;
    let until = Instant::now() + LONGEST;
    let stream = futures::stream::unfold(Some(viewer), move |viewer| async move {
        let (message, viewer) = next(viewer?, until).await;
        Some((Ok::<Bytes, Infallible>(message), viewer))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

async fn next(mut viewer: Viewer, until: Instant) -> (Bytes, Option<Viewer>) {
    if Instant::now() >= until {
        return (end("a stream lasts an hour: ask again"), None);
    }
    match tokio::time::timeout(SILENCE, viewer.next()).await {
        Ok(Some(message)) => (message, Some(viewer)),
        Ok(None) => (end(viewer.reason()), None),
        Err(_) => (Bytes::from_static(b": still here\n\n"), Some(viewer)),
    }
}

fn end(reason: &str) -> Bytes {
    event("end", |out| write!(out, "{}", json!({"reason": reason})))
}

fn unavailable(text: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
}

impl From<hub::Error> for ApiError {
    fn from(e: hub::Error) -> Self {
        match (e.fault(), &e) {
            (Fault::Asker, _) => Self::bad_data(e.to_string()),
            (_, hub::Error::Stopped) => unavailable(e.to_string()),
            _ => Self::new(StatusCode::TOO_MANY_REQUESTS, "unavailable", e.to_string()),
        }
    }
}

/// Server-sent events with JSON in them.
pub struct Events(WeakApp);

impl Events {
    /// Events of this node. They do not keep it from ending.
    pub fn new(app: &AppState) -> Self {
        Self(app.downgrade())
    }
}

impl Form for Events {
    fn hello(&self, queries: &[(u64, Key)]) -> Bytes {
        let all: Vec<_> = queries
            .iter()
            .map(|(id, key)| json!({"id": id, "expr": &*key.expr, "step": key.step_ms / 1000, "window": key.window_ms / 1000}))
            .collect();
        event("hello", |out| write!(out, "{}", json!({"queries": all})))
    }

    fn history(&self, id: u64, outcome: &Outcome) -> Bytes {
        event("history", |out| part(out, id, outcome))
    }

    fn part(&self, id: u64, outcome: &Outcome) -> Bytes {
        written(|out| part(out, id, outcome))
    }

    fn tick(&self, at_ms: i64, parts: &[&Bytes]) -> Bytes {
        event("tick", |out| {
            write!(out, "{{\"at\":{},\"results\":[", Time(at_ms))?;
            for (i, part) in parts.iter().enumerate() {
                out.write_all(if i > 0 { b"," } else { b"" })?;
                out.write_all(part)?;
            }
            out.write_all(b"]}")
        })
    }

    fn cluster(&self) -> Bytes {
        match self.0.upgrade() {
            Some(app) => event("cluster", |out| write!(out, "{}", cluster::state(&app))),
            None => Bytes::new(),
        }
    }
}

fn part(out: &mut Vec<u8>, id: u64, outcome: &Outcome) -> io::Result<()> {
    write!(out, "{{\"id\":{id},")?;
    match outcome {
        Err(reason) => write!(out, "\"error\":{}", json!(reason))?,
        Ok(value) => {
            out.write_all(b"\"result\":[")?;
            match value {
                Value::Vector(at, all) => separated(out, all, |out, s| vector_series(out, *at, s))?,
                Value::Matrix(all) => separated(out, all, |out, s| matrix_series(out, s))?,
                Value::Scalar(at, v) => {
                    let text = plimsoll_promql::format_float(*v);
                    write!(out, "{{\"metric\":{{}},\"value\":[{},\"{text}\"]}}", Time(*at))?;
                }
                // a text has no place on a graph
                Value::String(..) => {}
            }
            out.write_all(b"]")?;
        }
    }
    out.write_all(b"}")
}

fn separated<T>(
    out: &mut Vec<u8>,
    all: &[T],
    one: impl Fn(&mut dyn Write, &T) -> io::Result<()>,
) -> io::Result<()> {
    for (i, item) in all.iter().enumerate() {
        out.write_all(if i > 0 { b"," } else { b"" })?;
        one(out, item)?;
    }
    Ok(())
}

/// One event. JSON has no line breaks outside of its strings, and escapes those in them.
fn event(name: &str, data: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Bytes {
    written(|out| {
        write!(out, "event: {name}\ndata: ")?;
        data(out)?;
        out.write_all(b"\n\n")
    })
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Bytes {
    let mut out = Vec::new();
    write(&mut out).expect("a vector takes all bytes");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Labels;
    use plimsoll_promql::{Point, Series};

    #[test]
    fn an_event_is_one_line_of_json_whatever_the_labels_are() {
        let labels = Labels::from_pairs([("a", "x\n\n</script>\u{2028}")]).expect("labels");
        let outcome = Ok(Value::Vector(1500, vec![Series { labels, point: Point::Float(2.0) }]));
        let form = Events(WeakApp::default());
        let parts = form.part(7, &outcome);
        let text = String::from_utf8(
            form.tick(1500, &[&parts, &form.part(8, &Err("no \"luck\"\n".to_owned()))]).to_vec(),
        )
        .expect("text");
        let (head, data) = text.split_once("data: ").expect("data");
        assert_eq!(head, "event: tick\n");
        assert_eq!(data.matches('\n').count(), 2, "{data:?}");
        let json: serde_json::Value = serde_json::from_str(data.trim_end()).expect("JSON");
        assert_eq!(json["at"], 1.5);
        assert_eq!(json["results"][0]["result"][0]["metric"]["a"], "x\n\n</script>\u{2028}");
        assert_eq!(json["results"][1]["error"], "no \"luck\"\n");
    }
}
