//! A target for scrapes: pages of metrics that a test sets, over HTTP/1.1 with connections that are kept, with or
//! without TLS.

use crate::certificates::Issued;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The content type of Prometheus' text.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Requests that are remembered.
const REQUESTS: usize = 1000;
/// A page, and what a request must carry, is enough.
const STACK_BYTES: usize = 256 << 10;

/// An answer to a path.
#[derive(Clone, Debug)]
pub struct Page {
    /// `Content-Type`
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// The status.
    pub status: u16,
    /// The value that `Authorization` must have.
    pub needs: Option<String>,
    /// How long the answer is held back.
    pub delay: Duration,
    /// Further headers, each `Name: value`.
    pub headers: Vec<String>,
}

impl Page {
    /// Text of metrics.
    pub fn text(body: &str) -> Self {
        let body = body.as_bytes().to_vec();
        let (needs, headers) = (None, Vec::new());
        Self { content_type: TEXT.to_owned(), body, status: 200, needs, delay: Duration::ZERO, headers }
    }
}

/// A request as it came: the path with its question, and headers with names in lower case.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `/metrics?a=b`
    pub path: String,
    /// Headers.
    pub headers: HashMap<String, String>,
}

#[derive(Default)]
struct State {
    pages: Mutex<HashMap<String, Page>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicU64,
    stopping: AtomicBool,
}

/// A target; ends with the value.
pub struct Exporter {
    address: SocketAddr,
    state: Arc<State>,
}

impl Exporter {
    /// A target on loopback whose page `/metrics` is `body`.
    pub fn start(body: &str) -> Self {
        Self::listen(body, None)
    }

    /// The same over TLS.
    pub fn start_tls(body: &str, issued: &Issued) -> Self {
        let chain = CertificateDer::pem_slice_iter(issued.cert.as_bytes()).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key of a test");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of ring")
            .with_no_client_auth()
            .with_single_cert(chain.expect("a certificate of a test"), key)
            .expect("a certificate and its key");
        Self::listen(body, Some(Arc::new(config)))
    }

    fn listen(body: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("a bound port");
        let state = Arc::<State>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopping.load(Ordering::Relaxed) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let (state, tls) = (shared.clone(), tls.clone());
                // a client that goes away in the middle is no fault of the test
                let _ =
                    thread::Builder::new().stack_size(STACK_BYTES).spawn(move || serve(stream, tls, &state));
            }
        });
        let exporter = Self { address, state };
        exporter.set("/metrics", Page::text(body));
        exporter
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Sets a page; a question in a request does not matter for it.
    pub fn set(&self, path: &str, page: Page) {
        lock(&self.state.pages).insert(path.to_owned(), page);
    }

    /// Sets the text of `/metrics`.
    pub fn say(&self, body: &str) {
        self.set("/metrics", Page::text(body));
    }

    /// Requests so far, the last thousand of them.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::Relaxed);
        // wakes the listener; it may have ended already
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => answer_all(stream, state),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            answer_all(StreamOwned::new(connection, stream), state)
        }
    }
}

fn answer_all<S: Read + Write>(stream: S, state: &State) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 || state.stopping.load(Ordering::Relaxed) {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let page = lock(&state.pages).get(path.split('?').next().unwrap_or("/")).cloned();
        let mut page = page.unwrap_or_else(|| Page { status: 404, ..Page::text("no such page\n") });
        if page.needs.is_some() && page.needs.as_ref() != headers.get("authorization") {
            page = Page { status: 401, ..Page::text("who are you?\n") };
        }
        {
            let mut seen = lock(&state.seen);
            if seen.len() >= REQUESTS {
                seen.remove(0);
            }
            seen.push(Seen { path, headers });
        }
        if !page.delay.is_zero() {
            thread::sleep(page.delay);
        }
        let extra: String = page.headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!(
            "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n{extra}\r\n",
            page.status,
            page.content_type,
            page.body.len()
        );
        let out = stream.get_mut();
        out.write_all(&[head.as_bytes(), &page.body].concat())?;
        out.flush()?;
    }
}
