use super::{Error, actor::ShardActor, msg::Append, msg::Msg};
use crate::disk::Health;
use parking_lot::RwLock;
use plimsoll_consensus::Group;
use plimsoll_model::ShardId;
use plimsoll_storage::Applied;
use ractor::ActorRef;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// What a running shard actor lends to its callers.
#[derive(Clone)]
pub struct Live {
    pub(super) actor: ActorRef<Msg>,
    /// Reads go here directly and never through the mailbox.
    pub storage: Arc<plimsoll_storage::Shard>,
    /// The shard's raft group.
    pub group: Group,
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
}

impl Shard {
    /// A handle without an actor yet; `credit_bytes` bounds the batches in flight.
    pub(super) fn new(id: ShardId, credit_bytes: usize, disk: Health) -> Self {
        Self { id, live: Arc::default(), credit: Arc::new(Semaphore::new(credit_bytes)), disk }
    }

    /// Appends `batch`; answered when it is durable on a majority and visible to queries.
    /// Fails at once with [`Error::Busy`] when the shard's credit is spent, and with [`Error::ReadOnly`] on a full disk.
    pub async fn append(&self, batch: Vec<u8>) -> Result<Applied, Error> {
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

    /// The running replica, or that there is none for the moment.
    pub fn live(&self) -> Result<Live, Error> {
        self.live.read().clone().ok_or(Error::Unavailable(self.id))
    }

    /// Whether the shard takes writes and answers.
    pub fn is_live(&self) -> bool {
        self.live.read().is_some()
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
