//! Joins a raft group to the storage of its shard.

use bytes::Bytes;
use parking_lot::RwLock;
use plimsoll_consensus::{Machine, MachineError, SnapshotSource, Staged};
use plimsoll_model::{Fault, ShardId, Timestamp, varint};
use plimsoll_storage::{Applied, Database, Deletion, Shard, ShardSnapshot};
use std::sync::Arc;

/// The state machine of a data group.
///
/// Its storage is replaced whole when a snapshot of a peer is installed: ask for it anew at every use.
pub struct StorageMachine {
    database: Arc<Database>,
    id: ShardId,
    storage: Slot,
}

/// The storage that counts now. Shared with snapshots that are still to be installed.
type Slot = Arc<RwLock<Arc<Shard>>>;

impl StorageMachine {
    /// A machine over `storage`, which was opened from `database`.
    pub fn new(database: Arc<Database>, storage: Arc<Shard>) -> Self {
        Self { database, id: storage.id(), storage: Arc::new(RwLock::new(storage)) }
    }

    /// The storage as it is now. One that was replaced stays readable, and answers `Gone` on writing.
    pub fn storage(&self) -> Arc<Shard> {
        self.storage.read().clone()
    }
}

/// The state of this replica on its way to a peer.
struct Sending(ShardSnapshot);

impl SnapshotSource for Sending {
    fn position(&self) -> &[u8] {
        self.0.position()
    }

    fn next(&mut self) -> Result<Option<Bytes>, MachineError> {
        self.0.next().map_err(MachineError::new)
    }
}

/// The state of a peer, received and not yet in place.
struct Received {
    staged: plimsoll_storage::Staged,
    storage: Slot,
}

impl Staged for Received {
    fn install(self: Box<Self>) -> Result<(), MachineError> {
        let shard = self.staged.install().map_err(MachineError::new)?;
        *self.storage.write() = shard;
        Ok(())
    }
}

impl Machine for StorageMachine {
    fn position(&self) -> Option<Vec<u8>> {
        self.storage().position()
    }

    fn apply(&self, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError> {
        let storage = self.storage();
        match commands {
            [order] if expiry(order).is_some() => {
                if let Some(time) = expiry(order)
                    && let Err(e) = storage.expire(time)
                {
                    // the samples are hidden already; the next expiry deletes them
                    tracing::error!(error = %e, "expired samples were not deleted");
                }
                append(&storage, position, &[])?;
                Ok(vec![Bytes::new()])
            }
            [order] if order.starts_with(&DELETE) => Ok(vec![delete(&storage, position, order)?]),
            commands => append(&storage, position, commands),
        }
    }

    fn stands_alone(&self, command: &[u8]) -> bool {
        expiry(command).is_some() || command.starts_with(&DELETE)
    }

    fn checkpoint(&self) -> Result<Vec<u8>, MachineError> {
        let done = self.storage().checkpoint().map_err(MachineError::new)?;
        // nothing applied yet: an empty position covers nothing
        Ok(done.position.unwrap_or_default())
    }

    fn snapshot(&self) -> Result<Box<dyn SnapshotSource>, MachineError> {
        let snapshot = self.storage().snapshot().map_err(MachineError::new)?;
        Ok(Box::new(Sending(snapshot)))
    }

    fn stage(
        &self,
        position: &[u8],
        source: &mut dyn SnapshotSource,
    ) -> Result<Box<dyn Staged>, MachineError> {
        let mut staged = self.database.stage(self.id, position).map_err(MachineError::new)?;
        while let Some(piece) = source.next()? {
            staged.push(&piece).map_err(MachineError::new)?;
        }
        Ok(Box::new(Received { staged, storage: self.storage.clone() }))
    }
}

fn append(storage: &Shard, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError> {
    let slices: Vec<&[u8]> = commands.iter().map(|c| &c[..]).collect();
    let applied = storage.apply(position, &slices).map_err(MachineError::new)?;
    Ok(applied.iter().map(|of_command| encode(of_command)).collect())
}

/// Deletes as a command says. One that cannot be understood is refused on every replica alike; a disk that fails in
/// the middle stops the group, which then goes on from the state before.
fn delete(storage: &Shard, position: &[u8], command: &[u8]) -> Result<Bytes, MachineError> {
    let outcome = match Deletion::decode(&command[DELETE.len()..]) {
        None => Err("a deletion that this version of plimsoll cannot read".to_owned()),
        Some(deletion) => match storage.delete(position, &deletion) {
            Ok(deleted) => Ok(deleted.series),
            Err(e) if e.fault() == Fault::Asker => Err(e.to_string()),
            Err(e) => return Err(MachineError::new(e)),
        },
    };
    if outcome.is_err() {
        append(storage, position, &[])?;
    }
    Ok(postcard::to_allocvec(&outcome).unwrap_or_default().into())
}

/// First bytes of a command that is no batch: no batch is empty, so none begins with the length 0.
const EXPIRE: [u8; 2] = [0, 1];

/// The command that forgets samples older than `before`. Expiry decides which refs live on, so it has a place in
/// the log like the batches: every replica, and every replay, forgets the same series at the same point.
pub(super) fn expire(before: Timestamp) -> Bytes {
    let mut out = EXPIRE.to_vec();
    out.extend_from_slice(&before.to_le_bytes());
    Bytes::from(out)
}

fn expiry(command: &[u8]) -> Option<Timestamp> {
    let time = command.strip_prefix(&EXPIRE)?;
    Some(Timestamp::from_le_bytes(time.try_into().ok()?))
}

/// First bytes of a command that deletes; a [`Deletion`] follows.
const DELETE: [u8; 2] = [0, 2];

/// The command that deletes samples by matchers and time.
pub(super) fn deletion(deletion: &Deletion) -> Bytes {
    let mut out = DELETE.to_vec();
    deletion.encode(&mut out);
    Bytes::from(out)
}

/// The answer to [`deletion`]: how many series were hit, or why it was refused.
pub(super) fn deleted(reply: &[u8]) -> Result<u64, String> {
    postcard::from_bytes(reply).unwrap_or_else(|e| Err(format!("the answer cannot be read: {e}")))
}

/// Joins batches into one command: `varint length, batch` each.
pub(super) fn join<'a>(batches: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut out = Vec::new();
    for b in batches {
        varint::put(&mut out, b.len() as u64);
        out.extend_from_slice(b);
    }
    Bytes::from(out)
}

fn encode(applied: &[Applied]) -> Bytes {
    let mut out = Vec::new();
    for a in applied {
        a.encode(&mut out);
    }
    Bytes::from(out)
}

/// The answers of a command, one for each of its batches.
pub(super) fn split(mut reply: &[u8]) -> Option<Vec<Applied>> {
    let mut out = Vec::new();
    while !reply.is_empty() {
        out.push(Applied::decode(&mut reply).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{BatchBuilder, Labels, MatchOp, Matcher, Target, TimeRange};

    #[test]
    fn a_command_of_batches_is_never_taken_for_an_expiry() {
        let mut builder = BatchBuilder::default();
        assert_eq!(expiry(&join([&builder.finish()[..]].into_iter())), None);
        assert_eq!(expiry(&join(std::iter::empty())), None);
        for time in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(expiry(&expire(time)), Some(time));
        }
    }

    fn float(machine: &StorageMachine, position: u8, name: &str) {
        let mut builder = BatchBuilder::default();
        let target =
            Target::Defined(builder.define(&Labels::from_pairs([("__name__", name)]).expect("labels")));
        builder.float(target, 1000, 1.0);
        machine.apply(&[position], &[join([&builder.finish()[..]].into_iter())]).expect("applied");
    }

    #[test]
    fn a_deletion_stands_alone_answers_and_is_refused_alike_everywhere() {
        let dir = tempfile::tempdir().expect("a directory");
        let database =
            Arc::new(Database::open(dir.path(), plimsoll_storage::Options::default()).expect("opens"));
        let storage = database.shard(ShardId(0)).expect("a shard");
        let machine = StorageMachine::new(database, storage);
        float(&machine, 1, "up");
        float(&machine, 2, "down");
        let wanted = |matcher: Matcher| Deletion {
            number: 1,
            any_of: vec![vec![matcher]],
            none_of: Vec::new(),
            range: TimeRange::ALL,
        };
        let command = deletion(&wanted(Matcher::equal("__name__", "up")));
        assert!(machine.stands_alone(&command) && machine.stands_alone(&expire(1)));
        assert!(!machine.stands_alone(&join(std::iter::empty())));
        let mut replies = machine.apply(&[3], &[command]).expect("applied");
        assert_eq!(deleted(&replies.remove(0)), Ok(1));
        assert_eq!(machine.storage().series_count(), 1);
        for (position, refused) in [
            (4, deletion(&wanted(Matcher { value: "(".into(), ..Matcher::new("x", MatchOp::Regex, "") }))),
            (5, Bytes::from_static(&[0, 2, 255])),
        ] {
            let refused = if position == 4 { renumber(&refused) } else { refused };
            let mut replies = machine.apply(&[position], &[refused]).expect("applied");
            assert!(deleted(&replies.remove(0)).is_err());
            assert_eq!(machine.position(), Some(vec![position]), "the log goes on");
        }
    }

    /// The same with another number.
    fn renumber(command: &[u8]) -> Bytes {
        let decoded = Deletion::decode(&command[2..]).expect("a deletion");
        deletion(&Deletion { number: 2, ..decoded })
    }
}
