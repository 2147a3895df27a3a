//! The connection to one peer: requests of all kinds go out in packets, answers come back in any order.
//!
//! A request that meets a broken connection fails at once; nothing is repeated here, because only the asker knows
//! what may be done twice.

use super::{Error, Kind, PROTOCOL};
use bytes::Bytes;
use parking_lot::Mutex;
use plimsoll_model::NodeId;
use plimsoll_proto::v1::peer_client::PeerClient;
use plimsoll_proto::v1::{PeerMessage, PeerPacket};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// Requests that may wait to be sent; their bytes are bounded by [`CREDIT_BYTES`].
const QUEUE: usize = 4096;
/// Bytes of requests that may wait for their answers.
const CREDIT_BYTES: usize = 128 << 20;
/// Bytes joined into one packet; a larger single message goes alone.
const PACKET_BYTES: usize = 256 << 10;
/// Packets handed to the connection ahead of its flow control.
const PACKETS: usize = 4;
/// Largest packet that is read: an append of raft may carry several entries of up to 32 MiB.
pub(super) const MESSAGE_BYTES: usize = 256 << 20;
/// A connection is given this long to come up.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// After a failed connection requests fail at once for this long, instead of knocking in a loop.
const PAUSE: Duration = Duration::from_millis(100);

/// Who we are, told with every call.
#[derive(Clone, Debug)]
pub struct Sender {
    /// This node; 0 while it has no number.
    pub node: NodeId,
    /// The cluster, or nothing while joining.
    pub cluster: String,
}

impl Sender {
    /// `message` with what we tell of us.
    pub(super) fn sign<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("plimsoll-from", MetadataValue::from(self.node.0));
        metadata.insert("plimsoll-protocol", MetadataValue::from(PROTOCOL));
        if let Ok(cluster) = MetadataValue::try_from(&self.cluster) {
            metadata.insert("plimsoll-cluster", cluster);
        }
        request
    }
}

/// A connection to one peer at one address. Ends with its last clone.
#[derive(Clone)]
pub struct Link {
    to: NodeId,
    address: Arc<str>,
    sender: Sender,
    queue: mpsc::Sender<Outgoing>,
    waiting: Arc<Waiting>,
    credit: Arc<Semaphore>,
    next: Arc<AtomicU64>,
    bulk: Channel,
}

struct Outgoing(PeerMessage);

type Answer = Result<Bytes, Error>;

/// Requests that were sent, or are about to be, and have no answer yet.
#[derive(Default)]
struct Waiting(Mutex<HashMap<u64, oneshot::Sender<Answer>>>);

impl Waiting {
    fn answer(&self, id: u64, answer: Answer) {
        if let Some(asker) = self.0.lock().remove(&id) {
            // the asker may have stopped waiting
            let _ = asker.send(answer);
        }
    }

    fn fail_all(&self, error: &Error) {
        let all: Vec<_> = self.0.lock().drain().collect();
        for (_, asker) in all {
            let _ = asker.send(Err(error.clone()));
        }
    }
}

/// Takes a request out of the list when its asker stops waiting.
struct Place<'a>(&'a Waiting, u64, #[allow(dead_code)] OwnedSemaphorePermit);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

impl Link {
    /// A link that connects with its first request. `message` carries messages, `bulk` snapshots and long answers, so
    /// that these do not stand in the way of a heartbeat.
    pub(super) fn new(to: NodeId, address: &str, sender: Sender, message: Channel, bulk: Channel) -> Self {
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let waiting = Arc::<Waiting>::default();
        tokio::spawn(run(to, sender.clone(), message, outgoing, Arc::clone(&waiting)));
        Self {
            to,
            address: address.into(),
            sender,
            queue,
            waiting,
            credit: Arc::new(Semaphore::new(CREDIT_BYTES)),
            next: Arc::default(),
            bulk,
        }
    }

    /// Where the link leads.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The client for long transfers, and what to sign requests with.
    pub(super) fn bulk(&self) -> (PeerClient<Channel>, &Sender) {
        let client = PeerClient::new(self.bulk.clone());
        (
            client.max_decoding_message_size(MESSAGE_BYTES).max_encoding_message_size(MESSAGE_BYTES),
            &self.sender,
        )
    }

    /// Asks the peer. Has no deadline of its own: the asker drops the future.
    pub async fn call(&self, kind: Kind, group: u64, body: Bytes) -> Answer {
        let to = self.to;
        let bytes = u32::try_from(body.len() + 64).map_err(|_| Error::Busy { to })?;
        let credit = self.credit.clone().try_acquire_many_owned(bytes).map_err(|_| Error::Busy { to })?;
        let id = self.next.fetch_add(1, Relaxed);
        let (reply, answer) = oneshot::channel();
        self.waiting.0.lock().insert(id, reply);
        let _place = Place(&self.waiting, id, credit);
        let message = PeerMessage { id, kind: kind as u32, group, body };
        if self.queue.try_send(Outgoing(message)).is_err() {
            return Err(Error::Busy { to });
        }
        answer.await.unwrap_or_else(|_| Err(Error::Lost { to, reason: "the link ended".to_owned() }))
    }
}

/// Keeps a connection as long as there is something to say.
async fn run(
    to: NodeId,
    sender: Sender,
    channel: Channel,
    mut queue: mpsc::Receiver<Outgoing>,
    waiting: Arc<Waiting>,
) {
    while let Some(first) = queue.recv().await {
        let reason = match tokio::time::timeout(CONNECT_LIMIT, connect(&sender, &channel)).await {
            Ok(Ok((packets, answers))) => {
                let ended = exchange(first, &mut queue, packets, answers, &waiting).await;
                waiting.fail_all(&Error::Lost { to, reason: ended });
                continue;
            }
            Ok(Err(status)) => status.message().to_owned(),
            Err(_) => format!("no connection within {CONNECT_LIMIT:?}"),
        };
        let error = Error::Unreachable { to, reason };
        let until = tokio::time::Instant::now() + PAUSE;
        waiting.answer(first.0.id, Err(error.clone()));
        waiting.fail_all(&error);
        while let Ok(Some(refused)) = tokio::time::timeout_at(until, queue.recv()).await {
            waiting.answer(refused.0.id, Err(error.clone()));
        }
    }
}

type Connected = (mpsc::Sender<PeerPacket>, tonic::Streaming<PeerPacket>);

async fn connect(sender: &Sender, channel: &Channel) -> Result<Connected, tonic::Status> {
    let (packets, receiver) = mpsc::channel(PACKETS);
    let mut client = PeerClient::new(channel.clone())
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let answers = client.exchange(sender.sign(ReceiverStream::new(receiver))).await?;
    Ok((packets, answers.into_inner()))
}

/// Sends and receives until one of both ends; answers why.
async fn exchange(
    first: Outgoing,
    queue: &mut mpsc::Receiver<Outgoing>,
    packets: mpsc::Sender<PeerPacket>,
    mut answers: tonic::Streaming<PeerPacket>,
    waiting: &Waiting,
) -> String {
    let mut next = Some(first);
    loop {
        tokio::select! {
            answer = answers.message() => match answer {
                Ok(Some(packet)) => packet.messages.into_iter().for_each(|m| take(m, waiting)),
                Ok(None) => return "the peer closed the connection".to_owned(),
                Err(status) => return status.message().to_owned(),
            },
            room = packets.reserve(), if next.is_some() => match (room, next.take()) {
                (Ok(room), Some(first)) => room.send(pack(first, queue)),
                _ => return "the connection broke".to_owned(),
            },
            more = queue.recv(), if next.is_none() => match more {
                Some(message) => next = Some(message),
                None => return "the link ended".to_owned(),
            },
        }
    }
}

/// Joins what waits into one packet.
fn pack(first: Outgoing, queue: &mut mpsc::Receiver<Outgoing>) -> PeerPacket {
    let mut bytes = first.0.body.len();
    let mut messages = vec![first.0];
    while bytes < PACKET_BYTES
        && let Ok(Outgoing(message)) = queue.try_recv()
    {
        bytes += message.body.len();
        messages.push(message);
    }
    PeerPacket { messages }
}

fn take(message: PeerMessage, waiting: &Waiting) {
    let answer = match Kind::of(message.kind) {
        Some(Kind::Done) => Ok(message.body),
        // whom it came from is told by the one who asked
        _ => Err(Error::Refused { to: NodeId(message.group), answer: message.body }),
    };
    waiting.answer(message.id, answer);
}
