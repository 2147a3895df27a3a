//! The one that writes the log, a thread or in a simulation a task: it drains what all groups have queued, writes it as one batch, syncs
//! once and tells everyone, in order.

use super::disk::{Batch, Disk};
use super::memory::MemoryDisk;
use super::store::{COMMITTED, PURGED, TRUNCATED, VOTE, encode, encode_mark, encode_vote};
use super::{Change, Operation, Shared};
use crate::entry;
use openraft::entry::RaftEntry;
use raft_engine::LogBatch;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Operations joined into one write.
const WRITE_OPERATIONS: usize = 1024;

/// Writes to files, on a thread of its own.
pub(super) fn spawn_thread(
    shared: &Arc<Shared>,
    mut queue: mpsc::Receiver<Operation>,
) -> io::Result<JoinHandle<()>> {
    // Holding the log strongly would keep it open for ever: the thread ends when the last sender goes.
    let weak = Arc::downgrade(shared);
    std::thread::Builder::new().name("raft-log".to_owned()).spawn(move || {
        let mut batch = LogBatch::default();
        while let Some(first) = queue.blocking_recv() {
            let mut operations = gather(first, &mut queue).into_iter();
            let Some(shared) = weak.upgrade() else { break };
            while let Some(joined) = next_write(&mut operations, shared.options.write_bytes) {
                let result = usable(&shared).and_then(|()| put_in_files(&shared, &mut batch, &joined));
                conclude(&shared, joined, &result);
            }
        }
    })
}

/// Writes to a simulated disk, as a task: what it holds is lost when the simulated node crashes.
pub(super) fn spawn_task(shared: &Arc<Shared>, disk: MemoryDisk, mut queue: mpsc::Receiver<Operation>) {
    let weak = Arc::downgrade(shared);
    tokio::spawn(async move {
        while let Some(first) = queue.recv().await {
            let mut operations = gather(first, &mut queue).into_iter();
            let Some(shared) = weak.upgrade() else { break };
            while let Some(joined) = next_write(&mut operations, shared.options.write_bytes) {
                let result = match usable(&shared) {
                    Ok(()) => put_in_memory(&shared, &disk, &joined).await,
                    Err(reason) => Err(reason),
                };
                conclude(&shared, joined, &result);
            }
        }
    });
}

/// All that is there to write.
fn gather(first: Operation, queue: &mut mpsc::Receiver<Operation>) -> Vec<Operation> {
    let mut operations = vec![first];
    while operations.len() < WRITE_OPERATIONS {
        match queue.try_recv() {
            Ok(operation) => operations.push(operation),
            Err(_) => break,
        }
    }
    operations
}

/// As many operations as go into one write.
fn next_write(operations: &mut std::vec::IntoIter<Operation>, limit: usize) -> Option<Vec<Operation>> {
    let mut joined = Vec::with_capacity(operations.len());
    let mut bytes = 0;
    while bytes < limit {
        let Some(operation) = operations.next() else { break };
        bytes += size(&operation);
        joined.push(operation);
    }
    (!joined.is_empty()).then_some(joined)
}

fn usable(shared: &Shared) -> Result<(), String> {
    shared.broken.borrow().clone().map_or(Ok(()), Err)
}

/// Tells everyone, in order, what became of a write.
fn conclude(shared: &Shared, joined: Vec<Operation>, result: &Result<(), String>) {
    if let Err(reason) = result {
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
        report(operation, result);
    }
}

/// One batch, one fsync. raft-engine panics when an fsync fails; that is an error here like any other.
fn put_in_files(shared: &Shared, batch: &mut LogBatch, operations: &[Operation]) -> Result<(), String> {
    let Disk::Files(engine, reserve) = &shared.disk else { return Err("the log is not in files".to_owned()) };
    let entries = fill_all(batch, operations)?;
    if batch.is_empty() {
        return Ok(());
    }
    let watch = shared.stats.begin();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "failpoints")]
        fail::fail_point!("consensus::log::write", |message| Err(raft_engine::Error::Other(
            message.unwrap_or_else(|| "injected".to_owned()).into()
        )));
        engine.write(batch, true)
    }));
    match outcome {
        Ok(Ok(bytes)) => {
            watch.written(entries, bytes as u64);
            reserve.refill();
            Ok(())
        }
        Ok(Err(error)) => Err(format!("writing the raft log: {error}")),
        Err(_) => Err("syncing the raft log failed".to_owned()),
    }
}

async fn put_in_memory(shared: &Shared, disk: &MemoryDisk, operations: &[Operation]) -> Result<(), String> {
    let mut batch = Vec::new();
    let entries = fill_all(&mut batch, operations)?;
    if !batch.is_empty() {
        let watch = shared.stats.begin();
        disk.write(batch).await?;
        watch.written(entries, operations.iter().map(size).sum::<usize>() as u64);
    }
    Ok(())
}

fn fill_all(batch: &mut impl Batch, operations: &[Operation]) -> Result<u64, String> {
    let mut entries = 0;
    for operation in operations {
        entries += fill(batch, operation)?;
    }
    Ok(entries)
}

fn size(operation: &Operation) -> usize {
    match &operation.change {
        Change::Append { records, .. } => {
            records.iter().filter_map(|record| record.entry.as_ref()).map(entry::size).sum()
        }
        _ => 32,
    }
}

/// Puts an operation into the batch; answers how many entries it had.
fn fill(batch: &mut impl Batch, operation: &Operation) -> Result<u64, String> {
    let Some(state) = &operation.group else { return Ok(0) };
    let id = state.id;
    match &operation.change {
        Change::Append { records, after_truncation } => {
            batch.entries(id, records)?;
            if *after_truncation {
                batch.delete(id, TRUNCATED);
            }
            if let Some(mark) = state.take_committed() {
                batch.put(id, COMMITTED, mark)?;
            }
            return Ok(records.len() as u64);
        }
        Change::Vote(vote) => batch.put(id, VOTE, encode_vote(vote))?,
        Change::Truncate(last) => batch.put(id, TRUNCATED, encode(last))?,
        Change::Purge(log_id) => {
            batch.put(id, PURGED, encode_mark(log_id))?;
            batch.compact(id, log_id.index() + 1);
        }
        Change::Remove { keep } => {
            batch.clean(id);
            if let Some(vote) = keep {
                batch.put(id, VOTE, encode_vote(vote))?;
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
