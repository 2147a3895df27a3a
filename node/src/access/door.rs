//! What happens to a connection before its first request: TLS, and whether a node is at the other end.

use super::Access;
use super::tls::{PEER_NAME, is_made_out_to_a_peer};
use rustls::server::Acceptor;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

/// Time for a handshake; a client across the world needs one second, a silent one is in the way.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// First byte of everything that is TLS: the content type of a handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// For one who speaks HTTP to a port of TLS.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 39\r\n\r\nthis port speaks TLS: use an https url\n";

/// Bytes in both directions, encrypted or not.
pub type Stream = Box<dyn Bytes>;

/// What a [`Stream`] can do.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Who is at the other end of a connection; among the extensions of each of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it showed the certificate of a node.
    pub is_peer: bool,
}

/// What a port asks of those that connect. Follows changed certificates. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    access: Access,
    peers_only: bool,
}

impl Door {
    pub(super) fn public(access: Access) -> Self {
        Self { access, peers_only: false }
    }

    pub(super) fn peers(access: Access) -> Self {
        Self { access, peers_only: true }
    }

    /// Takes a connection through TLS where this port has it, within ten seconds.
    pub async fn open(&self, tcp: TcpStream, address: SocketAddr) -> io::Result<(Stream, Caller)> {
        let inner = &self.access.0;
        let encrypted = if self.peers_only { inner.peers.is_some() } else { inner.public.is_some() };
        if !encrypted {
            return Ok((Box::new(tcp), Caller { address, is_peer: false }));
        }
        let opened = tokio::time::timeout(HANDSHAKE, self.shake_hands(tcp, address)).await;
        opened
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake came in time")))
    }

    async fn shake_hands(&self, mut tcp: TcpStream, address: SocketAddr) -> io::Result<(Stream, Caller)> {
        let mut first = [0];
        if tcp.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
            tcp.write_all(SPEAK_TLS).await?;
            tcp.shutdown().await?;
            // closing on what was not read would make the answer vanish
            let mut rest = [0; 4096];
            for _ in 0..16 {
                if tcp.read(&mut rest).await? == 0 {
                    break;
                }
            }
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no TLS came"));
        }
        let hello = LazyConfigAcceptor::new(Acceptor::default(), tcp).await?;
        let inner = &self.access.0;
        let for_peers = self.peers_only || hello.client_hello().server_name() == Some(PEER_NAME);
        // Clients are never asked for a certificate: browsers would show a window.
        let config = match (&inner.peers, &inner.public) {
            (Some(peers), _) if for_peers => peers.get().server.clone(),
            (_, Some(public)) => (*public.get()).clone(),
            _ => return Err(io::Error::other("this port has no certificate")),
        };
        let tls = hello.into_stream(config).await?;
        // rustls has verified what is shown against the CA; that it is a node's is for us to see
        let shown = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let is_peer = shown.is_some_and(is_made_out_to_a_peer);
        if shown.is_some() && !is_peer {
            tracing::warn!(%address, "a certificate that is not made out to {PEER_NAME} was shown; it opens nothing");
        }
        Ok((Box::new(tls), Caller { address, is_peer }))
    }
}
