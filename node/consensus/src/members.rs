//! Members of a group: who belongs to it, and what they send.

use crate::Error;
use crate::group::Group;
use crate::position::Position;
use crate::raft::{Types, Vote};
use crate::snapshot::{self, SnapshotData, meta};
use crate::wire::{self, Request};
use bytes::Bytes;
use futures::future::BoxFuture;
use openraft::ChangeMembers;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use plimsoll_model::NodeId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long after one survivor the next one stands: an election takes a few messages and an fsync.
const ELECTION_TURN: Duration = Duration::from_millis(150);

/// How long after one try a survivor tries again, at first; the dead leader's lease may still last.
const ELECTION_RETRY: Duration = Duration::from_millis(60);

/// Time without any leader after which the election under way is taken for lost.
const UNDECIDED: Duration = Duration::from_millis(400);

type Changed = Result<ClientWriteResponse<Types>, RaftError<Types, ClientWriteError<Types>>>;

impl Group {
    /// Lets `node` listen. It receives the log, or a snapshot first, and does not vote. Answers when the
    /// change is committed, not when `node` has caught up: see [`Group::wait_caught_up`].
    pub fn add_learner(&self, node: NodeId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let _one = self.inner.changing.lock().await;
            self.set_clock(true);
            let changed = self.inner.raft.add_learner(node.0, (), false).await;
            self.changed(changed)
        })
    }

    /// Waits until `node` has everything that this leader has committed at some moment during the call.
    pub fn wait_caught_up(&self, node: NodeId, limit: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let target = self.status().committed;
            let caught_up = |metrics: &openraft::RaftMetrics<Types>| {
                let matched =
                    metrics.replication.as_ref().and_then(|all| all.get(&node.0)).and_then(|id| id.as_ref());
                matched.is_some() && matched.map(|id| id.index()) >= target
            };
            self.wait("a member to catch up", limit, caught_up).await.map(drop)
        })
    }

    /// Makes `voters` the members that vote, through a joint configuration. Every new one must be a learner
    /// that has caught up. Those left out stay as learners if `keep_removed`, else they are gone.
    pub fn change_voters(&self, voters: &[NodeId], keep_removed: bool) -> BoxFuture<'_, Result<(), Error>> {
        let voters: BTreeSet<u64> = voters.iter().map(|node| node.0).collect();
        Box::pin(async move {
            let _one = self.inner.changing.lock().await;
            self.set_clock(true);
            let changed = self.inner.raft.change_membership(voters, keep_removed).await;
            self.changed(changed)
        })
    }

    /// Removes learners.
    pub fn remove_learners(&self, nodes: &[NodeId]) -> BoxFuture<'_, Result<(), Error>> {
        let nodes: BTreeSet<u64> = nodes.iter().map(|node| node.0).collect();
        Box::pin(async move {
            let _one = self.inner.changing.lock().await;
            let changed = self.inner.raft.change_membership(ChangeMembers::RemoveNodes(nodes), false).await;
            self.changed(changed)
        })
    }

    /// Hands leadership to `node`, which must be a voter that is nearly up to date, and waits until this node
    /// sees it lead.
    pub fn transfer(&self, node: NodeId, limit: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if !self.is_leader() {
                return Err(Error::NotLeader { group: self.inner.id, leader: self.leader() });
            }
            if !self.status().voters.contains(&node) {
                let reason = format!("{node} is not a voter");
                return Err(Error::Members { group: self.inner.id, reason });
            }
            self.inner.raft.trigger().transfer_leader(node.0).await.map_err(|fatal| self.stopped(&fatal))?;
            self.wait("the new leader", limit, |metrics| metrics.current_leader == Some(node.0))
                .await
                .map(drop)
        })
    }

    /// Stands for election now, because the leader's node is known to be dead. Voters whose lease of the old
    /// leader has not run out still refuse.
    pub fn elect(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(
            async move { self.inner.raft.trigger().elect(true).await.map_err(|fatal| self.stopped(&fatal)) },
        )
    }

    /// Replaces a leader whose node is known to be dead, as soon as the voters' lease of it has run out and
    /// without waiting for an election time-out. To be called on every member that saw it die; they take turns,
    /// so that they do not split the votes. Answers when `dead` does not lead here any more, or when no majority
    /// agreed within `limit`; a member that does not vote, or is at it already, answers at once.
    pub fn replace_leader(&self, dead: NodeId, limit: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let Ok(_one) = self.inner.replacing.try_lock() else { return Ok(()) };
            let replaced = async {
                let turn = ELECTION_TURN * self.turn(dead, &self.status().voters);
                tokio::time::sleep(turn).await;
                let (mut undecided, mut pause) = (Duration::ZERO, ELECTION_RETRY);
                loop {
                    let status = self.status();
                    if !status.voters.contains(&self.inner.node)
                        || status.leader.is_some_and(|leader| leader != dead)
                        || status.stopped.is_some()
                    {
                        return Ok(());
                    }
                    // With no leader known an election is under way: a second one would only disturb it.
                    if status.leader.is_some() || undecided > UNDECIDED {
                        // Refused at once, and at no cost, while the lease lasts.
                        self.elect().await?;
                    }
                    // Slower and slower: on a slow network each try would take the answers from the one before.
                    tokio::time::sleep(pause).await;
                    undecided = if status.leader.is_none() { undecided + pause } else { Duration::ZERO };
                    pause = (pause + pause / 8).min(UNDECIDED);
                }
            };
            let waited_ms = limit.as_millis() as u64;
            let timeout = Error::Timeout { group: self.inner.id, what: "a new leader", waited_ms };
            tokio::time::timeout(limit, replaced).await.unwrap_or(Err(timeout))
        })
    }

    /// Which of the survivors stands first differs from group to group, to spread what the dead node led.
    fn turn(&self, dead: NodeId, voters: &[NodeId]) -> u32 {
        let survivors: Vec<NodeId> = voters.iter().copied().filter(|voter| *voter != dead).collect();
        let here = survivors.iter().position(|voter| *voter == self.inner.node).unwrap_or(0);
        let first = (self.inner.id.0 % survivors.len().max(1) as u64) as usize;
        ((here + survivors.len() - first) % survivors.len().max(1)) as u32
    }

    /// Answers a peer's request.
    pub fn handle(&self, request: Bytes) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            self.set_clock(true);
            let raft = &self.inner.raft;
            let answer = match Request::decode(request)? {
                Request::Append(rpc) => raft.append_entries(rpc).await.map(wire::append_answer),
                Request::Vote(rpc) => raft.vote(rpc).await.map(wire::vote_answer),
                Request::PreVote(rpc) => raft.pre_vote(rpc).await.map(wire::vote_answer),
                Request::Transfer(rpc) => raft
                    .handle_transfer_leader(rpc)
                    .await
                    .map(wire::transfer_answer)
                    .map_err(RaftError::Fatal),
            };
            answer.map_err(|error| self.stopped(&error.unwrap_fatal()))
        })
    }

    /// Takes a snapshot that a peer streams: `head`, then `pieces` until one is empty. The machine keeps its
    /// state until all has arrived.
    pub fn receive_snapshot(
        &self,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            let head = wire::read_snapshot_head(&head)?;
            let position = Position::decode(&head.position)
                .ok_or_else(|| Error::Protocol { reason: "a foreign position".to_owned() })?;
            let machine = Arc::clone(&self.inner.machine);
            let staged = snapshot::receive(machine, head.position, pieces, self.inner.log.blocking()).await;
            let staged = staged.map_err(|error| Error::Protocol {
                reason: format!("a snapshot was not received: {error}"),
            })?;
            let snapshot =
                openraft::Snapshot { meta: meta(&position), snapshot: SnapshotData::Staged(staged) };
            let answer = self.inner.raft.install_full_snapshot(Vote::from(head.vote), snapshot).await;
            answer.map(|answer| wire::snapshot_answer(&answer.vote)).map_err(|fatal| self.stopped(&fatal))
        })
    }

    fn changed(&self, changed: Changed) -> Result<(), Error> {
        let group = self.inner.id;
        match changed {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(self.inner.refused(&forward))
            }
            Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_))) => {
                Err(Error::PerhapsDone { group, reason: "another leader took over".to_owned() })
            }
            Err(RaftError::APIError(error)) => Err(Error::Members { group, reason: error.to_string() }),
            Err(RaftError::Fatal(fatal)) => match self.stopped(&fatal) {
                Error::Stopped { reason, .. } => Err(Error::PerhapsDone { group, reason }),
                other => Err(other),
            },
        }
    }
}
