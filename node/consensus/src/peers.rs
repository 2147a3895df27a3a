//! openraft's network over a [`Transport`].

use crate::blocking::Blocking;
use crate::options::GroupId;
use crate::raft::{Snapshot, Types, Vote};
use crate::snapshot::{self, SnapshotData};
use crate::transport::{Transport, TransportError};
use crate::wire::{self, Request};
use bytes::Bytes;
use futures::future::{Either, select};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, error::Infallible};
use plimsoll_model::NodeId;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Pieces of a snapshot that wait for the transport; each is about a MiB.
const SNAPSHOT_PIECES: usize = 4;

/// The peers of one group, by their node.
pub(crate) struct Peers {
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) append_timeout: Duration,
    pub(crate) snapshot_stall: Duration,
    pub(crate) blocking: Blocking,
}

pub(crate) struct Peer {
    group: GroupId,
    node: NodeId,
    to: NodeId,
    transport: Arc<dyn Transport>,
    /// How long an append may take; a heartbeat goes by openraft's limit.
    append_timeout: Option<Duration>,
    /// How long a snapshot may stand still.
    snapshot_stall: Duration,
    blocking: Blocking,
}

impl Peers {
    fn peer(&self, target: u64, append_timeout: Option<Duration>) -> Peer {
        Peer {
            group: self.group,
            node: self.node,
            to: NodeId(target),
            transport: Arc::clone(&self.transport),
            append_timeout,
            snapshot_stall: self.snapshot_stall,
            blocking: self.blocking,
        }
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &()) -> Peer {
        self.peer(target, Some(self.append_timeout))
    }

    // Its own client, because openraft uses a client for one thing at a time: an append that waits for a slow
    // disk must not hold heartbeats back, or the lease ends and a healthy leader is replaced.
    async fn new_heartbeat_client(&mut self, target: u64, _node: &()) -> Peer {
        self.peer(target, None)
    }
}

type Failure = RPCError<Types, Infallible>;

impl Peer {
    async fn ask(&self, action: RPCTypes, request: Request, limit: Duration) -> Result<Bytes, Failure> {
        let call = self.transport.call(self.to, self.group, request.encode());
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(failure),
            Err(_) => {
                Err(RPCError::Timeout(Timeout { action, id: self.node.0, target: self.to.0, timeout: limit }))
            }
        }
    }
}

/// Both kinds wait before the next try: an immediate one would be a hot loop against a dead or stopped peer.
fn failure(error: TransportError) -> Failure {
    RPCError::Unreachable(Unreachable::new(&error))
}

fn unreadable(error: crate::Error) -> Failure {
    RPCError::Unreachable(Unreachable::new(&error))
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, Failure> {
        let limit = self.append_timeout.unwrap_or(option.hard_ttl());
        let answer = self.ask(RPCTypes::AppendEntries, Request::Append(rpc), limit).await?;
        wire::read_append_answer(&answer).map_err(unreadable)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, Failure> {
        let answer = self.ask(RPCTypes::Vote, Request::Vote(rpc), option.hard_ttl()).await?;
        wire::read_vote_answer(&answer).map_err(unreadable)
    }

    // The default would grant every pre-vote and so turn the option into nothing.
    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, Failure> {
        let answer = self.ask(RPCTypes::Vote, Request::PreVote(rpc), option.hard_ttl()).await?;
        wire::read_vote_answer(&answer).map_err(unreadable)
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, Failure> {
        let answer = self.ask(RPCTypes::TransferLeader, Request::Transfer(rpc), option.hard_ttl()).await?;
        wire::read_transfer_answer(&answer).map_err(unreadable)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let SnapshotData::Here(machine) = snapshot.snapshot else {
            let error = crate::MachineError::new("a received snapshot cannot be sent on");
            return Err(StreamingError::Network(NetworkError::new(&error)));
        };
        let failed = |error: &crate::MachineError| StreamingError::Unreachable(Unreachable::new(error));
        // The state is opened only now, and says itself what it covers: that is never less than openraft's
        // snapshot, and the peer may be further than the leader believes.
        let opened = self.blocking.run(move || machine.snapshot()).await;
        let opened = opened.unwrap_or_else(|error| Err(crate::MachineError::new(error)));
        let source = opened.map_err(|error| failed(&error))?;
        let head = wire::snapshot_head(&vote, source.position().to_vec());
        let (sender, receiver) = mpsc::channel(SNAPSHOT_PIECES);
        let (moved, movement) = watch::channel(());
        let reading = tokio::spawn(snapshot::send(source, sender, moved, self.blocking));
        let sending = self.transport.send_snapshot(self.to, self.group, head, receiver);
        // openraft sets no limit here, and sends this peer nothing else before it has an answer: a lost one would
        // leave the peer behind for good.
        let stalled = pin!(snapshot::stalled(movement, self.snapshot_stall));
        let sending = select(sending, stalled);
        let answer = match select(sending, pin!(cancel)).await {
            Either::Left((Either::Left((answer, _)), _)) => answer,
            Either::Left((Either::Right(_), _)) => {
                let stall = self.snapshot_stall;
                let reason = format!("{} has not answered a snapshot for {stall:?}", self.to);
                return Err(failed(&crate::MachineError::new(reason)));
            }
            Either::Right((closed, _)) => return Err(StreamingError::Closed(closed)),
        };
        let read = reading.await.unwrap_or_else(|error| Err(crate::MachineError::new(error)));
        read.map_err(|error| failed(&error))?;
        let answer = answer.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
        let vote = wire::read_snapshot_answer(&answer)
            .map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
        Ok(SnapshotResponse::new(vote))
    }
}
