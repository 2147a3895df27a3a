//! The way to a peer.

use super::tls::peer_name;
use super::{Access, Error, Stream};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// Time for TCP and TLS to a peer. Peers are near; longer is a machine that is gone.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a silent connection is probed, and how long the answer may take: a machine that vanished without a word is
/// noticed in as much, and calls under way to it fail.
const PROBE: Duration = Duration::from_secs(2);

impl Access {
    /// The way to the peer at `address` (`HOST:PORT`). Connects when it is first used and again after a break, with the
    /// certificates of that moment. Calls have no time limit of their own.
    pub fn peer_channel(&self, address: &str) -> Result<Channel, Error> {
        let endpoint = self.peer_endpoint(address)?;
        Ok(self.connect(&endpoint))
    }

    /// What [`peer_channel`](Self::peer_channel) is made of, for those that want other limits: give it to
    /// [`connect`](Self::connect) then.
    pub fn peer_endpoint(&self, address: &str) -> Result<Endpoint, Error> {
        // The scheme says nothing: TLS is the dialler's, and tonic wants TLS of its own for https.
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.ok().filter(|e| e.uri().port().is_some());
        let endpoint = endpoint.ok_or_else(|| Error::Address { address: address.to_owned() })?;
        Ok(endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PROBE)
            .keep_alive_timeout(PROBE)
            .keep_alive_while_idle(true))
    }

    /// A channel over `endpoint` that shows this node's certificate and verifies the peer's, where there are any.
    pub fn connect(&self, endpoint: &Endpoint) -> Channel {
        endpoint.connect_with_connector_lazy(Dialler(self.clone()))
    }

    async fn dial(self, host: String, port: u16) -> io::Result<TokioIo<Stream>> {
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        // a port that nobody listens on, asked for again and again, in the end meets a connection from itself
        if tcp.local_addr()? == tcp.peer_addr()? {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens there"));
        }
        // without it a small message waits up to 40 ms for the peer's delayed ack
        tcp.set_nodelay(true)?;
        let Some(peers) = &self.0.peers else { return Ok(TokioIo::new(Box::new(tcp))) };
        let connector = TlsConnector::from(peers.get().client.clone());
        let tls = connector.connect(peer_name(), tcp).await;
        let tls =
            tls.map_err(|e| io::Error::new(e.kind(), format!("TLS with the peer {host}:{port}: {e}")))?;
        Ok(TokioIo::new(Box::new(tls)))
    }
}

/// Makes connections for tonic.
struct Dialler(Access);

impl Service<Uri> for Dialler {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // an IPv6 address stands in brackets in a url, and without them elsewhere
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or_default();
        Box::pin(self.0.clone().dial(host, port))
    }
}
