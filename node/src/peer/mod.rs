//! Nodes talk to each other.
//!
//! Owns: one connection a peer for messages of all groups and kinds, joined into packets; a second one for snapshots
//! and long answers; where peers are; who was heard lately ([`Watch`]).
//! Does not own: what messages mean ([`Handler`]), repeats (the asker knows what may be done twice).

mod door;
mod error;
mod link;
mod throttle;
mod transport;
mod watch;

pub use door::Door;
pub use error::Error;
pub use link::{Link, Sender};
pub use watch::{LeaderReport, Report, ShardReport, View, Watch};

use bytes::Bytes;
use futures::future::BoxFuture;
use link::MESSAGE_BYTES;
use parking_lot::{Mutex, RwLock};
use plimsoll_model::NodeId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use throttle::Throttle;
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver as Watched;
use tonic::transport::{Channel, Endpoint};

/// Version of what peers say to each other.
pub const PROTOCOL: u32 = 1;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// An answer: done.
    Done = 0,
    /// An answer: refused or failed.
    Failed = 1,
    /// For a raft group.
    Raft = 2,
    /// A batch for the leader of a shard.
    Append = 3,
    /// Are you there, and this is what I know.
    Ping = 4,
    /// A node wants to belong to the cluster.
    Join = 5,
    /// A command for the leader of the ownership group.
    Change = 6,
    /// Who belongs to a shard's group, as its leader knows.
    Members = 7,
    /// What a read elsewhere must have applied to be as good as one at the leader.
    ReadIndex = 9,
    /// The types and help texts of metrics that a node knows.
    Metadata = 10,
    /// A deletion for the leader of a shard.
    Delete = 11,
    /// Of rules and alerts.
    Rules = 12,
    /// What a node knows about targets of scrapes.
    Targets = 13,
    /// What targets of a node say about a metric, or about all.
    TargetMetadata = 14,
}

impl Kind {
    fn of(number: u32) -> Option<Self> {
        use Kind::{Append, Change, Delete, Done, Failed, Join, Members, Metadata, Ping, Raft, ReadIndex};
        use Kind::{Rules, TargetMetadata, Targets};
        let ways = [Done, Failed, Raft, Append, Ping, Join, Change, Members, ReadIndex, Metadata];
        let asked = [Targets, TargetMetadata, Delete, Rules];
        ways.into_iter().chain(asked).find(|kind| *kind as u32 == number)
    }
}

/// What answers peers.
pub trait Handler: Send + Sync + 'static {
    /// This node.
    fn node(&self) -> NodeId;

    /// The cluster that callers must belong to.
    fn cluster(&self) -> String;

    /// Turns true when the node ends: connections of peers are closed then, which would otherwise stay for ever.
    fn stopping(&self) -> Watched<bool>;

    /// Answers a message; an error's bytes are told to the asker.
    fn handle(
        &self,
        from: NodeId,
        kind: Kind,
        group: u64,
        body: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, Bytes>>;

    /// Takes a snapshot of a raft group.
    fn receive_snapshot(
        &self,
        from: NodeId,
        group: u64,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, String>>;

    /// Answers a question piece by piece, in a task of its own; an error ends the answer.
    fn answer(&self, from: NodeId, question: Bytes, pieces: mpsc::Sender<Result<Bytes, String>>);
}

/// The way to an address: plain, or with the certificates of the node. Connects when it is first used.
pub type Dial = Arc<dyn Fn(&str) -> Result<Channel, String> + Send + Sync>;

/// An endpoint with windows that let a snapshot flow.
pub fn windows(endpoint: Endpoint) -> Endpoint {
    endpoint.initial_stream_window_size(4 << 20).initial_connection_window_size(8 << 20)
}

/// All peers of this node.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    dial: Dial,
    sender: RwLock<Sender>,
    links: RwLock<HashMap<NodeId, Link>>,
    sending: Mutex<HashMap<(NodeId, u64), Sending>>,
    throttle: Throttle,
}

/// A snapshot on its way to a peer.
struct Sending {
    began: Instant,
    sent: Arc<AtomicU64>,
}

/// Ends the entry of a snapshot when it is sent or given up.
struct Tracked {
    peers: Peers,
    key: (NodeId, u64),
    sent: Arc<AtomicU64>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.peers.0.sending.lock().remove(&self.key);
    }
}

impl Peers {
    /// No peers yet. Snapshots go out with at most `move_bytes` a second, all together.
    pub fn new(dial: Dial, move_bytes: u64) -> Self {
        let sender = RwLock::new(Sender { node: NodeId(0), cluster: String::new() });
        Self(Arc::new(Inner {
            dial,
            sender,
            links: RwLock::default(),
            sending: Mutex::default(),
            throttle: Throttle::new(move_bytes),
        }))
    }

    /// Says who we are in calls from now on. Links of before are forgotten.
    pub fn introduce(&self, node: NodeId, cluster: String) {
        *self.0.sender.write() = Sender { node, cluster };
        self.0.links.write().clear();
    }

    /// Where `node` is; a link to another address is forgotten.
    pub fn set_address(&self, node: NodeId, address: &str) {
        if node == self.0.sender.read().node {
            return;
        }
        let known = self.0.links.read().get(&node).is_some_and(|link| link.address() == address);
        if known {
            return;
        }
        match self.link(node, address) {
            Ok(link) => drop(self.0.links.write().insert(node, link)),
            Err(e) => tracing::warn!(%node, address, error = e, "a peer's address cannot be used"),
        }
    }

    /// Forgets a node that is gone for good.
    pub fn forget(&self, node: NodeId) {
        self.0.links.write().remove(&node);
    }

    /// A link to an address whose node is not known, or that is not in the book.
    pub fn link(&self, node: NodeId, address: &str) -> Result<Link, String> {
        let channel = || (self.0.dial)(address);
        Ok(Link::new(node, address, self.0.sender.read().clone(), channel()?, channel()?))
    }

    /// The link to a node whose address is known.
    pub fn get(&self, to: NodeId) -> Result<Link, Error> {
        let link = self.0.links.read().get(&to).cloned();
        link.ok_or_else(|| Error::Unreachable { to, reason: "its address is not known".to_owned() })
    }

    /// The nodes whose addresses are known.
    pub fn known(&self) -> Vec<NodeId> {
        self.0.links.read().keys().copied().collect()
    }

    /// Snapshots of `group` under way: to whom, bytes sent, milliseconds since the start.
    pub fn sending(&self, group: u64) -> Vec<(NodeId, u64, u64)> {
        let all = self.0.sending.lock();
        let ours = all.iter().filter(|((_, of), _)| *of == group);
        ours.map(|((to, _), s)| (*to, s.sent.load(Relaxed), s.began.elapsed().as_millis() as u64)).collect()
    }

    fn track(&self, to: NodeId, group: u64) -> Tracked {
        let sent = Arc::<AtomicU64>::default();
        let sending = Sending { began: Instant::now(), sent: sent.clone() };
        self.0.sending.lock().insert((to, group), sending);
        Tracked { peers: self.clone(), key: (to, group), sent }
    }

    /// Asks `to`. Has no deadline of its own.
    pub async fn call(&self, to: NodeId, kind: Kind, group: u64, body: Bytes) -> Result<Bytes, Error> {
        self.get(to)?.call(kind, group, body).await
    }

    /// Asks a question whose answer comes in pieces.
    pub async fn ask(&self, to: NodeId, question: Bytes) -> Result<Pieces, Error> {
        let link = self.get(to)?;
        let (mut client, sender) = link.bulk();
        let request = sender.sign(plimsoll_proto::v1::PeerPiece { group: 0, body: question });
        match client.ask(request).await {
            Ok(stream) => Ok(Pieces { to, stream: stream.into_inner(), ended: false }),
            Err(status) => Err(Error::Unreachable { to, reason: status.message().to_owned() }),
        }
    }
}

/// A long answer of a peer.
pub struct Pieces {
    to: NodeId,
    stream: tonic::Streaming<plimsoll_proto::v1::PeerPiece>,
    ended: bool,
}

impl Pieces {
    /// The next piece; `None` after the last one. An answer that was cut is an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.ended {
            return Ok(None);
        }
        let to = self.to;
        match self.stream.message().await {
            Ok(Some(piece)) if piece.body.is_empty() => {
                self.ended = true;
                Ok(None)
            }
            Ok(Some(piece)) => Ok(Some(piece.body)),
            Ok(None) => Err(Error::Lost { to, reason: "the answer was cut".to_owned() }),
            Err(status) if status.code() == tonic::Code::Aborted => {
                Err(Error::Refused { to, answer: Bytes::copy_from_slice(status.message().as_bytes()) })
            }
            Err(status) => Err(Error::Lost { to, reason: status.message().to_owned() }),
        }
    }
}
