//! Snapshots on their way between machines.

use crate::machine::{Machine, MachineError, SnapshotSource, Staged};
use crate::position::Position;
use crate::raft::SnapshotMeta;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What openraft carries as a snapshot.
pub(crate) enum SnapshotData {
    /// The state of a machine of this process, opened when it is read: never sooner than its position.
    Here(Arc<dyn Machine>),
    /// A received state that only has to be put in place.
    Staged(Box<dyn Staged>),
}

/// The meta data of a snapshot that covers `position`.
pub(crate) fn meta(position: &Position) -> SnapshotMeta {
    SnapshotMeta { last_log_id: position.last, last_membership: position.membership.clone() }
}

/// A snapshot that arrives in pieces, read on a blocking thread.
pub(crate) struct Arriving {
    position: Vec<u8>,
    pieces: mpsc::Receiver<Bytes>,
    whole: bool,
}

impl Arriving {
    pub(crate) fn new(position: Vec<u8>, pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { position, pieces, whole: false }
    }

    /// Whether the stream was read to its proper end.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }
}

impl SnapshotSource for Arriving {
    fn position(&self) -> &[u8] {
        &self.position
    }

    fn next(&mut self) -> Result<Option<Bytes>, MachineError> {
        if self.whole {
            return Ok(None);
        }
        match self.pieces.blocking_recv() {
            Some(piece) if piece.is_empty() => {
                self.whole = true;
                Ok(None)
            }
            Some(piece) => Ok(Some(piece)),
            None => Err(MachineError::new("the snapshot stream ended early")),
        }
    }
}

/// Sends all of `source` and the empty piece that ends it; stops when nobody listens. Blocks.
pub(crate) fn send(
    source: &mut dyn SnapshotSource,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<(), MachineError> {
    while let Some(piece) = source.next()? {
        // An empty piece would end the stream.
        if !piece.is_empty() && pieces.blocking_send(piece).is_err() {
            return Ok(());
        }
    }
    let _ = pieces.blocking_send(Bytes::new());
    Ok(())
}
