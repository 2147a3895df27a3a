//! The one thread that writes the log: it drains what all groups have queued, writes it as one batch, syncs
//! once and tells everyone, in order.

use super::store::{COMMITTED, PURGED, TRUNCATED, VOTE, encode, encode_mark, encode_vote};
use super::{Change, Operation, Shared, record::Record};
use crate::entry;
use openraft::entry::RaftEntry;
use raft_engine::{Command, LogBatch};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Operations joined into one write.
const WRITE_OPERATIONS: usize = 1024;

pub(super) fn spawn(shared: Arc<Shared>, queue: mpsc::Receiver<Operation>) -> io::Result<JoinHandle<()>> {
    // Holding the log strongly would keep it open for ever: the thread ends when the last sender goes.
    let weak = Arc::downgrade(&shared);
    drop(shared);
    std::thread::Builder::new().name("raft-log".to_owned()).spawn(move || {
        let mut writer = Writer { queue, batch: LogBatch::default(), operations: Vec::new() };
        while writer.gather() {
            let Some(shared) = weak.upgrade() else { break };
            writer.write(&shared);
        }
    })
}

struct Writer {
    queue: mpsc::Receiver<Operation>,
    batch: LogBatch,
    operations: Vec<Operation>,
}

impl Writer {
    /// Waits for something to write and takes all that is there; false when the log is closed.
    fn gather(&mut self) -> bool {
        let Some(first) = self.queue.blocking_recv() else { return false };
        self.operations.push(first);
        while self.operations.len() < WRITE_OPERATIONS {
            match self.queue.try_recv() {
                Ok(operation) => self.operations.push(operation),
                Err(_) => break,
            }
        }
        true
    }

    fn write(&mut self, shared: &Shared) {
        let mut operations = std::mem::take(&mut self.operations).into_iter();
        while operations.len() > 0 {
            let mut joined = Vec::with_capacity(operations.len());
            let mut bytes = 0;
            for operation in operations.by_ref() {
                bytes += size(&operation);
                joined.push(operation);
                if bytes >= shared.options.write_bytes {
                    break;
                }
            }
            let result = match &*shared.broken.borrow() {
                Some(reason) => Err(reason.clone()),
                None => self.put_on_disk(shared, &joined),
            };
            if let Err(reason) = &result {
                shared.broken.send_if_modified(|broken| {
                    let first = broken.is_none();
                    if first {
                        tracing::error!(reason, "the raft log cannot be written; this node must stop");
                        *broken = Some(reason.clone());
                    }
                    first
                });
            }
            for operation in joined {
                report(operation, &result);
            }
        }
    }

    /// One batch, one fsync. raft-engine panics when an fsync fails; that is an error here like any other.
    fn put_on_disk(&mut self, shared: &Shared, operations: &[Operation]) -> Result<(), String> {
        let mut sync = false;
        let mut entries = 0;
        for operation in operations {
            sync |= must_sync(&operation.change);
            entries += fill(&mut self.batch, operation).map_err(|error| error.to_string())?;
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let watch = shared.stats.begin();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(feature = "failpoints")]
            fail::fail_point!("consensus::log::write", |message| Err(raft_engine::Error::Other(
                message.unwrap_or_else(|| "injected".to_owned()).into()
            )));
            shared.engine.write(&mut self.batch, sync)
        }));
        match outcome {
            Ok(Ok(bytes)) => {
                watch.written(sync, entries, bytes as u64);
                Ok(())
            }
            Ok(Err(error)) => Err(format!("writing the raft log: {error}")),
            Err(_) => Err("syncing the raft log failed".to_owned()),
        }
    }
}

fn size(operation: &Operation) -> usize {
    match &operation.change {
        Change::Append { records, .. } => {
            records.iter().filter_map(|record| record.entry.as_ref()).map(entry::size).sum()
        }
        _ => 32,
    }
}

fn must_sync(change: &Change) -> bool {
    !matches!(change, Change::Nothing)
}

/// Puts an operation into the batch; answers how many entries it had.
fn fill(batch: &mut LogBatch, operation: &Operation) -> raft_engine::Result<u64> {
    let Some(state) = &operation.group else { return Ok(0) };
    let id = state.id;
    match &operation.change {
        Change::Append { records, after_truncation } => {
            batch.add_entries::<Record>(id, records)?;
            if *after_truncation {
                batch.delete(id, TRUNCATED.to_vec());
            }
            if let Some(mark) = state.take_committed() {
                batch.put(id, COMMITTED.to_vec(), mark)?;
            }
            return Ok(records.len() as u64);
        }
        Change::Vote(vote) => batch.put(id, VOTE.to_vec(), encode_vote(vote))?,
        Change::Truncate(last) => batch.put(id, TRUNCATED.to_vec(), encode(last))?,
        Change::Purge(log_id) => {
            batch.put(id, PURGED.to_vec(), encode_mark(log_id))?;
            batch.add_command(id, Command::Compact { index: log_id.index() + 1 });
        }
        Change::Remove { keep } => {
            batch.add_command(id, Command::Clean);
            if let Some(vote) = keep {
                batch.put(id, VOTE.to_vec(), encode_vote(vote))?;
            }
        }
        Change::Nothing => {}
    }
    Ok(0)
}

fn report(operation: Operation, result: &Result<(), String>) {
    let Operation { group, change, done, permit } = operation;
    drop(permit);
    if let (Ok(()), Some(group), Change::Append { records, .. }) = (result, &group, &change)
        && let Some(last) = records.last().and_then(|record| record.entry.as_ref())
    {
        group.inner.lock().window.flushed(last.index());
    }
    done.tell(result.clone().map_err(io::Error::other));
}
