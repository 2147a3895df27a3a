//! The side that is asked: takes packets of peers and answers them.

use super::{Handler, Kind, MESSAGE_BYTES, PROTOCOL};
use bytes::Bytes;
use plimsoll_model::NodeId;
use plimsoll_proto::v1::peer_server::{Peer, PeerServer};
use plimsoll_proto::v1::{PeerMessage, PeerPacket, PeerPiece};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Requests of one connection that are worked on at a time; further ones wait in the connection.
const AT_A_TIME: usize = 4096;
/// Bytes of requests of one connection that are worked on at a time.
const BYTES_AT_A_TIME: usize = 128 << 20;
/// Bytes of answers joined into one packet.
const PACKET_BYTES: usize = 256 << 10;
/// Pieces of a long answer or a snapshot that wait.
const PIECES: usize = 4;

/// The service `plimsoll.v1.Peer`.
pub struct Door<H>(Arc<H>);

impl<H: Handler> Door<H> {
    /// The service around `handler`.
    pub fn service(handler: Arc<H>) -> PeerServer<Self> {
        PeerServer::new(Self(handler))
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    /// Who calls. Refuses other clusters and other versions of the protocol; one that joins names no cluster yet.
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let text = |name: &str| request.metadata().get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
        let protocol = text("plimsoll-protocol");
        if protocol != PROTOCOL.to_string() {
            return Err(Status::failed_precondition(format!(
                "this node speaks version {PROTOCOL} of the peer protocol, the caller version {protocol:?}: \
                 run the same version of plimsoll on all nodes"
            )));
        }
        let (cluster, ours) = (text("plimsoll-cluster"), self.0.cluster());
        let joins = cluster.is_empty();
        if !joins && cluster != ours {
            return Err(Status::failed_precondition(format!(
                "this node belongs to cluster {ours}, the caller to cluster {cluster}: give the caller a data folder \
                 of its own (--data-dir) or the address of a node of its own cluster (--join)"
            )));
        }
        let node = NodeId(text("plimsoll-from").parse().unwrap_or(0));
        Ok(Caller { node, joins })
    }
}

#[derive(Clone, Copy)]
struct Caller {
    node: NodeId,
    /// It has no cluster yet: it may ask to join and nothing else.
    joins: bool,
}

#[tonic::async_trait]
impl<H: Handler> Peer for Door<H> {
    type ExchangeStream = ReceiverStream<Result<PeerPacket, Status>>;
    type AskStream = ReceiverStream<Result<PeerPiece, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<PeerPacket>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let caller = self.caller(&request)?;
        let (packets, receiver) = mpsc::channel(PIECES);
        tokio::spawn(serve(self.0.clone(), caller, request.into_inner(), packets));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn snapshot(&self, request: Request<Streaming<PeerPiece>>) -> Result<Response<PeerPiece>, Status> {
        let caller = self.caller(&request)?;
        if caller.joins {
            return Err(Status::permission_denied("join first"));
        }
        let mut stream = request.into_inner();
        let head = stream.message().await?.ok_or_else(|| Status::invalid_argument("an empty snapshot"))?;
        let group = head.group;
        let (pieces, receiver) = mpsc::channel(PIECES);
        let carry = async move {
            // a stream that ends without an empty piece was given up, and ends so for the group too
            while let Ok(Some(piece)) = stream.message().await {
                let last = piece.body.is_empty();
                if pieces.send(piece.body).await.is_err() || last {
                    return;
                }
            }
        };
        let receive = self.0.receive_snapshot(caller.node, group, head.body, receiver);
        let ((), answer) = tokio::join!(carry, receive);
        answer.map(|body| Response::new(PeerPiece { group, body })).map_err(Status::aborted)
    }

    async fn ask(&self, request: Request<PeerPiece>) -> Result<Response<Self::AskStream>, Status> {
        let caller = self.caller(&request)?;
        if caller.joins {
            return Err(Status::permission_denied("join first"));
        }
        let question = request.into_inner();
        let (pieces, mut receiver) = mpsc::channel::<Result<Bytes, String>>(PIECES);
        self.0.answer(caller.node, question.body, pieces);
        let (out, stream) = mpsc::channel(PIECES);
        tokio::spawn(async move {
            while let Some(piece) = receiver.recv().await {
                let piece = piece.map(|body| PeerPiece { group: 0, body }).map_err(Status::aborted);
                let failed = piece.is_err();
                // the asker may be gone; dropping the receiver ends the work
                if out.send(piece).await.is_err() || failed {
                    return;
                }
            }
            let _ = out.send(Ok(PeerPiece::default())).await;
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Works on the packets of one connection until it ends.
async fn serve<H: Handler>(
    handler: Arc<H>,
    caller: Caller,
    mut inbound: Streaming<PeerPacket>,
    packets: mpsc::Sender<Result<PeerPacket, Status>>,
) {
    let (answers, ready) = mpsc::channel(AT_A_TIME);
    let out = tokio::spawn(send_answers(ready, packets));
    let bytes = Arc::new(Semaphore::new(BYTES_AT_A_TIME));
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut stopping = handler.stopping();
    loop {
        let packet = tokio::select! {
            packet = inbound.message() => packet,
            // an error says that the node is gone, which is a stop too
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let Ok(Some(packet)) = packet else { break };
        for message in packet.messages {
            let weight = (message.body.len()).min(BYTES_AT_A_TIME) as u32;
            let (Ok(place), Ok(room)) =
                (places.clone().acquire_owned().await, bytes.clone().acquire_many_owned(weight).await)
            else {
                return;
            };
            let (handler, answers) = (handler.clone(), answers.clone());
            tokio::spawn(async move {
                let answer = answer(&*handler, caller, message).await;
                drop((place, room));
                // the connection may have ended
                let _ = answers.send(answer).await;
            });
        }
    }
    drop(answers);
    let _ = out.await;
}

async fn answer<H: Handler>(handler: &H, caller: Caller, message: PeerMessage) -> PeerMessage {
    let PeerMessage { id, kind, group, body } = message;
    let outcome = match Kind::of(kind) {
        Some(kind) if kind == Kind::Join || !caller.joins => {
            handler.handle(caller.node, kind, group, body).await
        }
        Some(_) => Err(Bytes::from_static(b"join first")),
        None => Err(Bytes::from(format!("this version does not know requests of kind {kind}"))),
    };
    let me = handler.node().0;
    match outcome {
        Ok(body) => PeerMessage { id, kind: Kind::Done as u32, group: me, body },
        Err(body) => PeerMessage { id, kind: Kind::Failed as u32, group: me, body },
    }
}

/// Joins answers into packets as they come.
async fn send_answers(
    mut answers: mpsc::Receiver<PeerMessage>,
    packets: mpsc::Sender<Result<PeerPacket, Status>>,
) {
    while let Some(first) = answers.recv().await {
        let mut bytes = first.body.len();
        let mut messages = vec![first];
        while bytes < PACKET_BYTES
            && let Ok(message) = answers.try_recv()
        {
            bytes += message.body.len();
            messages.push(message);
        }
        if packets.send(Ok(PeerPacket { messages })).await.is_err() {
            return;
        }
    }
}
