use super::{Error, actor::ShardActor, machine::StorageMachine, msg::Append, msg::Msg};
use crate::disk::Health;
use crate::peer::{LeaderReport, Peers, ShardReport};
use bytes::Bytes;
use parking_lot::RwLock;
use plimsoll_consensus::Group;
use plimsoll_model::ShardId;
use plimsoll_storage::Applied;
use ractor::ActorRef;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::{Semaphore, oneshot};

/// What a running shard actor lends to its callers.
#[derive(Clone)]
pub struct Live {
    pub(super) actor: ActorRef<Msg>,
    pub(super) machine: Arc<StorageMachine>,
    pub(super) peers: Peers,
    /// The shard's raft group.
    pub group: Group,
}

impl Live {
    /// The storage at this moment; a snapshot from a peer puts another one in its place. Reads go here directly and
    /// never through the mailbox.
    pub fn storage(&self) -> Arc<plimsoll_storage::Shard> {
        self.machine.storage()
    }

    fn report(&self, shard: ShardId) -> ShardReport {
        let (status, storage) = (self.group.status(), self.storage());
        ShardReport {
            shard,
            term: status.term,
            applied: status.applied.unwrap_or(0),
            series: storage.series_count(),
            bytes: storage.disk_bytes(),
            damaged: storage.damage_count(),
            ruined: storage.must_be_replaced(),
            leads: self.leader_report(),
        }
    }

    /// What it says of its group when it leads.
    pub fn leader_report(&self) -> Option<LeaderReport> {
        let status = self.group.status();
        if !status.is_leader {
            return None;
        }
        let sending = self.peers.sending(self.group.id().0);
        let bytes = if sending.is_empty() { 0 } else { self.storage().disk_bytes() };
        Some(LeaderReport {
            voters: status.voters,
            learners: status.learners,
            sending: sending.into_iter().map(|(to, sent, ms)| (to, sent, bytes.max(sent), ms)).collect(),
            changing: status.changing,
        })
    }
}

/// Handle of one local shard. Stays valid while the actor behind it is restarted.
#[derive(Clone)]
pub struct Shard {
    /// The shard.
    pub id: ShardId,
    live: Arc<RwLock<Option<Live>>>,
    /// Bytes of batches that may wait for the log at a time.
    credit: Arc<Semaphore>,
    disk: Health,
    /// It cannot be opened; other nodes hold it.
    ruined: Arc<AtomicBool>,
}

impl Shard {
    /// A handle without an actor yet; `credit_bytes` bounds the batches in flight.
    pub(super) fn new(id: ShardId, credit_bytes: usize, disk: Health) -> Self {
        Self {
            id,
            live: Arc::default(),
            credit: Arc::new(Semaphore::new(credit_bytes)),
            disk,
            ruined: Arc::default(),
        }
    }

    /// Appends `batch` on the leader; answered when it is durable on a majority and visible to queries.
    /// Fails at once with [`Error::Busy`] when the shard's credit is spent, and with [`Error::ReadOnly`] on a full disk.
    pub async fn append(&self, batch: Bytes) -> Result<Applied, Error> {
        self.disk.check_writable().map_err(|e| Error::ReadOnly(self.id, e.0))?;
        let bytes = u32::try_from(batch.len()).map_err(|_| Error::Busy(self.id))?;
        let credit = self.credit.clone().try_acquire_many_owned(bytes).map_err(|_| Error::Busy(self.id))?;
        let (reply, answer) = oneshot::channel();
        self.send(Msg::Append(Append { batch, credit, reply }))?;
        answer.await.map_err(|_| Error::Unconfirmed(self.id))?
    }

    /// Moves the head into RocksDB and cuts the log.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Msg::Checkpoint(Some(reply)))?;
        answer.await.map_err(|_| Error::Unconfirmed(self.id))?
    }

    /// Merges small chunks into large ones.
    pub async fn compact(&self, force: bool) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Msg::Compact { force, reply: Some(reply) })?;
        answer.await.map_err(|_| Error::Unconfirmed(self.id))?
    }

    /// Looks for what has expired now and not at its time; nothing when the shard is busy with upkeep.
    pub fn expire_soon(&self) {
        // one that is being restarted looks by itself
        let _ = self.send(Msg::Expire);
    }

    /// The running replica, or that there is none for the moment.
    pub fn live(&self) -> Result<Live, Error> {
        self.live.read().clone().ok_or(Error::Unavailable(self.id))
    }

    /// Whether the shard takes writes and answers.
    pub fn is_live(&self) -> bool {
        self.live.read().is_some()
    }

    /// What this replica says of itself to peers; cheap, it is asked several times a second. Nothing while it starts.
    pub fn report(&self) -> Option<ShardReport> {
        if let Ok(live) = self.live() {
            return Some(live.report(self.id));
        }
        self.is_ruined().then(|| ShardReport::ruined(self.id))
    }

    /// Whether this copy cannot be opened or mended, and must be made anew from the others.
    pub fn is_ruined(&self) -> bool {
        self.ruined.load(SeqCst) || self.live().is_ok_and(|live| live.storage().must_be_replaced())
    }

    pub(super) fn give_up(&self) {
        self.ruined.store(true, SeqCst);
    }

    pub(super) fn publish(&self, live: Live) {
        *self.live.write() = Some(live);
    }

    pub(super) fn withdraw(&self) -> Option<Live> {
        self.live.write().take()
    }

    fn send(&self, msg: Msg) -> Result<(), Error> {
        let actor = self.live()?.actor;
        ShardActor::send(&actor, msg).map_err(|_| Error::Unavailable(self.id))
    }
}
