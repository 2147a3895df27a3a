use crate::transport::{BaseUrl, Reply, Request, Secret, Settings, Transport};
use crate::{Error, nodes::KnownNode, writer::WriterBuilder};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// A handle to a node or a cluster. Cheap to clone; all clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
}

/// Settings of a [`Client`]; every one has a default.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    urls: Vec<String>,
    token: Option<Secret>,
    headers: Vec<(String, Secret)>,
    connect_timeout: Duration,
    timeout: Duration,
    max_answer_bytes: usize,
    discover: bool,
    #[cfg(feature = "tls")]
    ca_pem: Option<Vec<u8>>,
}

impl Client {
    /// The url that a client has without one: a node on this machine with default settings.
    pub const DEFAULT_URL: &'static str = "http://127.0.0.1:7777";

    /// A client of the node at `url`, with defaults for everything else.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::builder().url(url).build()
    }

    /// Begins the settings of a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            urls: Vec::new(),
            token: None,
            headers: Vec::new(),
            // A node that is there answers in milliseconds; far ones within the seconds of a lost SYN.
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(30),
            // Several times the largest answer that a panel can draw; keeps a wrong query from eating the host.
            max_answer_bytes: 256 << 20,
            discover: true,
            #[cfg(feature = "tls")]
            ca_pem: None,
        }
    }

    /// Begins the settings of a [`Writer`](crate::Writer) over this client.
    pub fn writer(&self) -> WriterBuilder {
        WriterBuilder::over_http(self.clone())
    }

    /// The first url of the client.
    pub fn url(&self) -> &str {
        &self.transport.settings().urls[0].text
    }

    /// The nodes that requests may go to, as far as this client has learned.
    pub fn nodes(&self) -> Vec<KnownNode> {
        self.transport.nodes().known(std::time::Instant::now())
    }

    /// Sends `request` and reads `data` out of the envelope of its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<Reported<T>, Error> {
        Self::read(&self.transport.send(request).await?)
    }

    /// Reads `data` out of the envelope of `reply`.
    pub(crate) fn read<T: DeserializeOwned>(reply: &Reply) -> Result<Reported<T>, Error> {
        let envelope: crate::answer::Envelope<T> = decode(reply)?;
        Ok(Reported { data: envelope.data, warnings: envelope.warnings, infos: envelope.infos })
    }
}

/// Data with what the node remarked about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reported<T> {
    /// The data.
    pub data: T,
    /// What makes it less than whole.
    pub warnings: Vec<String>,
    /// Remarks.
    pub infos: Vec<String>,
}

fn decode<T: DeserializeOwned>(reply: &Reply) -> Result<T, Error> {
    serde_json::from_slice(&reply.body)
        .map_err(|e| Error::Answer { url: reply.url.clone(), reason: e.to_string() })
}

impl ClientBuilder {
    /// Adds a url. One is enough to find the others of its cluster; several help while that one is away.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Adds urls.
    pub fn urls<S: Into<String>>(mut self, urls: impl IntoIterator<Item = S>) -> Self {
        self.urls.extend(urls.into_iter().map(Into::into));
        self
    }

    /// The token sent as `Authorization: Bearer`.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret(token.into()));
        self
    }

    /// A header of every request, for a proxy on the way or `X-Scope-OrgID`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret(value.into())));
        self
    }

    /// How long a connection may take to come about (3 s).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take as a whole (30 s); of a streamed answer, how long its head may take, and
    /// each silence after it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The largest answer that is taken (256 MiB); streams are not bounded by it.
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }

    /// Whether the client learns from the cluster where its other nodes are, and asks them when one is away (yes).
    ///
    /// Turn it off where the addresses that nodes have among themselves mean nothing, or something else, to the
    /// client: behind a proxy or a NAT. The token goes to every node, learned ones included.
    pub fn discover(mut self, discover: bool) -> Self {
        self.discover = discover;
        self
    }

    /// Certificates (PEM) to trust instead of the system's.
    #[cfg(feature = "tls")]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// The client, or what is wrong with the settings. Connects to nothing yet.
    pub fn build(mut self) -> Result<Client, Error> {
        if self.urls.is_empty() {
            self.urls.push(Client::DEFAULT_URL.to_owned());
        }
        let transport = Transport::new(Settings {
            urls: self.urls.iter().map(|u| BaseUrl::parse(u)).collect::<Result<_, _>>()?,
            token: self.token,
            headers: self.headers,
            connect_timeout: self.connect_timeout,
            // A year stands for "for ever"; gRPC has no way to write much more.
            timeout: self.timeout.min(Duration::from_secs(365 * 86_400)),
            max_answer_bytes: self.max_answer_bytes,
            discover: self.discover,
            #[cfg(feature = "tls")]
            ca_pem: self.ca_pem,
        })?;
        Ok(Client { transport: Arc::new(transport) })
    }
}
