//! Joins a raft group to the storage of its shard.

use bytes::Bytes;
use parking_lot::RwLock;
use plimsoll_consensus::{Machine, MachineError, SnapshotSource, Staged};
use plimsoll_model::{ShardId, Timestamp, varint};
use plimsoll_storage::{Applied, Database, Shard, ShardSnapshot};
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
        let mut replies = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while let Some(at) = rest.iter().position(|c| expiry(c).is_some()) {
            // a checkpoint between the two parts must not cover the second one
            let before = storage.position().unwrap_or_default();
            append(&storage, &before, &rest[..at], &mut replies)?;
            if let Some(time) = expiry(&rest[at])
                && let Err(e) = storage.expire(time)
            {
                // the samples are hidden already; the next expiry deletes them
                tracing::error!(error = %e, "expired samples were not deleted");
            }
            replies.push(Bytes::new());
            rest = &rest[at + 1..];
        }
        append(&storage, position, rest, &mut replies)?;
        Ok(replies)
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

fn append(
    storage: &Shard,
    position: &[u8],
    commands: &[Bytes],
    replies: &mut Vec<Bytes>,
) -> Result<(), MachineError> {
    let slices: Vec<&[u8]> = commands.iter().map(|c| &c[..]).collect();
    let applied = storage.apply(position, &slices).map_err(MachineError::new)?;
    replies.extend(applied.iter().map(|of_command| encode(of_command)));
    Ok(())
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
    use plimsoll_model::BatchBuilder;

    #[test]
    fn a_command_of_batches_is_never_taken_for_an_expiry() {
        let mut builder = BatchBuilder::default();
        assert_eq!(expiry(&join([&builder.finish()[..]].into_iter())), None);
        assert_eq!(expiry(&join(std::iter::empty())), None);
        for time in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(expiry(&expire(time)), Some(time));
        }
    }
}
