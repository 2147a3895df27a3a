//! Asks targets and servers of discovery over HTTP/1.1, with connections that are kept.

use super::tls::{self, Pem};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT,
};
use hyper::{Request, Response, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::RwLock;
use plimsoll_scrape::{Authorization, HttpClient, Source};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// How often the files of a client are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long a connection may rest between two scrapes, as in Prometheus.
const IDLE: Duration = Duration::from_secs(300);
/// Connections that rest a host: as in Prometheus; many targets may lie behind one address.
const IDLE_CONNECTIONS: usize = 1000;
const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 10;
/// Bytes of the text beside an error.
const DRAINED_BYTES: usize = 64 << 10;

type Pool = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// What a target sent.
pub(super) struct Answer<'a> {
    pub body: Bytes,
    pub content_type: String,
    pub gzip: bool,
    /// The room that the body takes.
    _room: Option<SemaphorePermit<'a>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Error {
    pub text: String,
    /// The body was larger than allowed.
    pub too_large: bool,
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self { text, too_large: false }
    }
}

/// A client of one job: made of its configuration and the files that this names, and made anew when they change.
pub(super) struct Door {
    http: HttpClient,
    current: RwLock<Current>,
    /// Many targets of a job find at the same time that files are to be looked at; one does.
    refreshing: Mutex<()>,
}

struct Current {
    client: Result<Arc<Ready>, String>,
    files: Vec<Option<(SystemTime, u64)>>,
    looked: Option<Instant>,
}

struct Ready {
    pool: Pool,
    authorization: Option<HeaderValue>,
    headers: HeaderMap,
}

impl Door {
    /// A door that is not open before its first [`Door::refresh`].
    pub fn new(http: HttpClient) -> Self {
        let client = Err("the client is not ready yet".to_owned());
        Self {
            http,
            current: RwLock::new(Current { client, files: Vec::new(), looked: None }),
            refreshing: Mutex::default(),
        }
    }

    /// Reads files that have changed. Quick when it was done a moment ago.
    pub async fn refresh(&self) {
        if self.is_fresh() {
            return;
        }
        let _one = self.refreshing.lock().await;
        if self.is_fresh() {
            return;
        }
        let files = self.http.files();
        let known = {
            let current = self.current.read();
            current.looked.map(|_| current.files.clone())
        };
        let http = self.http.clone();
        // files may lie on a file system that does not answer
        let looked = tokio::task::spawn_blocking(move || {
            let state = |path| std::fs::metadata(path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
            let now: Vec<_> = files.iter().map(state).collect();
            if known.as_ref() == Some(&now) { None } else { Some((ready(&http), now)) }
        });
        let Ok(looked) = looked.await else { return };
        let mut current = self.current.write();
        current.looked = Some(Instant::now());
        if let Some((client, files)) = looked {
            (current.client, current.files) = (client.map(Arc::new), files);
        }
    }

    fn is_fresh(&self) -> bool {
        let current = self.current.read();
        current.looked.is_some_and(|at| current.files.is_empty() || at.elapsed() < LOOK)
    }

    /// `GET url`: the whole body, of `most` bytes at most, for which there must be room.
    pub async fn get<'a>(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        most: usize,
        room: &'a Semaphore,
    ) -> Result<Answer<'a>, Error> {
        let client = self.current.read().client.clone()?;
        let mut at: Uri = url.parse().map_err(|e| format!("{url:?} is no url: {e}"))?;
        let first = at.authority().cloned();
        for _ in 0..=REDIRECTS {
            // a password goes to nobody but the one it is for
            let trusted = at.authority() == first.as_ref();
            let response = client.ask(&at, headers, trusted).await?;
            let status = response.status();
            if status.as_u16() == 200 {
                return take(response, most, room).await;
            }
            if status.is_redirection() && self.http.follow_redirects && status.as_u16() != 304 {
                at = next(&at, &response)?;
                drain(response).await;
                continue;
            }
            drain(response).await;
            return Err(format!("server returned HTTP status {status}").into());
        }
        Err(format!("more than {REDIRECTS} redirections").into())
    }
}

impl Ready {
    async fn ask(
        &self,
        at: &Uri,
        headers: &[(&'static str, &str)],
        trusted: bool,
    ) -> Result<Response<hyper::body::Incoming>, String> {
        let mut request = Request::get(at).body(Empty::new()).map_err(|e| e.to_string())?;
        let sent = request.headers_mut();
        sent.insert(USER_AGENT, HeaderValue::from_static(concat!("plimsoll/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|e| e.to_string())?;
            sent.insert(HeaderName::from_static(name), value);
        }
        if trusted {
            sent.extend(self.headers.clone());
            if let Some(value) = &self.authorization {
                sent.insert(AUTHORIZATION, value.clone());
            }
        }
        self.pool.request(request).await.map_err(|e| innermost(&e))
    }
}

/// Where a redirection leads to.
fn next<T>(at: &Uri, response: &Response<T>) -> Result<Uri, String> {
    let to = response.headers().get(LOCATION).and_then(|v| v.to_str().ok());
    let to = to.ok_or("a redirection without a Location")?;
    let whole = if to.contains("://") {
        to.to_owned()
    } else {
        let base =
            format!("{}://{}", at.scheme_str().unwrap_or("http"), at.authority().map_or("", |a| a.as_str()));
        if to.starts_with('/') { format!("{base}{to}") } else { format!("{base}/{to}") }
    };
    whole.parse().map_err(|e| format!("the redirection to {to:?} is no url: {e}"))
}

/// Reads what nobody wants, so that the connection can be used again; a long text is not worth it.
async fn drain(response: Response<hyper::body::Incoming>) {
    // the connection is closed where it is cut
    let _ = Limited::new(response.into_body(), DRAINED_BYTES).collect().await;
}

async fn take(
    response: Response<hyper::body::Incoming>,
    most: usize,
    room: &Semaphore,
) -> Result<Answer<'_>, Error> {
    let text = |name| {
        response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).unwrap_or("").to_owned()
    };
    let (content_type, encoding) = (text(CONTENT_TYPE), text(CONTENT_ENCODING));
    let gzip = match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => false,
        "gzip" | "x-gzip" => true,
        other => return Err(format!("the answer is encoded as {other:?}, which was not asked for").into()),
    };
    let mut body = response.into_body();
    let (mut held, mut taken) = (BytesMut::new(), None::<SemaphorePermit<'_>>);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| innermost(&e))?;
        let Ok(data) = frame.into_data() else { continue };
        if held.len() + data.len() > most {
            let text = format!("the body has more than {most} bytes (body_size_limit)");
            return Err(Error { text, too_large: true });
        }
        let more = u32::try_from(data.len()).ok().and_then(|n| room.try_acquire_many(n).ok());
        let more = more.ok_or_else(|| {
            "this node holds as many bytes of scrapes as it may (scrape.in_flight_bytes)".to_owned()
        })?;
        match &mut taken {
            Some(permit) => permit.merge(more),
            None => taken = Some(more),
        }
        held.extend_from_slice(&data);
    }
    Ok(Answer { body: held.freeze(), content_type, gzip, _room: taken })
}

fn ready(http: &HttpClient) -> Result<Ready, String> {
    let pem = Pem {
        ca: http.tls.ca.as_ref().map(read).transpose()?,
        cert: http.tls.cert.as_ref().map(read).transpose()?,
        key: http.tls.key.as_ref().map(read).transpose()?,
    };
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    tcp.enforce_http(false);
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls::config(&http.tls, &pem)?).https_or_http();
    let connector = match &http.tls.server_name {
        None => builder.enable_http1().wrap_connector(tcp),
        Some(name) => {
            let name = name.clone().try_into().map_err(|_| format!("the server_name {name:?} is no name"))?;
            builder
                .with_server_name_resolver(FixedServerNameResolver::new(name))
                .enable_http1()
                .wrap_connector(tcp)
        }
    };
    let pool = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector);
    let mut headers = HeaderMap::new();
    for (name, value) in &http.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|e| e.to_string())?;
        headers.append(name, secret(&value.0)?);
    }
    Ok(Ready { pool, authorization: authorization(http)?, headers })
}

fn authorization(http: &HttpClient) -> Result<Option<HeaderValue>, String> {
    let text = match &http.authorization {
        None => return Ok(None),
        Some(Authorization::Basic(basic)) => {
            let password = basic.password.as_ref().map(read).transpose()?.unwrap_or_default();
            format!("Basic {}", base64(format!("{}:{password}", read(&basic.username)?).as_bytes()))
        }
        Some(Authorization::Other { kind, credentials }) => format!("{kind} {}", read(credentials)?),
    };
    secret(&text).map(Some)
}

fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "a secret holds what no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn read(source: &Source) -> Result<String, String> {
    match source {
        Source::Inline(text) => Ok(text.0.clone()),
        Source::File(path) => std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .map_err(|e| format!("cannot read {}: {e}", path.display())),
    }
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, b| word << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let at = (word >> (18 - 6 * digit)) & 63;
            out.push(if digit <= chunk.len() { char::from(DIGITS[at as usize]) } else { '=' });
        }
    }
    out
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
    fn base64_pads_to_four() {
        for (text, wanted) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("me:pass", "bWU6cGFzcw==")]
        {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
    }
}
