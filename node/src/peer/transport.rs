//! Raft's messages over the links.

use super::{Error, Kind, Peers};
use bytes::Bytes;
use futures::future::BoxFuture;
use plimsoll_consensus::{GroupId, Transport, TransportError};
use plimsoll_model::NodeId;
use plimsoll_proto::v1::PeerPiece;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

impl From<Error> for TransportError {
    fn from(e: Error) -> Self {
        match e {
            Error::Refused { to, answer } => {
                Self::Refused { node: to, reason: String::from_utf8_lossy(&answer).into_owned() }
            }
            Error::Busy { to } => Self::Unreachable { node: to, reason: "its queue is full".to_owned() },
            Error::Unreachable { to, reason } | Error::Lost { to, reason } => {
                Self::Unreachable { node: to, reason }
            }
        }
    }
}

impl Transport for Peers {
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        request: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move { Ok(Peers::call(self, to, Kind::Raft, group.0, request).await?) })
    }

    fn send_snapshot(
        &self,
        to: NodeId,
        group: GroupId,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let link = self.get(to)?;
            let (mut client, sender) = link.bulk();
            let progress = self.track(to, group.0);
            let sent = progress.sent.clone();
            let peers = self.clone();
            let piece = move |body: Bytes| {
                let (peers, sent) = (peers.clone(), sent.clone());
                async move {
                    peers.0.throttle.pass(body.len()).await;
                    sent.fetch_add(body.len() as u64, Relaxed);
                    metrics::counter!("plimsoll_moved_bytes_total").increment(body.len() as u64);
                    PeerPiece { group: group.0, body }
                }
            };
            let first = PeerPiece { group: group.0, body: head };
            let stream = tokio_stream::once(first).chain(ReceiverStream::new(pieces).then(piece));
            match client.snapshot(sender.sign(stream)).await {
                Ok(answer) => Ok(answer.into_inner().body),
                Err(status) => Err(TransportError::Refused { node: to, reason: status.message().to_owned() }),
            }
        })
    }
}
