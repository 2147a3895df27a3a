//! One HTTP request to whichever of the nodes answers.
//!
//! Owns: connections, timeouts, the bound on answers, and the mapping of what went wrong to [`Error`].
//! Does not own: which nodes there are and whose turn it is (`nodes`), repeats after a wait (`retry`, `writer`), the
//! meaning of bodies (`query`, `answer`).

use crate::connector::{Connector, connector};
use crate::{Error, nodes::Nodes, retry::parse_retry_after};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::{error::Elapsed, timeout};

/// Longest message of a node that is kept in an error: all reasons of a refused write, each with an example.
const MESSAGE_BYTES: usize = 12 << 10;

/// What a [`Transport`] is made of.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub urls: Vec<BaseUrl>,
    pub token: Option<Secret>,
    pub headers: Vec<(String, Secret)>,
    pub connect_timeout: Duration,
    pub timeout: Duration,
    pub max_answer_bytes: usize,
    pub discover: bool,
    #[cfg(feature = "tls")]
    pub ca_pem: Option<Vec<u8>>,
}

/// Text that no log shall show.
#[derive(Clone)]
pub(crate) struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<hidden>")
    }
}

/// A node's address: scheme, authority and a path to put before the API's paths (behind a proxy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    pub text: String,
    pub https: bool,
}

/// A request before a url is chosen.
pub(crate) struct Request {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// Whether asking twice does no harm.
    pub repeatable: bool,
}

/// A whole answer of 2xx.
#[derive(Debug)]
pub(crate) struct Reply {
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer of 2xx whose body is still coming.
#[derive(Debug)]
pub(crate) struct StreamedReply {
    pub url: String,
    #[cfg_attr(
        not(feature = "cli"),
        allow(dead_code, reason = "only commands ask what kind of stream it is")
    )]
    pub headers: HeaderMap,
    pub body: Incoming,
}

#[derive(Debug)]
pub(crate) struct Transport {
    pool: Pool<Connector, Full<Bytes>>,
    settings: Settings,
    headers: HeaderMap,
    nodes: Nodes,
}

impl BaseUrl {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::Config(format!("url {text:?} {why}: write it as http://host:port"));
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| bad("is not a url"))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("has a scheme that is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| bad("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("holds a user or password, use a token"));
        }
        if uri.query().is_some() {
            return Err(bad("has a query"));
        }
        if https && cfg!(not(feature = "tls")) {
            return Err(bad("needs TLS, which this build of the client leaves out (feature `tls`)"));
        }
        Ok(Self { text: whole.trim_end_matches('/').to_owned(), https })
    }

    /// Whether paths of the API come after another path, as behind a proxy.
    pub fn has_path(&self) -> bool {
        self.authority().contains('/')
    }

    /// The host, as it stands in the url.
    pub fn host(&self) -> &str {
        let authority = self.authority().split('/').next().unwrap_or_default();
        match authority.rsplit_once(':') {
            // The last colon of `[::1]` is not one before a port.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        }
    }

    /// What follows the scheme.
    fn authority(&self) -> &str {
        self.text.split_once("://").map_or(self.text.as_str(), |(_, rest)| rest)
    }
}

impl Request {
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: Bytes::new(), repeatable: true }
    }

    pub fn form(path: &str, form: &str) -> Self {
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        Self {
            method: Method::POST,
            path: path.to_owned(),
            headers: vec![(CONTENT_TYPE, form_type)],
            body: Bytes::from(form.to_owned()),
            repeatable: true,
        }
    }

    pub fn post(path: &str, content_type: &'static str, body: Bytes) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))],
            body,
            repeatable: false,
        }
    }
}

impl Transport {
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if settings.urls.is_empty() {
            return Err(Error::Config("a client needs at least one url".into()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("plimsoll/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = &settings.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.0))
                .map_err(|_| Error::Config("the token holds characters that no header can carry".into()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        for (name, value) in &settings.headers {
            let bad = || Error::Config(format!("header {name:?} cannot be sent"));
            let name = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
            let mut value = HeaderValue::try_from(value.0.as_str()).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(8)
            .build(connector(&settings)?);
        let nodes = Nodes::new(&settings.urls, settings.discover);
        Ok(Self { pool, settings, headers, nodes })
    }

    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends `request` and takes the whole answer.
    pub async fn send(self: &Arc<Self>, request: &Request) -> Result<Reply, Error> {
        let mut turn = Turn::new(self);
        loop {
            let url = turn.url()?;
            let result = self.send_to(&url, request).await;
            if turn.is_final(&result, request.repeatable) {
                return turn.tell(result);
            }
            turn.passed_on(result.err());
        }
    }

    /// Sends `request` and answers as soon as the head is there; the timeout covers the head alone.
    pub async fn stream(self: &Arc<Self>, request: &Request) -> Result<StreamedReply, Error> {
        let mut turn = Turn::new(self);
        loop {
            let url = turn.url()?;
            let result = self.stream_from(&url, request).await;
            if turn.is_final(&result, request.repeatable) {
                return turn.tell(result);
            }
            turn.passed_on(result.err());
        }
    }

    pub async fn send_to(&self, url: &BaseUrl, request: &Request) -> Result<Reply, Error> {
        let whole = async {
            let (parts, body) = self.start(url, request).await?;
            let body = self.collect(url, body).await?;
            Ok((parts, body))
        };
        let (parts, body) = self.in_time(url, timeout(self.settings.timeout, whole).await)?;
        check(&parts, &body)?;
        Ok(Reply { url: url.text.clone(), headers: parts.headers, body })
    }

    async fn stream_from(&self, url: &BaseUrl, request: &Request) -> Result<StreamedReply, Error> {
        let head = timeout(self.settings.timeout, self.start(url, request)).await;
        let (parts, body) = self.in_time(url, head)?;
        if parts.status.is_success() {
            return Ok(StreamedReply { url: url.text.clone(), headers: parts.headers, body });
        }
        let body = timeout(self.settings.timeout, self.collect(url, body)).await;
        let body = self.in_time(url, body)?;
        check(&parts, &body)?;
        let reason = format!("HTTP {}", parts.status);
        Err(Error::Answer { url: url.text.clone(), reason })
    }

    async fn start(
        &self,
        url: &BaseUrl,
        request: &Request,
    ) -> Result<(hyper::http::response::Parts, Incoming), Error> {
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(format!("{}{}", url.text, request.path))
            .body(Full::new(request.body.clone()))
            .map_err(|e| Error::Config(format!("the request cannot be built: {e}")))?;
        message.headers_mut().extend(self.headers.clone());
        message.headers_mut().extend(request.headers.iter().cloned());
        match self.pool.request(message).await {
            Ok(response) => Ok(response.into_parts()),
            Err(e) if e.is_connect() => {
                Err(Error::Unreachable { url: url.text.clone(), reason: innermost(&e) })
            }
            Err(e) => Err(Error::Interrupted { url: url.text.clone(), reason: innermost(&e) }),
        }
    }

    async fn collect(&self, url: &BaseUrl, body: Incoming) -> Result<Bytes, Error> {
        let limit_bytes = self.settings.max_answer_bytes;
        match Limited::new(body, limit_bytes).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(e) if e.is::<http_body_util::LengthLimitError>() => Err(Error::TooLarge { limit_bytes }),
            Err(e) => Err(Error::Interrupted { url: url.text.clone(), reason: innermost(e.as_ref()) }),
        }
    }

    fn in_time<T>(&self, url: &BaseUrl, r: Result<Result<T, Error>, Elapsed>) -> Result<T, Error> {
        r.unwrap_or_else(|_| Err(Error::Timeout { url: url.text.clone(), after: self.settings.timeout }))
    }
}

/// The nodes that one request is offered to, one after another.
pub(crate) struct Turn<'a> {
    transport: &'a Arc<Transport>,
    urls: Vec<Arc<BaseUrl>>,
    at: usize,
    /// What a node said that was there and could not answer yet.
    said: Option<Error>,
}

impl<'a> Turn<'a> {
    pub fn new(transport: &'a Arc<Transport>) -> Self {
        Self { transport, urls: transport.nodes.order(Instant::now()), at: 0, said: None }
    }

    /// The node whose turn it is.
    pub fn url(&self) -> Result<Arc<BaseUrl>, Error> {
        let none = || Error::Config("a client needs at least one url".into());
        self.urls.get(self.at).cloned().ok_or_else(none)
    }

    /// Remembers why another node is asked.
    pub fn passed_on(&mut self, error: Option<Error>) {
        if let Some(e @ Error::Busy { .. }) = error {
            self.said = Some(e);
        }
    }

    /// What the caller is told: a node that is busy says more than that the last one is away.
    pub fn tell<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        match (result, self.said) {
            (Err(Error::Unreachable { .. }), Some(said)) => Err(said),
            (result, _) => result,
        }
    }

    /// Whether `result` is the answer; if not, it is the next node's turn.
    pub fn is_final<T>(&mut self, result: &Result<T, Error>, repeatable: bool) -> bool {
        let Some(url) = self.urls.get(self.at) else { return true };
        let again = match result {
            Ok(_) => {
                self.transport.nodes.answered(&url.text, Instant::now());
                false
            }
            Err(e) => {
                self.transport.nodes.failed(&url.text, e, Instant::now());
                self.at + 1 < self.urls.len() && e.is_worth_elsewhere(repeatable)
            }
        };
        self.at += usize::from(again);
        if !again {
            self.transport.look_around();
        }
        !again
    }
}

/// Maps an answer beyond 2xx to its error.
fn check(parts: &hyper::http::response::Parts, body: &[u8]) -> Result<(), Error> {
    let status = parts.status.as_u16();
    if parts.status.is_success() {
        return Ok(());
    }
    let (kind, message) = error_body(body);
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let retry_after = header(RETRY_AFTER.as_str()).and_then(|v| parse_retry_after(v, SystemTime::now()));
    Err(match status {
        // 408 is a proxy's or a server's way to say that the body came too slowly.
        408 | 429 | 503 => Error::Busy { status, message, retry_after },
        300..=499 => {
            let written = ["samples", "histograms"]
                .map(|kind| header(&format!("x-prometheus-remote-write-{kind}-written")))
                .map(|v| v.and_then(|v| v.parse::<u64>().ok()));
            let written = if written == [None, None] { None } else { Some(written.iter().flatten().sum()) };
            Error::Refused { status, kind, message, written }
        }
        _ => Error::Failed { status, message },
    })
}

/// `errorType` and message of Prometheus' error body; of any other body its beginning.
fn error_body(body: &[u8]) -> (Option<String>, String) {
    #[derive(serde::Deserialize)]
    struct Wire {
        #[serde(default, rename = "errorType")]
        kind: Option<String>,
        error: String,
    }
    if let Ok(wire) = serde_json::from_slice::<Wire>(body) {
        return (wire.kind, wire.error);
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(MESSAGE_BYTES)]).trim().to_owned();
    (None, if text.is_empty() { "no message".to_owned() } else { text })
}

/// The cause at the end of the chain: "connection refused" rather than "client error (Connect)".
fn innermost(e: &(dyn std::error::Error + 'static)) -> String {
    let mut e = e;
    while let Some(source) = e.source() {
        e = source;
    }
    e.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_completed_or_refused_with_the_reason() {
        let good = |t: &str| BaseUrl::parse(t).expect(t).text;
        assert_eq!(good("127.0.0.1:7777"), "http://127.0.0.1:7777");
        assert_eq!(good("http://a:1/prefix/"), "http://a:1/prefix");
        assert_eq!(good("http://[::1]:7777"), "http://[::1]:7777");
        for (text, why) in [
            ("ftp://a", "scheme"),
            ("http://u:p@a", "token"),
            ("http://a/?x=1", "query"),
            ("http://", "not a url"),
        ] {
            let e = BaseUrl::parse(text).expect_err(text).to_string();
            assert!(e.contains(why), "{e}");
        }
    }

    #[test]
    fn error_bodies_of_prometheus_and_of_others_are_read() {
        let (kind, message) = error_body(br#"{"status":"error","errorType":"bad_data","error":"x"}"#);
        assert_eq!((kind.as_deref(), message.as_str()), (Some("bad_data"), "x"));
        assert_eq!(error_body(b" gone \n"), (None, "gone".to_owned()));
        assert_eq!(error_body(&[0xff; 40_000]).1.chars().count(), MESSAGE_BYTES);
    }
}
