//! Snapshots on their way between machines.

use crate::blocking::Blocking;
use crate::machine::{Machine, MachineError, SnapshotSource, Staged};
use crate::position::Position;
use crate::raft::SnapshotMeta;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::watch;

/// Pieces of the largest snapshot in a simulation.
const SIMULATED_PIECES: usize = 1024;

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
struct Arriving {
    position: Vec<u8>,
    pieces: mpsc::Receiver<Bytes>,
    whole: bool,
}

impl Arriving {
    fn new(position: Vec<u8>, pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { position, pieces, whole: false }
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
        let piece = match self.pieces.try_recv() {
            Ok(piece) => Some(piece),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => self.pieces.blocking_recv(),
        };
        match piece {
            Some(piece) if piece.is_empty() => {
                self.whole = true;
                Ok(None)
            }
            Some(piece) => Ok(Some(piece)),
            None => Err(MachineError::new("the snapshot stream ended early")),
        }
    }
}

/// Sends all of `source` and the empty piece that ends it; stops when nobody listens. Tells `moved` of every piece.
pub(crate) async fn send(
    mut source: Box<dyn SnapshotSource>,
    pieces: mpsc::Sender<Bytes>,
    moved: watch::Sender<()>,
    blocking: Blocking,
) -> Result<(), MachineError> {
    loop {
        let read = blocking.run(move || (source.next(), source)).await;
        let (piece, rest) = read.map_err(MachineError::new)?;
        source = rest;
        let Some(piece) = piece? else { break };
        // An empty piece would end the stream.
        if !piece.is_empty() && pieces.send(piece).await.is_err() {
            return Ok(());
        }
        moved.send_replace(());
    }
    let _ = pieces.send(Bytes::new()).await;
    Ok(())
}

/// Waits until nothing has moved for `limit`; after the last piece that is how long the answer may take.
pub(crate) async fn stalled(mut movement: watch::Receiver<()>, limit: Duration) {
    loop {
        match tokio::time::timeout(limit, movement.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return tokio::time::sleep(limit).await,
            Err(_) => return,
        }
    }
}

/// Lets `machine` stage what arrives.
pub(crate) async fn receive(
    machine: Arc<dyn Machine>,
    position: Vec<u8>,
    mut pieces: mpsc::Receiver<Bytes>,
    blocking: Blocking,
) -> Result<Box<dyn Staged>, MachineError> {
    if blocking == Blocking::Inline {
        // Nobody could send while the only thread waits for a piece: all of them first.
        let (sender, whole) = mpsc::channel(SIMULATED_PIECES);
        while let Some(piece) = pieces.recv().await {
            let last = piece.is_empty();
            sender.try_send(piece).map_err(|_| MachineError::new("too large a snapshot for a simulation"))?;
            if last {
                break;
            }
        }
        pieces = whole;
    }
    let stage = move || {
        let mut source = Arriving::new(position.clone(), pieces);
        let staged = machine.stage(&position, &mut source)?;
        if source.whole {
            Ok(staged)
        } else {
            Err(MachineError::new("the machine did not read all of the snapshot"))
        }
    };
    blocking.run(stage).await.unwrap_or_else(|error| Err(MachineError::new(error)))
}
