//! Where the log is kept: files of raft-engine, or the memory of a simulation.

use super::memory::MemoryDisk;
use super::record::Record;
use super::reserve::{Files, Reserve};
use crate::Error;
use crate::options::GroupId;
use crate::raft::Entry;
use raft_engine::{Command, Engine, LogBatch};
use std::io;

/// Entries of a group that raft-engine moves out of an old file rather than keep the file.
const FEW_ENTRIES: u64 = 32;

pub(crate) enum Disk {
    Files(Box<Engine<Files>>, Reserve),
    Memory(MemoryDisk),
}

/// Changes that are done as a whole, in their order.
pub(super) trait Batch {
    fn entries(&mut self, group: u64, records: &[Record]) -> Result<(), String>;
    fn put(&mut self, group: u64, key: &[u8], value: Vec<u8>) -> Result<(), String>;
    fn delete(&mut self, group: u64, key: &[u8]);
    /// Drops the entries before `index`.
    fn compact(&mut self, group: u64, index: u64);
    /// Drops everything of the group.
    fn clean(&mut self, group: u64);
}

impl Batch for LogBatch {
    fn entries(&mut self, group: u64, records: &[Record]) -> Result<(), String> {
        self.add_entries::<Record>(group, records).map_err(|error| error.to_string())
    }

    fn put(&mut self, group: u64, key: &[u8], value: Vec<u8>) -> Result<(), String> {
        LogBatch::put(self, group, key.to_vec(), value).map_err(|error| error.to_string())
    }

    fn delete(&mut self, group: u64, key: &[u8]) {
        LogBatch::delete(self, group, key.to_vec());
    }

    fn compact(&mut self, group: u64, index: u64) {
        self.add_command(group, Command::Compact { index });
    }

    fn clean(&mut self, group: u64) {
        self.add_command(group, Command::Clean);
    }
}

impl Disk {
    pub(super) fn mark(&self, group: u64, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Disk::Files(engine, _) => engine.get(group, key),
            Disk::Memory(memory) => memory.mark(group, key),
        }
    }

    pub(super) fn first_index(&self, group: u64) -> Option<u64> {
        match self {
            Disk::Files(engine, _) => engine.first_index(group),
            Disk::Memory(memory) => memory.first_index(group),
        }
    }

    pub(super) fn last_index(&self, group: u64) -> Option<u64> {
        match self {
            Disk::Files(engine, _) => engine.last_index(group),
            Disk::Memory(memory) => memory.last_index(group),
        }
    }

    pub(super) fn entry(&self, group: u64, index: u64) -> Result<Option<Entry>, String> {
        match self {
            Disk::Files(engine, _) => {
                let record = engine.get_entry::<Record>(group, index).map_err(|error| error.to_string())?;
                Ok(record.and_then(|record| record.entry))
            }
            Disk::Memory(memory) => Ok(memory.entries(group, index, index + 1, usize::MAX).pop()),
        }
    }

    /// Entries of `[start, end)`, at least one and then about `limit` bytes.
    pub(super) fn entries(&self, group: u64, start: u64, end: u64, limit: usize) -> io::Result<Vec<Entry>> {
        match self {
            Disk::Files(engine, _) => {
                let mut records: Vec<Record> = Vec::new();
                engine
                    .fetch_entries_to::<Record>(group, start, end, Some(limit), &mut records)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
                Ok(records.into_iter().filter_map(|record| record.entry).collect())
            }
            Disk::Memory(memory) => Ok(memory.entries(group, start, end, limit)),
        }
    }

    pub(super) fn groups(&self) -> Vec<u64> {
        match self {
            Disk::Files(engine, _) => engine.raft_groups(),
            Disk::Memory(memory) => memory.groups(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        let Disk::Files(engine, _) = self else { return 0 };
        let files = std::fs::read_dir(engine.path()).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
    }

    /// Drops files that nobody needs; when the log is `large`, answers the groups that hold files back.
    pub(super) fn purge(&self, large: bool) -> Result<Vec<GroupId>, Error> {
        let Disk::Files(engine, _) = self else { return Ok(Vec::new()) };
        // Asked often, raft-engine copies the entries of a group that holds files back. So it is asked only
        // when the log is large, or when no group has more left than it would copy at once anyway.
        let left = |group: &u64| match (engine.first_index(*group), engine.last_index(*group)) {
            (Some(first), Some(last)) => last + 1 - first,
            _ => 0,
        };
        if !large && engine.raft_groups().iter().any(|group| left(group) > FEW_ENTRIES) {
            return Ok(Vec::new());
        }
        let holding = engine
            .purge_expired_files()
            .map_err(|error| Error::LogBroken { reason: format!("purging log files: {error}") })?;
        Ok(if large { holding.into_iter().map(GroupId).collect() } else { Vec::new() })
    }
}
