//! Joins a raft group to the storage of its shard.

use bytes::Bytes;
use plimsoll_consensus::{Machine, MachineError, SnapshotSource, Staged};
use plimsoll_model::{Timestamp, varint};
use plimsoll_storage::Applied;
use std::sync::Arc;

/// A group of one has nobody to send its state to.
const ALONE: &str = "this version runs clusters of one node: a shard cannot be copied to another one";

/// The state machine of a data group.
pub(super) struct StorageMachine(pub Arc<plimsoll_storage::Shard>);

impl Machine for StorageMachine {
    fn position(&self) -> Option<Vec<u8>> {
        self.0.position()
    }

    fn apply(&self, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError> {
        let mut replies = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while let Some(at) = rest.iter().position(|c| expiry(c).is_some()) {
            // a checkpoint between the two parts must not cover the second one
            let before = self.0.position().unwrap_or_default();
            self.append(&before, &rest[..at], &mut replies)?;
            if let Some(time) = expiry(&rest[at])
                && let Err(e) = self.0.expire(time)
            {
                // the samples are hidden already; the next expiry deletes them
                tracing::error!(error = %e, "expired samples were not deleted");
            }
            replies.push(Bytes::new());
            rest = &rest[at + 1..];
        }
        self.append(position, rest, &mut replies)?;
        Ok(replies)
    }

    fn checkpoint(&self) -> Result<Vec<u8>, MachineError> {
        let done = self.0.checkpoint().map_err(MachineError::new)?;
        // nothing applied yet: an empty position covers nothing
        Ok(done.position.unwrap_or_default())
    }

    fn snapshot(&self) -> Result<Box<dyn SnapshotSource>, MachineError> {
        Err(MachineError::new(ALONE))
    }

    fn stage(&self, _: &[u8], _: &mut dyn SnapshotSource) -> Result<Box<dyn Staged>, MachineError> {
        Err(MachineError::new(ALONE))
    }
}

impl StorageMachine {
    fn append(
        &self,
        position: &[u8],
        commands: &[Bytes],
        replies: &mut Vec<Bytes>,
    ) -> Result<(), MachineError> {
        let slices: Vec<&[u8]> = commands.iter().map(|c| &c[..]).collect();
        let applied = self.0.apply(position, &slices).map_err(MachineError::new)?;
        replies.extend(applied.iter().map(|of_command| encode(of_command)));
        Ok(())
    }
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
