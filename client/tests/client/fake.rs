//! A node of straw: answers what it was told to, in order, and keeps what it was asked.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::{Router, routing::any};
use plimsoll_proto::prometheus::v1::WriteRequest;
use prost::Message;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What the node was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

/// What the node answers once.
#[derive(Clone, Debug)]
pub struct Say {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// How long it thinks before.
    pub after: Duration,
}

impl Say {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), after: Duration::ZERO }
    }

    pub fn json(body: &str) -> Self {
        Self { body: body.to_owned(), ..Self::status(200) }
    }

    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }
}

type Rule = Box<dyn Fn(&Asked) -> Option<Say> + Send + Sync>;

#[derive(Default)]
struct Script {
    next: VecDeque<Say>,
    /// Asked before the script; a rule that answers `None` leaves it to the script.
    rule: Option<Rule>,
    asked: Vec<Asked>,
    /// What it says about the cluster; without it, it knows of none.
    cluster: Option<String>,
    /// How often it was asked about the cluster: a client asks for itself, so it is kept apart.
    looks: usize,
}

/// The running node; it ends with the runtime of its test.
#[derive(Clone)]
pub struct FakeNode {
    pub url: String,
    script: Arc<Mutex<Script>>,
    /// What a mortal node lives on.
    life: Arc<Mutex<Option<tokio::runtime::Runtime>>>,
}

impl FakeNode {
    /// Starts a node that answers `says` in order, and 204 after them.
    pub async fn start(says: impl IntoIterator<Item = Say>) -> Self {
        let script = Arc::new(Mutex::new(Script { next: says.into_iter().collect(), ..Script::default() }));
        let app = Router::new().fallback(any(answer)).with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port of the loopback");
        let addr: SocketAddr = listener.local_addr().expect("a bound listener has an address");
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url: format!("http://{addr}"), script, life: Arc::default() }
    }

    /// Starts a node that can [`die`](Self::die): it lives on a runtime of its own, whose end closes all its sockets.
    pub async fn mortal() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let node = runtime.spawn(Self::start([])).await.expect("it starts");
        *node.life.lock().expect("nobody else has it yet") = Some(runtime);
        node
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Says this about its cluster from now on.
    pub fn says_of_cluster(&self, data: &serde_json::Value) {
        self.lock().cluster = Some(format!("{{\"status\":\"success\",\"data\":{data}}}"));
    }

    /// How often it was asked about the cluster.
    pub fn looks(&self) -> usize {
        self.lock().looks
    }

    /// Is gone: nobody listens any more, and every connection ends.
    pub fn die(&self) {
        if let Some(runtime) = self.life.lock().expect("no test panics while it holds this").take() {
            runtime.shutdown_background();
        }
    }

    /// Answers by `rule` where it has an answer.
    pub fn rule(self, rule: impl Fn(&Asked) -> Option<Say> + Send + Sync + 'static) -> Self {
        self.lock().rule = Some(Box::new(rule));
        self
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it holds the script")
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let say = {
        let mut script = script.lock().expect("no test panics while it holds the script");
        if uri.path() == "/api/v1/cluster" {
            script.looks += 1;
            let known = script.cluster.clone().map(|body| Say::json(&body));
            return respond(known.unwrap_or_else(|| Say::status(404)));
        }
        let asked = Asked { method, uri, headers, body, at: Instant::now() };
        let by_rule = script.rule.as_ref().and_then(|rule| rule(&asked));
        script.asked.push(asked);
        by_rule.or_else(|| script.next.pop_front()).unwrap_or_else(|| Say::status(204))
    };
    tokio::time::sleep(say.after).await;
    respond(say)
}

fn respond(say: Say) -> Response {
    let mut response = Response::new(Body::from(say.body));
    *response.status_mut() = StatusCode::from_u16(say.status).expect("a status of the test");
    for (name, value) in say.headers {
        response.headers_mut().insert(name, value.parse().expect("a header of the test"));
    }
    response
}

impl Asked {
    /// The samples of a remote write request: (series, timestamp, value).
    pub fn samples(&self) -> Vec<(String, i64, f64)> {
        let plain = snap::raw::Decoder::new().decompress_vec(&self.body).expect("snappy");
        let request = WriteRequest::decode(&plain[..]).expect("a remote write 1.0 message");
        let mut out = Vec::new();
        for series in request.timeseries {
            let labels = series.labels.iter().map(|l| (&l.name, &l.value));
            let name = plimsoll_client::model::Labels::from_pairs(labels).expect("labels").to_string();
            out.extend(series.samples.iter().map(|s| (name.clone(), s.timestamp, s.value)));
            out.extend(series.histograms.iter().map(|h| (name.clone(), h.timestamp, f64::NAN)));
        }
        out
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        // A runtime that is dropped inside of another one panics; the last handle ends it as a death does.
        if Arc::strong_count(&self.life) == 1 {
            self.die();
        }
    }
}

/// What nodes at `addresses` say about their cluster.
pub fn cluster_of(addresses: &[&str]) -> serde_json::Value {
    let ids: Vec<usize> = (1..=addresses.len()).collect();
    let nodes = ids.iter().zip(addresses).map(|(id, address)| {
        serde_json::json!({"id": id, "address": address, "state": "active", "live": true, "version": "0.1.0",
            "replicas": 2, "leaders": 1, "seen_seconds": 0.1, "disk_bytes": 4096, "disk_free_bytes": 1u64 << 33})
    });
    let shards: Vec<_> = [0, 1].iter().map(|id| {
        serde_json::json!({"id": id, "replicas": ids, "voters": ids, "learners": [], "leader": 1, "state": "ok"})
    }).collect();
    serde_json::json!({"id": "c1", "epoch": 7, "replication": ids.len(), "leader": 1, "quorum": true, "asked": 1,
        "rebalancing": true, "nodes": nodes.collect::<Vec<_>>(), "shards": shards, "moves": []})
}

/// An address where nobody listens. The port is held, so that no other test gets it meanwhile.
pub struct Gone {
    pub url: String,
    _port: tokio::net::TcpSocket,
}

impl Gone {
    pub fn new() -> Self {
        let port = tokio::net::TcpSocket::new_v4().expect("a socket");
        port.bind("127.0.0.1:0".parse().expect("an address")).expect("a port of the loopback");
        let url = format!("http://{}", port.local_addr().expect("a bound socket has an address"));
        Self { url, _port: port }
    }
}

/// Waits until `condition` holds, for at most `limit`.
pub async fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not come true within {limit:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
