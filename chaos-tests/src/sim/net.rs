//! How simulated hosts talk: frames over turmoil's TCP, one request at a time on a connection.
//!
//! Turmoil does not send again what it loses, so a connection on which a request was given up is closed.

use super::world::Shared;
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use plimsoll_consensus::{GroupId, Transport, TransportError};
use plimsoll_model::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use turmoil::net::TcpStream;

/// Port of every host.
pub const PORT: u16 = 7777;

/// Connections that are kept to a host while nobody uses them.
const IDLE: usize = 16;

/// The longest frame that is taken.
const FRAME_BYTES: usize = 16 << 20;

/// What a host can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// A request of a group's member.
    Group(u64, Vec<u8>),
    /// A snapshot begins; its pieces follow as frames.
    Snapshot(u64, Vec<u8>),
    /// Are you there?
    Ping,
    /// Change the metadata.
    Change(Vec<u8>),
    /// Who belongs to a shard, confirmed by a majority?
    Members(u16),
    /// Write.
    Write(u16, u64),
    /// How many writes are there? By asking a majority, or by the lease.
    Read(u16, bool),
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Bytes of a group, or of a reply.
    Bytes(Vec<u8>),
    /// It is here, and leads these.
    Pong(Report),
    /// Members that vote, and members that listen.
    Members(Vec<u64>, Vec<u64>),
    /// A write is done, as the so manieth of its shard; or so many writes are there.
    Count(u64),
    /// It was not done.
    Refused(String),
    /// It may have been done.
    Perhaps,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Shards that it leads, with their voters.
    pub leads: Vec<(u16, Vec<u64>)>,
}

/// The name of a host.
pub fn name(host: usize) -> String {
    format!("h{host}")
}

/// Connections of one host, or of a client.
pub struct Net {
    who: String,
    world: Shared,
    idle: Mutex<BTreeMap<usize, Vec<TcpStream>>>,
}

impl Net {
    /// Nothing connected yet.
    pub fn new(who: String, world: Shared) -> Self {
        Self { who, world, idle: Mutex::default() }
    }

    async fn connection(&self, to: usize) -> io::Result<TcpStream> {
        if let Some(kept) = self.idle.lock().get_mut(&to).and_then(Vec::pop) {
            return Ok(kept);
        }
        TcpStream::connect((name(to), PORT)).await
    }

    fn keep(&self, to: usize, connection: TcpStream) {
        let mut idle = self.idle.lock();
        let kept = idle.entry(to).or_default();
        if kept.len() < IDLE {
            kept.push(connection);
        }
    }

    /// Asks a host. The caller sets the limit, by dropping the future.
    pub async fn ask(&self, to: usize, ask: &Ask) -> io::Result<Answer> {
        let mut connection = self.connection(to).await?;
        write_frame(&mut connection, &encode(ask)).await?;
        let answer = decode(&read_frame(&mut connection).await?)?;
        self.keep(to, connection);
        Ok(answer)
    }

    /// Asks a host, for a limited time.
    pub async fn ask_for(&self, limit: Duration, to: usize, ask: &Ask) -> Option<Answer> {
        tokio::time::timeout(limit, self.ask(to, ask)).await.ok()?.ok()
    }

    fn host(&self, node: NodeId) -> Result<usize, TransportError> {
        self.world.host_of(node).ok_or_else(|| unreachable(node, "no such host"))
    }

    async fn stream(
        &self,
        to: usize,
        group: GroupId,
        head: Bytes,
        mut pieces: mpsc::Receiver<Bytes>,
    ) -> io::Result<Answer> {
        self.world.trace.say(&self.who, format_args!("sends a snapshot of {} to h{to}", group.0));
        let mut connection = TcpStream::connect((name(to), PORT)).await?;
        write_frame(&mut connection, &encode(&Ask::Snapshot(group.0, head.to_vec()))).await?;
        while let Some(piece) = pieces.recv().await {
            write_frame(&mut connection, &piece).await?;
            if piece.is_empty() {
                return decode(&read_frame(&mut connection).await?);
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

fn unreachable(node: NodeId, reason: impl ToString) -> TransportError {
    TransportError::Unreachable { node, reason: reason.to_string() }
}

fn bytes_of(node: NodeId, answer: io::Result<Answer>) -> Result<Bytes, TransportError> {
    match answer {
        Ok(Answer::Bytes(bytes)) => Ok(bytes.into()),
        Ok(other) => Err(TransportError::Refused { node, reason: format!("{other:?}") }),
        Err(error) => Err(unreachable(node, error)),
    }
}

impl Transport for Net {
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        request: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let host = self.host(to)?;
            bytes_of(to, self.ask(host, &Ask::Group(group.0, request.to_vec())).await)
        })
    }

    fn send_snapshot(
        &self,
        to: NodeId,
        group: GroupId,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let host = self.host(to)?;
            bytes_of(to, self.stream(host, group, head, pieces).await)
        })
    }
}

/// The bytes of a message.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("a vector takes any length")
}

/// The message of these bytes.
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(io::Error::other)
}

/// Sends a frame: its length, 4 bytes, and its content.
pub async fn write_frame(to: &mut TcpStream, content: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(4 + content.len());
    frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
    frame.extend_from_slice(content);
    to.write_all(&frame).await
}

/// Receives a frame.
pub async fn read_frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut content = vec![0; length];
    from.read_exact(&mut content).await?;
    Ok(content)
}
