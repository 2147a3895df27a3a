//! One Raft group on this node.
//!
//! Owns: proposals, read barriers, checkpoints and the purge that follows them.
//! Does not own: membership changes (`members`), what comes from peers (`members` hands it in).

use crate::Error;
use crate::apply::{Applier, Progress, write_checkpoint};
use crate::log::Log;
use crate::machine::Machine;
use crate::options::{GroupId, Options, Read, config};
use crate::peers::Peers;
use crate::position::Position;
use crate::raft::{OneshotReceiver, Payload, Raft, Types};
use crate::status::{Status, StatusWatch};
use crate::transport::Transport;
use bytes::Bytes;
use futures::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use openraft::error::{ForwardReason, InitializeError};
use openraft::errors::{ClientWriteError, Fatal, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::impls::OneshotResponder;
use openraft::raft::ClientWriteResult;
use openraft::{LinearizerOption, RaftMetrics, ReadPolicy, ServerState};
use plimsoll_model::NodeId;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a checkpoint waits for openraft to take notice of it; it only has to pass two queues.
const NOTICE_WAIT: Duration = Duration::from_secs(30);

/// How long a leader asks for its majority: longer than a heartbeat under load, shorter than a reader's patience.
const BARRIER_LIMIT: Duration = Duration::from_secs(2);

/// This part of the lease is not trusted by reads, for clocks that run slow on the leader or fast on voters.
const CLOCK_DRIFT: u64 = 5;

/// The result of a proposal that was handed in.
pub type Pending = BoxFuture<'static, Result<Bytes, Error>>;

/// What a checkpoint covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Last entry that the machine need not see again; `None` when there was none.
    pub covers: Option<u64>,
    /// Last entry that the log was told to forget.
    pub purged: Option<u64>,
}

/// One Raft group on this node. Clones share it; the group ends with [`Group::shutdown`] or the last clone.
#[derive(Clone)]
pub struct Group {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) id: GroupId,
    pub(crate) node: NodeId,
    pub(crate) raft: Raft,
    pub(crate) machine: Arc<dyn Machine>,
    progress: Arc<Progress>,
    pub(crate) log: Log,
    options: Options,
    waiting_bytes: Arc<AtomicUsize>,
    /// The last entry in the log at the start; a leader that goes on in its old term may have acknowledged it.
    loaded: Option<u64>,
    checkpointing: tokio::sync::Mutex<()>,
    /// Changes of members run one at a time: parallel ones can end in a joint configuration.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Held while this member looks for a leader in the place of a dead one.
    pub(crate) replacing: tokio::sync::Mutex<()>,
}

impl Group {
    /// Starts `id` on `node` from its log, which re-applies what is known to be committed after the machine's
    /// position. A group that never had members waits for [`Group::initialize`] here or for a leader elsewhere.
    pub fn start(
        id: GroupId,
        node: NodeId,
        log: &Log,
        machine: Arc<dyn Machine>,
        transport: Arc<dyn Transport>,
        options: Options,
    ) -> BoxFuture<'static, Result<Self, Error>> {
        let log = log.clone();
        Box::pin(async move {
            let config = config(id, &options)?;
            let store = log.open_group(id).await?;
            let damaged = |reason: String| Error::GroupDamaged { group: id, reason };
            let position = match machine.position() {
                None => Position::default(),
                Some(bytes) => Position::decode(&bytes)
                    .ok_or_else(|| damaged("the machine's position is not of this version".to_owned()))?,
            };
            let state = store.state();
            if let Some(purged) = state.purged()
                && position.last < Some(purged)
            {
                let (has, purged) = (position.index(), purged.index());
                return Err(damaged(format!(
                    "the machine covers the log up to {has:?}, but entries up to {purged} are purged"
                )));
            }
            let progress = Arc::new(Progress::default());
            *progress.checkpoint.lock() = position.last.is_some().then(|| position.clone());
            let stored = (state.vote().map_or(0, |vote| vote.leader_id.term), state.last());
            let applier =
                Applier::new(Arc::clone(&machine), state, position, Arc::clone(&progress), log.blocking());
            let peers = Peers {
                group: id,
                node,
                transport,
                append_timeout: Duration::from_millis(options.append_timeout_ms),
                snapshot_stall: Duration::from_millis(options.snapshot_stall_ms),
                blocking: log.blocking(),
            };
            let raft = Raft::new(node.0, Arc::new(config), peers, store, applier).await.map_err(|fatal| {
                let reason = progress.failed.get().cloned();
                Error::Stopped { group: id, reason: reason.unwrap_or_else(|| fatal.to_string()) }
            })?;
            let group = Self {
                inner: Arc::new(Inner {
                    id,
                    node,
                    raft,
                    machine,
                    progress,
                    log,
                    options,
                    waiting_bytes: Arc::default(),
                    loaded: stored.1,
                    checkpointing: tokio::sync::Mutex::new(()),
                    changing: tokio::sync::Mutex::new(()),
                    replacing: tokio::sync::Mutex::new(()),
                }),
            };
            group.wait_loaded(stored).await;
            group.elect_if_alone().await;
            Ok(group)
        })
    }

    /// Waits until the status shows what the log holds: openraft begins with the status of an empty group.
    async fn wait_loaded(&self, (term, last): (u64, Option<u64>)) {
        let loaded = |metrics: &RaftMetrics<Types>| {
            metrics.current_term >= term && metrics.last_log_index.unwrap_or(0) >= last.unwrap_or(0)
        };
        // It fails only when the group has stopped, which the next call will tell.
        let _ = self.wait("the group to be loaded", NOTICE_WAIT, loaded).await;
    }

    /// A sole voter needs nobody's leave: waiting for an election time-out would only delay the start.
    async fn elect_if_alone(&self) {
        let alone = {
            let metrics = self.inner.raft.metrics();
            let metrics = metrics.borrow_watched();
            let voters: Vec<u64> = metrics.membership_config.membership().voter_ids().collect();
            voters == [self.inner.node.0] && metrics.state != ServerState::Leader
        };
        if alone {
            // It fails only when the group has stopped, which the next call will tell.
            let _ = self.inner.raft.trigger().elect(false).await;
        }
    }

    /// A sole member that leads has nobody to hear from or to be heard by, so its clock rests: many idle
    /// groups would otherwise wake the processor hundreds of times a second. It runs again before a member is
    /// added, and as soon as anyone speaks to the group.
    fn rest_if_alone(&self) {
        let status = self.status();
        if status.is_leader && status.voters == [self.inner.node] && status.learners.is_empty() {
            self.set_clock(false);
        }
    }

    /// Whether heartbeats and election time-outs run.
    pub(crate) fn set_clock(&self, runs: bool) {
        self.inner.raft.runtime_config().tick(runs);
    }

    /// The group's number.
    pub fn id(&self) -> GroupId {
        self.inner.id
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// Whether the group was ever given members, here or by a leader.
    pub fn is_initialized(&self) -> bool {
        let status = self.status();
        status.last_log.is_some() || status.applied.is_some() || status.term > 0
    }

    /// Makes this node the only member. Does nothing if the group has members already.
    pub fn initialize_alone(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match self.initialize(&[self.inner.node]).await {
                Err(Error::Initialized { .. }) => Ok(()),
                result => result,
            }
        })
    }

    /// Gives a new group its first voters. To be called on exactly one of them.
    pub fn initialize(&self, voters: &[NodeId]) -> BoxFuture<'_, Result<(), Error>> {
        let voters: BTreeSet<u64> = voters.iter().map(|node| node.0).collect();
        Box::pin(async move {
            match self.inner.raft.initialize(voters).await {
                Ok(()) => Ok(()),
                Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {
                    Err(Error::Initialized { group: self.inner.id })
                }
                Err(RaftError::APIError(error)) => {
                    Err(Error::Members { group: self.inner.id, reason: error.to_string() })
                }
                Err(RaftError::Fatal(fatal)) => Err(self.stopped(&fatal)),
            }
        })
    }

    /// Proposes `command`; answers the machine's reply once it is durable on a majority and applied here.
    pub fn propose(&self, command: Bytes) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move { self.enqueue(command).await?.await })
    }

    /// Hands `command` in and answers at once; the result tells what became of it. Commands that one task
    /// enqueues are applied in that order.
    pub fn enqueue(&self, command: Bytes) -> BoxFuture<'_, Result<Pending, Error>> {
        Box::pin(async move {
            let room = self.admit(command.len())?;
            let (responder, receiver) = OneshotResponder::new_pair();
            let handed = self.inner.raft.write(Payload(command)).responder(responder).await;
            handed.map_err(|fatal| self.stopped(&fatal))?;
            let group = Arc::clone(&self.inner);
            let pending: Pending = Box::pin(async move {
                let _room = room;
                group.answer(receiver).await
            });
            Ok(pending)
        })
    }

    /// Proposes `commands` in order, as few entries of the log's writes as possible; a result each.
    pub fn propose_many(&self, commands: Vec<Bytes>) -> BoxFuture<'_, Vec<Result<Bytes, Error>>> {
        Box::pin(async move {
            let mut waiting = Vec::with_capacity(commands.len());
            for command in commands {
                waiting.push(self.enqueue(command).await);
            }
            let mut results = Vec::with_capacity(waiting.len());
            for pending in waiting {
                results.push(match pending {
                    Ok(pending) => pending.await,
                    Err(error) => Err(error),
                });
            }
            results
        })
    }

    fn admit(&self, bytes: usize) -> Result<Room, Error> {
        let limit = self.inner.options.max_command_bytes;
        if bytes > limit {
            return Err(Error::TooLarge { bytes, limit });
        }
        if let Some(reason) = self.inner.log.broken() {
            return Err(Error::LogBroken { reason });
        }
        let waiting = &self.inner.waiting_bytes;
        let before = waiting.fetch_add(bytes, Ordering::Relaxed);
        let room = Room { waiting: Arc::clone(waiting), bytes };
        if before > 0 && before + bytes > self.inner.options.max_waiting_bytes {
            return Err(Error::Busy { group: self.inner.id, waiting_bytes: before });
        }
        Ok(room)
    }

    /// Answers when a read of the machine sees everything that was acknowledged before the call.
    pub fn read_barrier(&self, read: Read) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let option = match read {
                // A stale lease is renewed by asking, instead of refusing the read.
                Read::Lease => {
                    let lease_ms = self.inner.options.election_max_ms;
                    let trusted = Duration::from_millis(lease_ms - lease_ms / CLOCK_DRIFT);
                    LinearizerOption::new(Some(trusted), true)
                }
                Read::Index => ReadPolicy::ReadIndex.into(),
            };
            let confirmed = self.inner.raft.ensure_linearizable(option);
            // without a majority it would ask for ever
            let Ok(confirmed) = tokio::time::timeout(BARRIER_LIMIT, confirmed).await else {
                return Err(Error::NoQuorum { group: self.inner.id });
            };
            match confirmed {
                // After a restart in its old term openraft takes the commit mark on disk for the newest, which it
                // need not be: what was loaded must be applied before anything is shown.
                Ok(_) if self.status().applied < self.inner.loaded => {
                    Err(Error::NoQuorum { group: self.inner.id })
                }
                Ok(_) => Ok(()),
                Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                    Err(self.inner.refused(&forward))
                }
                Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                    Err(Error::NoQuorum { group: self.inner.id })
                }
                Err(RaftError::Fatal(fatal)) => Err(self.stopped(&fatal)),
            }
        })
    }

    /// The leader that this node knows. After a restart it may be out of date until a majority was heard.
    pub fn leader(&self) -> Option<NodeId> {
        self.inner.raft.metrics().borrow_watched().current_leader.map(NodeId)
    }

    /// Whether the group has other members than this node.
    pub fn has_peers(&self) -> bool {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().nodes().count() > 1
    }

    /// Whether this node believes it leads.
    pub fn is_leader(&self) -> bool {
        self.inner.raft.metrics().borrow_watched().state == ServerState::Leader
    }

    /// Waits until a leader is known.
    pub fn wait_leader(&self, limit: Duration) -> BoxFuture<'_, Result<NodeId, Error>> {
        Box::pin(async move {
            let found = self.wait("a leader", limit, |metrics| metrics.current_leader.is_some()).await?;
            Ok(found.leader.expect("just waited for it"))
        })
    }

    /// Waits until everything that may have been acknowledged before the start is applied here.
    ///
    /// Needs a leader with a majority. Until then the machine may show an older state than before.
    pub fn wait_ready(&self, limit: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let started = Instant::now();
            let covered = |metrics: &RaftMetrics<Types>| {
                let committed = metrics.cluster_committed.as_ref().map(|id| id.index());
                committed.is_some() && committed >= metrics.last_log_index
            };
            let what = "a majority to confirm the log";
            let status = self.wait(what, limit, covered).await?;
            let rest = limit.saturating_sub(started.elapsed());
            let target = status.last_log;
            let applied = |m: &RaftMetrics<Types>| m.last_applied.as_ref().map(|id| id.index()) >= target;
            self.wait("the log to be applied", rest, applied).await?;
            self.rest_if_alone();
            Ok(())
        })
    }

    pub(crate) async fn wait(
        &self,
        what: &'static str,
        limit: Duration,
        condition: impl Fn(&RaftMetrics<Types>) -> bool + Send,
    ) -> Result<Status, Error> {
        let mut receiver = self.inner.raft.metrics();
        let waiting = async {
            loop {
                {
                    let metrics = receiver.borrow_and_update();
                    let status = || Status::of(self.inner.id, &metrics, &self.inner.progress);
                    if condition(&metrics) {
                        return Ok(status());
                    }
                    if let Err(fatal) = &metrics.running_state {
                        return Err(self.stopped(fatal));
                    }
                }
                if receiver.changed().await.is_err() {
                    return Err(self.stopped(&Fatal::Stopped));
                }
            }
        };
        let waited_ms = limit.as_millis() as u64;
        let timeout = Error::Timeout { group: self.inner.id, what, waited_ms };
        tokio::time::timeout(limit, waiting).await.unwrap_or(Err(timeout))
    }

    /// The present status.
    pub fn status(&self) -> Status {
        self.watch().now()
    }

    /// Follows the status.
    pub fn watch(&self) -> StatusWatch {
        let receiver = self.inner.raft.metrics();
        StatusWatch { group: self.inner.id, receiver, progress: Arc::clone(&self.inner.progress) }
    }

    /// Makes everything applied durable in the machine, then lets the log forget what is covered, except for
    /// entries that members within [`Options::keep_for_peers`] still need. One at a time; slow.
    pub fn checkpoint(&self) -> BoxFuture<'_, Result<Checkpoint, Error>> {
        Box::pin(async move {
            let inner = &self.inner;
            let _one = inner.checkpointing.lock().await;
            let position = write_checkpoint(&inner.machine, inner.log.blocking())
                .await
                .map_err(|error| Error::Checkpoint { group: inner.id, reason: error.to_string() })?;
            let Some(covers) = position.index() else { return Ok(Checkpoint { covers: None, purged: None }) };
            *inner.progress.checkpoint.lock() = Some(position);
            inner.progress.fresh.store(true, Ordering::SeqCst);
            inner.raft.trigger().snapshot().await.map_err(|fatal| self.stopped(&fatal))?;
            let noticed =
                |metrics: &RaftMetrics<Types>| metrics.snapshot.as_ref().map(|id| id.index()) >= Some(covers);
            let status = self.wait("the checkpoint to be noticed", NOTICE_WAIT, noticed).await?;
            let purged = self.purge_limit(&status, covers);
            if let Some(upto) = purged {
                inner.raft.trigger().purge_log(upto).await.map_err(|fatal| self.stopped(&fatal))?;
            }
            Ok(Checkpoint { covers: Some(covers), purged })
        })
    }

    /// The last entry that may be forgotten when the checkpoint covers `covers`.
    fn purge_limit(&self, status: &Status, covers: u64) -> Option<u64> {
        let oldest = covers.saturating_sub(self.inner.options.keep_for_peers);
        let needed = status.matched.values().filter_map(|matched| *matched).filter(|m| *m >= oldest).min();
        let limit = needed.map_or(covers, |matched| matched.min(covers));
        (Some(limit) > status.purged).then_some(limit)
    }

    /// Stops the group and waits until nothing of it writes any more. Proposals that wait are answered.
    pub fn shutdown(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let reason =
                |error: &dyn fmt::Display| Error::Stopped { group: self.inner.id, reason: error.to_string() };
            self.inner.raft.shutdown().await.map_err(|error| reason(&error))
        })
    }

    pub(crate) fn stopped(&self, fatal: &Fatal<Types>) -> Error {
        self.inner.stopped(fatal)
    }
}

impl Inner {
    async fn answer(&self, receiver: OneshotReceiver<ClientWriteResult<Types>>) -> Result<Bytes, Error> {
        let perhaps = |reason: String| Error::PerhapsDone { group: self.id, reason };
        match receiver.await {
            Ok(Ok(response)) => Ok(response.data.0),
            Ok(Err(ClientWriteError::ForwardToLeader(forward))) => Err(self.refused(&forward)),
            Ok(Err(ClientWriteError::LogEntryDiscarded(_))) => {
                Err(perhaps("another leader took over".to_owned()))
            }
            Ok(Err(error)) => Err(perhaps(error.to_string())),
            Err(_) => Err(perhaps(self.why_stopped("the group stopped"))),
        }
    }

    /// The proposal was refused before it was appended.
    pub(crate) fn refused(&self, forward: &ForwardToLeader<Types>) -> Error {
        if forward.reason == ForwardReason::LeaseExpired {
            return Error::NoQuorum { group: self.id };
        }
        Error::NotLeader { group: self.id, leader: forward.leader_id.map(NodeId) }
    }

    pub(crate) fn stopped(&self, fatal: &Fatal<Types>) -> Error {
        match self.log.broken() {
            Some(reason) => Error::LogBroken { reason },
            None => Error::Stopped { group: self.id, reason: self.why_stopped(&fatal.to_string()) },
        }
    }

    fn why_stopped(&self, otherwise: &str) -> String {
        let failed = self.progress.failed.get().cloned();
        failed.or_else(|| self.log.broken()).unwrap_or_else(|| otherwise.to_owned())
    }
}

/// Counts a proposal's bytes while it waits.
struct Room {
    waiting: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
