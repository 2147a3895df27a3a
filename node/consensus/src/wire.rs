//! The bytes that groups of different nodes exchange.
//!
//! A request is a byte of version (high 4 bits, 1) and kind (low 4 bits), then postcard of the fields; an
//! append goes on with its entries as in [`crate::entry`], so that commands are neither copied out nor parsed.
//! An answer is the same byte and postcard. A snapshot's head is version and kind, then postcard.

use crate::Error;
use crate::entry;
use crate::raft::{Entry, LogId, Types, Vote, log_id, term_of};
use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const VERSION: u8 = 1 << 4;
const APPEND: u8 = 1;
const VOTE: u8 = 2;
const PRE_VOTE: u8 = 3;
const TRANSFER: u8 = 4;
const SNAPSHOT: u8 = 5;

/// A term, whom the sender votes for in it, and whether a majority agreed.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ballot(u64, u64, bool);

/// Term and index.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Place(u64, u64);

impl From<&Vote> for Ballot {
    fn from(vote: &Vote) -> Self {
        Self(vote.leader_id.term, vote.leader_id.voted_for, vote.committed)
    }
}

impl From<Ballot> for Vote {
    fn from(Ballot(term, node, committed): Ballot) -> Self {
        if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) }
    }
}

impl From<LogId> for Place {
    fn from(id: LogId) -> Self {
        Self(term_of(&id), id.index())
    }
}

impl From<Place> for LogId {
    fn from(Place(term, index): Place) -> Self {
        log_id(term, index)
    }
}

/// What a peer asks of a group.
pub(crate) enum Request {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Transfer(TransferLeaderRequest<Types>),
}

#[derive(Serialize, Deserialize)]
struct AppendHead {
    vote: Ballot,
    prev: Option<Place>,
    committed: Option<Place>,
    entries: u32,
}

#[derive(Serialize, Deserialize)]
struct VoteFields {
    vote: Ballot,
    last: Option<Place>,
    transfer: bool,
}

#[derive(Serialize, Deserialize)]
struct TransferFields {
    from: Ballot,
    to: u64,
    last: Option<Place>,
}

#[derive(Serialize, Deserialize)]
enum AppendAnswer {
    Success,
    Partial(Option<Place>),
    Conflict,
    HigherVote(Ballot),
}

#[derive(Serialize, Deserialize)]
struct VoteAnswer {
    vote: Ballot,
    granted: bool,
    last: Option<Place>,
}

#[derive(Serialize, Deserialize)]
enum TransferAnswer {
    Accepted,
    VoteChanged { expected: Ballot, actual: Ballot },
    LogNotFlushed { expected: Option<Place>, actual: Option<Place> },
}

/// First bytes of a snapshot stream.
#[derive(Serialize, Deserialize)]
pub(crate) struct SnapshotHead {
    pub(crate) vote: Ballot,
    pub(crate) position: Vec<u8>,
}

impl Request {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Request::Append(rpc) => encode_append(rpc),
            Request::Vote(rpc) => message(VOTE, &vote_fields(rpc)),
            Request::PreVote(rpc) => message(PRE_VOTE, &vote_fields(rpc)),
            Request::Transfer(rpc) => message(
                TRANSFER,
                &TransferFields {
                    from: rpc.from_leader().into(),
                    to: *rpc.to_node_id(),
                    last: rpc.last_log_id().map(|id| Place::from(*id)),
                },
            ),
        }
    }

    pub(crate) fn decode(mut bytes: Bytes) -> Result<Self, Error> {
        let kind = kind(&bytes)?;
        if kind == APPEND {
            return decode_append(&mut bytes).map(Request::Append);
        }
        let rpc = |fields: VoteFields| VoteRequest {
            vote: fields.vote.into(),
            last_log_id: fields.last.map(LogId::from),
            leadership_transfer: fields.transfer,
        };
        match kind {
            VOTE => parse(VOTE, &bytes).map(rpc).map(Request::Vote),
            PRE_VOTE => parse(PRE_VOTE, &bytes).map(rpc).map(Request::PreVote),
            TRANSFER => {
                let fields: TransferFields = parse(TRANSFER, &bytes)?;
                let last = fields.last.map(LogId::from);
                Ok(Request::Transfer(TransferLeaderRequest::new(fields.from.into(), fields.to, last)))
            }
            other => Err(foreign(format!("a request of kind {other}"))),
        }
    }
}

/// Whether a request to a group brings entries for its log; heartbeats and votes do not.
pub fn carries_entries(request: &[u8]) -> bool {
    request.first() == Some(&(VERSION | APPEND))
        && postcard::take_from_bytes::<AppendHead>(&request[1..]).is_ok_and(|(head, _)| head.entries > 0)
}

fn vote_fields(rpc: &VoteRequest<Types>) -> VoteFields {
    VoteFields {
        vote: (&rpc.vote).into(),
        last: rpc.last_log_id.map(Place::from),
        transfer: rpc.leadership_transfer,
    }
}

fn encode_append(rpc: &AppendEntriesRequest<Types>) -> Bytes {
    let head = AppendHead {
        vote: (&rpc.vote).into(),
        prev: rpc.prev_log_id.map(Place::from),
        committed: rpc.leader_commit.map(Place::from),
        entries: rpc.entries.len() as u32,
    };
    let mut out = Vec::with_capacity(64 + rpc.entries.iter().map(entry::size).sum::<usize>());
    out.push(VERSION | APPEND);
    let mut out = postcard::to_extend(&head, out).expect("a vector takes any length");
    rpc.entries.iter().for_each(|entry| entry::encode(entry, &mut out));
    out.into()
}

fn decode_append(bytes: &mut Bytes) -> Result<AppendEntriesRequest<Types>, Error> {
    let (head, rest): (AppendHead, _) =
        postcard::take_from_bytes(&bytes[1..]).map_err(|error| foreign(error.to_string()))?;
    let mut rest = bytes.slice_ref(rest);
    // A short message must not make us allocate for the number it claims.
    let mut entries: Vec<Entry> = Vec::with_capacity((head.entries as usize).min(rest.len() / entry::HEAD));
    for _ in 0..head.entries {
        entries.push(entry::decode(&mut rest).ok_or_else(|| foreign("a broken log entry".to_owned()))?);
    }
    if !rest.is_empty() {
        return Err(foreign("bytes after the last log entry".to_owned()));
    }
    Ok(AppendEntriesRequest {
        vote: head.vote.into(),
        prev_log_id: head.prev.map(LogId::from),
        entries,
        leader_commit: head.committed.map(LogId::from),
    })
}

pub(crate) fn append_answer(answer: AppendEntriesResponse<Types>) -> Bytes {
    let answer = match answer {
        AppendEntriesResponse::Success => AppendAnswer::Success,
        AppendEntriesResponse::PartialSuccess(last) => AppendAnswer::Partial(last.map(Place::from)),
        AppendEntriesResponse::Conflict => AppendAnswer::Conflict,
        AppendEntriesResponse::HigherVote(vote) => AppendAnswer::HigherVote((&vote).into()),
    };
    message(APPEND, &answer)
}

pub(crate) fn read_append_answer(bytes: &[u8]) -> Result<AppendEntriesResponse<Types>, Error> {
    Ok(match parse(APPEND, bytes)? {
        AppendAnswer::Success => AppendEntriesResponse::Success,
        AppendAnswer::Partial(last) => AppendEntriesResponse::PartialSuccess(last.map(LogId::from)),
        AppendAnswer::Conflict => AppendEntriesResponse::Conflict,
        AppendAnswer::HigherVote(vote) => AppendEntriesResponse::HigherVote(vote.into()),
    })
}

pub(crate) fn vote_answer(answer: VoteResponse<Types>) -> Bytes {
    let last = answer.last_log_id.map(Place::from);
    message(VOTE, &VoteAnswer { vote: (&answer.vote).into(), granted: answer.vote_granted, last })
}

pub(crate) fn read_vote_answer(bytes: &[u8]) -> Result<VoteResponse<Types>, Error> {
    let answer: VoteAnswer = parse(VOTE, bytes)?;
    let last_log_id = answer.last.map(LogId::from);
    Ok(VoteResponse { vote: answer.vote.into(), vote_granted: answer.granted, last_log_id })
}

pub(crate) fn transfer_answer(answer: TransferLeaderResponse<Types>) -> Bytes {
    let answer = match answer {
        Ok(()) => TransferAnswer::Accepted,
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            TransferAnswer::VoteChanged { expected: (&expected).into(), actual: (&actual).into() }
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => TransferAnswer::LogNotFlushed {
            expected: expected.map(Place::from),
            actual: actual.map(Place::from),
        },
    };
    message(TRANSFER, &answer)
}

pub(crate) fn read_transfer_answer(bytes: &[u8]) -> Result<TransferLeaderResponse<Types>, Error> {
    Ok(match parse(TRANSFER, bytes)? {
        TransferAnswer::Accepted => Ok(()),
        TransferAnswer::VoteChanged { expected, actual } => {
            Err(TransferLeaderError::VoteChanged { expected: expected.into(), actual: actual.into() })
        }
        TransferAnswer::LogNotFlushed { expected, actual } => Err(TransferLeaderError::LogNotFlushed {
            expected: expected.map(LogId::from),
            actual: actual.map(LogId::from),
        }),
    })
}

pub(crate) fn snapshot_head(vote: &Vote, position: Vec<u8>) -> Bytes {
    message(SNAPSHOT, &SnapshotHead { vote: vote.into(), position })
}

pub(crate) fn read_snapshot_head(bytes: &[u8]) -> Result<SnapshotHead, Error> {
    parse(SNAPSHOT, bytes)
}

pub(crate) fn snapshot_answer(vote: &Vote) -> Bytes {
    message(SNAPSHOT, &Ballot::from(vote))
}

pub(crate) fn read_snapshot_answer(bytes: &[u8]) -> Result<Vote, Error> {
    parse::<Ballot>(SNAPSHOT, bytes).map(Vote::from)
}

fn message(kind: u8, fields: &impl Serialize) -> Bytes {
    postcard::to_extend(fields, vec![VERSION | kind]).expect("a vector takes any length").into()
}

fn kind(bytes: &[u8]) -> Result<u8, Error> {
    match bytes.first() {
        Some(byte) if byte & 0xf0 == VERSION => Ok(byte & 0x0f),
        Some(byte) => Err(foreign(format!("a message of version {}", byte >> 4))),
        None => Err(foreign("an empty message".to_owned())),
    }
}

fn parse<T: DeserializeOwned>(expected: u8, bytes: &[u8]) -> Result<T, Error> {
    let kind = kind(bytes)?;
    if kind != expected {
        return Err(foreign(format!("a message of kind {kind} instead of {expected}")));
    }
    let (fields, rest) =
        postcard::take_from_bytes(&bytes[1..]).map_err(|error| foreign(error.to_string()))?;
    if rest.is_empty() { Ok(fields) } else { Err(foreign("bytes after the message".to_owned())) }
}

fn foreign(reason: String) -> Error {
    Error::Protocol { reason }
}
