//! Carries committed entries from the log into a machine.
//!
//! Invariant: a machine sees every committed command once and in order after the position that it reported
//! at start, and is never called again after it failed.

use crate::blocking::Blocking;
use crate::log::GroupState;
use crate::machine::{Machine, MachineError};
use crate::position::Position;
use crate::raft::{Entry, EntryPayload, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, Types};
use crate::snapshot::{SnapshotData, meta};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{OptionalSend, entry::RaftPayload};
use parking_lot::Mutex;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// Bytes of commands in one call of a machine: enough to spread the cost of a call, little enough to let other
/// tasks of the runtime run in between.
const APPLY_BYTES: usize = 256 << 10;

/// What a group and its applier both know.
#[derive(Default)]
pub(crate) struct Progress {
    /// Why the machine can no longer follow, if so.
    pub(crate) failed: OnceLock<String>,
    /// What the last checkpoint covers.
    pub(crate) checkpoint: Mutex<Option<Position>>,
    /// Set when `checkpoint` was just written by the group, which openraft is about to learn.
    pub(crate) fresh: std::sync::atomic::AtomicBool,
}

/// openraft's state machine: batches entries and keeps their positions.
pub(crate) struct Applier {
    machine: Arc<dyn Machine>,
    log: Arc<GroupState>,
    position: Position,
    progress: Arc<Progress>,
    blocking: Blocking,
}

/// Entries gathered for one call of the machine.
#[derive(Default)]
struct Chunk {
    commands: Vec<Bytes>,
    bytes: usize,
    waiting: Vec<Waiting>,
    last: Option<LogId>,
}

/// Who waits for an entry of a chunk; `command` when the machine gives the reply.
struct Waiting {
    command: bool,
    responder: Option<ApplyResponder<Types>>,
}

impl Applier {
    /// An applier that goes on after `position`.
    pub(crate) fn new(
        machine: Arc<dyn Machine>,
        log: Arc<GroupState>,
        position: Position,
        progress: Arc<Progress>,
        blocking: Blocking,
    ) -> Self {
        Self { machine, log, position, progress, blocking }
    }

    fn take(&mut self, chunk: &mut Chunk, entry: Entry, responder: Option<ApplyResponder<Types>>) {
        let id = entry.log_id();
        let mut command = false;
        match entry.payload {
            EntryPayload::Normal(Payload(bytes)) => {
                command = true;
                chunk.bytes += bytes.len();
                chunk.commands.push(bytes);
            }
            payload => {
                if let Some(membership) = payload.get_membership() {
                    self.position.membership = StoredMembership::new(Some(id), membership);
                }
            }
        }
        chunk.waiting.push(Waiting { command, responder });
        chunk.last = Some(id);
    }

    fn apply_chunk(&mut self, chunk: Chunk) -> io::Result<()> {
        let Some(last) = chunk.last else { return Ok(()) };
        self.position.last = Some(last);
        let position = self.position.encode();
        let replies = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(feature = "failpoints")]
            fail::fail_point!("consensus::apply", |message| Err(MachineError::new(
                message.unwrap_or_else(|| "injected".to_owned())
            )));
            self.machine.apply(&position, &chunk.commands)
        }));
        let replies = replies.unwrap_or_else(|_| Err(MachineError::new("the machine panicked")));
        let replies = replies.and_then(|replies| {
            let expected = chunk.commands.len();
            if replies.len() == expected {
                return Ok(replies);
            }
            Err(MachineError::new(format!("{} replies to {expected} commands", replies.len())))
        });
        let replies = replies.map_err(|error| self.fail(last, &error))?;
        let mut replies = replies.into_iter();
        for Waiting { command, responder } in chunk.waiting {
            let reply = if command { replies.next().unwrap_or_default() } else { Bytes::new() };
            if let Some(responder) = responder {
                responder.send(Payload(reply));
            }
        }
        self.log.applied(last.index());
        Ok(())
    }

    fn fail(&self, last: LogId, error: &MachineError) -> io::Error {
        let reason = format!("applying up to entry {}: {error}", last.index());
        tracing::error!(reason, "a machine can no longer follow its log");
        let _ = self.progress.failed.set(reason.clone());
        io::Error::other(reason)
    }
}

impl RaftStateMachine<Types> for Applier {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = CheckpointReport;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.position.last, self.position.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        if let Some(reason) = self.progress.failed.get() {
            return Err(io::Error::other(reason.clone()));
        }
        let mut chunk = Chunk::default();
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let alone = matches!(&entry.payload, EntryPayload::Normal(Payload(bytes)) if self.machine.stands_alone(bytes));
            if alone {
                self.apply_chunk(std::mem::take(&mut chunk))?;
            }
            self.take(&mut chunk, entry, responder);
            if alone || chunk.bytes >= APPLY_BYTES {
                self.apply_chunk(std::mem::take(&mut chunk))?;
                tokio::task::yield_now().await;
            }
        }
        self.apply_chunk(chunk)
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        let (machine, progress) = (Arc::clone(&self.machine), Arc::clone(&self.progress));
        CheckpointReport { machine, progress, blocking: self.blocking }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: SnapshotData) -> Result<(), io::Error> {
        let machine = Arc::clone(&self.machine);
        let install = move || {
            let staged = match data {
                SnapshotData::Staged(staged) => staged,
                SnapshotData::Here(other) => {
                    let mut source = other.snapshot()?;
                    let position = source.position().to_vec();
                    machine.stage(&position, source.as_mut())?
                }
            };
            staged.install()
        };
        let installed = self.blocking.run(install).await.map_err(io::Error::other)?;
        installed.map_err(|error| {
            let _ = self.progress.failed.set(format!("installing a snapshot: {error}"));
            io::Error::other(error)
        })?;
        self.position = Position { last: meta.last_log_id, membership: meta.last_membership.clone() };
        *self.progress.checkpoint.lock() = Some(self.position.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<SnapshotData>>, io::Error> {
        let checkpoint = self.progress.checkpoint.lock().clone();
        Ok(checkpoint.map(|position| openraft::Snapshot {
            meta: meta(&position),
            snapshot: SnapshotData::Here(Arc::clone(&self.machine)),
        }))
    }
}

/// Tells openraft of a checkpoint; writes one only if the group has not just done so.
pub(crate) struct CheckpointReport {
    machine: Arc<dyn Machine>,
    progress: Arc<Progress>,
    blocking: Blocking,
}

impl RaftSnapshotBuilder<Types> for CheckpointReport {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot<SnapshotData>, io::Error> {
        let fresh = self.progress.fresh.swap(false, std::sync::atomic::Ordering::SeqCst);
        let known = self.progress.checkpoint.lock().clone().filter(|_| fresh);
        let position = match known {
            Some(position) => position,
            None => {
                let position =
                    write_checkpoint(&self.machine, self.blocking).await.map_err(io::Error::other)?;
                *self.progress.checkpoint.lock() = Some(position.clone());
                position
            }
        };
        let snapshot = SnapshotData::Here(Arc::clone(&self.machine));
        Ok(openraft::Snapshot { meta: meta(&position), snapshot })
    }
}

/// Checkpoints a machine on a blocking thread; answers what it covers.
pub(crate) async fn write_checkpoint(
    machine: &Arc<dyn Machine>,
    blocking: Blocking,
) -> Result<Position, MachineError> {
    let machine = Arc::clone(machine);
    let written = blocking.run(move || machine.checkpoint()).await;
    let bytes = written.map_err(|error| MachineError::new(format!("the checkpoint panicked: {error}")))??;
    Position::decode(&bytes).ok_or_else(|| MachineError::new("the machine answered a foreign position"))
}
