//! Joins a raft group to the storage of its shard.

use bytes::Bytes;
use plimsoll_consensus::{Machine, MachineError, SnapshotSource, Staged};
use plimsoll_model::varint;
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
        let slices: Vec<&[u8]> = commands.iter().map(|c| &c[..]).collect();
        let applied = self.0.apply(position, &slices).map_err(MachineError::new)?;
        Ok(applied.iter().map(|of_command| encode(of_command)).collect())
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
