//! What a simulated node answers.

use super::Host;
use crate::sim::net::{Answer, Ask, PORT, Report, decode, encode, read_frame, write_frame};
use bytes::Bytes;
use plimsoll_consensus::{Group, GroupId, Outcome, Read};
use plimsoll_model::ShardId;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use turmoil::net::{TcpListener, TcpStream};

/// How long a write may take before it is answered as perhaps done.
const WRITE_LIMIT: Duration = Duration::from_secs(3);
const READ_LIMIT: Duration = Duration::from_secs(2);
/// A connection on which nothing arrives for so long is closed; its peer may be gone without a word.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// Takes connections until the host crashes.
pub async fn serve(this: Arc<Host>) {
    let listener = match TcpListener::bind(("0.0.0.0", PORT)).await {
        Ok(listener) => listener,
        Err(error) => return this.world.check(Err(format!("h{} cannot listen: {error}", this.host))),
    };
    loop {
        let Ok((mut connection, _)) = listener.accept().await else { continue };
        let this = Arc::clone(&this);
        tokio::spawn(async move {
            while let Ok(Ok(frame)) = tokio::time::timeout(IDLE_LIMIT, read_frame(&mut connection)).await {
                this.world.trace.note("frame", format_args!("h{} {}", this.host, frame.len()));
                let Ok(answer) = answer(&this, &mut connection, &frame).await else { return };
                if write_frame(&mut connection, &encode(&answer)).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn answer(this: &Arc<Host>, connection: &mut TcpStream, frame: &[u8]) -> io::Result<Answer> {
    Ok(match decode(frame)? {
        Ask::Ping => Answer::Pong(report(this)),
        Ask::Group(group, body) => match find(this, GroupId(group)) {
            Some(group) => bytes(group.handle(body.into()).await),
            None => Answer::Refused("not here".to_owned()),
        },
        Ask::Snapshot(group, head) => match find(this, GroupId(group)) {
            Some(group) => snapshot(this, connection, &group, head.into()).await?,
            None => return Err(io::ErrorKind::NotFound.into()),
        },
        // The first number is the founder's: it must register before anybody else may.
        Ask::Change(_) if this.metadata.read(|m| m.0.nodes().next().is_none()) => {
            Answer::Refused("not founded yet".to_owned())
        }
        Ask::Change(command) => bytes(
            within(WRITE_LIMIT, this.ownership.propose(command.into()))
                .await
                .unwrap_or_else(|| Err(plimsoll_consensus::Error::NoQuorum { group: GroupId::OWNERSHIP })),
        ),
        Ask::Members(shard) => members(this, ShardId(shard)).await,
        Ask::Write(shard, write) => write_to(this, ShardId(shard), write).await,
        Ask::Read(shard, by_asking) => read_from(this, ShardId(shard), by_asking).await,
    })
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

fn bytes(answer: Result<Bytes, plimsoll_consensus::Error>) -> Answer {
    match answer {
        Ok(bytes) => Answer::Bytes(bytes.to_vec()),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

fn find(this: &Host, group: GroupId) -> Option<Group> {
    if group == GroupId::OWNERSHIP {
        return Some(this.ownership.clone());
    }
    group.shard().and_then(|shard| this.shard(shard)).map(|(group, _)| group)
}

fn report(this: &Host) -> Report {
    let mut report = Report::default();
    for group in this.groups() {
        let status = group.status();
        if let Some(shard) = group.id().shard().filter(|_| status.is_leader) {
            report.leads.push((shard.0, status.voters.iter().map(|node| node.0).collect()));
        }
    }
    report
}

async fn snapshot(
    this: &Arc<Host>,
    connection: &mut TcpStream,
    group: &Group,
    head: Bytes,
) -> io::Result<Answer> {
    let (sender, pieces) = mpsc::channel(4);
    let receiving = tokio::spawn({
        let group = group.clone();
        async move { group.receive_snapshot(head, pieces).await }
    });
    loop {
        let piece = tokio::time::timeout(IDLE_LIMIT, read_frame(connection)).await??;
        let last = piece.is_empty();
        if sender.send(piece.into()).await.is_err() || last {
            break;
        }
    }
    let answer = receiving.await.map_err(io::Error::other)?;
    this.say(format_args!("has received a snapshot of {}: {}", group.id().0, answer.is_ok()));
    Ok(bytes(answer))
}

async fn members(this: &Host, shard: ShardId) -> Answer {
    let Some((group, _)) = this.shard(shard) else { return Answer::Refused("not here".to_owned()) };
    match within(READ_LIMIT, group.read_barrier(Read::Index)).await {
        Some(Ok(())) => {
            let status = group.status();
            let numbers = |nodes: &[plimsoll_model::NodeId]| nodes.iter().map(|node| node.0).collect();
            Answer::Members(numbers(&status.voters), numbers(&status.learners))
        }
        _ => Answer::Refused("no majority".to_owned()),
    }
}

async fn write_to(this: &Host, shard: ShardId, write: u64) -> Answer {
    let Some((group, _)) = this.shard(shard) else { return Answer::Refused("not here".to_owned()) };
    let command = Bytes::copy_from_slice(&write.to_le_bytes());
    match within(WRITE_LIMIT, group.propose(command)).await {
        None => Answer::Perhaps,
        Some(Ok(reply)) => {
            let place = reply[..].try_into().map_or(0, u64::from_le_bytes);
            this.world.acknowledged(&group, write, place);
            Answer::Count(place)
        }
        Some(Err(error)) if error.outcome() == Outcome::NotDone => Answer::Refused(error.to_string()),
        Some(Err(_)) => Answer::Perhaps,
    }
}

async fn read_from(this: &Host, shard: ShardId, by_asking: bool) -> Answer {
    let Some((group, machine)) = this.shard(shard) else { return Answer::Refused("not here".to_owned()) };
    let read = if by_asking { Read::Index } else { Read::Lease };
    match within(READ_LIMIT, group.read_barrier(read)).await {
        Some(Ok(())) => Answer::Count(machine.read(|model| model.writes().len() as u64)),
        _ => Answer::Refused("no majority".to_owned()),
    }
}
