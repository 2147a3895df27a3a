//! How groups reach their peers: opaque bytes there and back.

use crate::options::GroupId;
use bytes::Bytes;
use futures::future::BoxFuture;
use plimsoll_model::NodeId;
use tokio::sync::mpsc;

/// Carries requests between the groups of different nodes.
///
/// The far side hands a request to [`Group::handle`](crate::Group::handle) and a snapshot to
/// [`Group::receive_snapshot`](crate::Group::receive_snapshot), and carries the answer back. Requests are safe
/// to deliver twice. Deadlines are set by the caller, which drops the future.
pub trait Transport: Send + Sync + 'static {
    /// Asks `group` on node `to`.
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        request: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>>;

    /// Streams a snapshot to `group` on node `to`: `head`, then `pieces` until one is empty. A stream that
    /// ends without an empty piece was given up, and must end so on the far side too.
    fn send_snapshot(
        &self,
        to: NodeId,
        group: GroupId,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>>;
}

/// Why a peer did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No connection; it is tried again after a while.
    #[error("{node} cannot be reached: {reason}")]
    Unreachable {
        /// The peer.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// The peer answered with an error, or not in full.
    #[error("{node} refused: {reason}")]
    Refused {
        /// The peer.
        node: NodeId,
        /// Why.
        reason: String,
    },
}

/// The transport of a node that has no peers.
pub struct NoPeers;

impl NoPeers {
    fn error(node: NodeId) -> TransportError {
        TransportError::Unreachable { node, reason: "this node has no peers".to_owned() }
    }
}

impl Transport for NoPeers {
    fn call(&self, to: NodeId, _: GroupId, _: Bytes) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move { Err(Self::error(to)) })
    }

    fn send_snapshot(
        &self,
        to: NodeId,
        _: GroupId,
        _: Bytes,
        _: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move { Err(Self::error(to)) })
    }
}
