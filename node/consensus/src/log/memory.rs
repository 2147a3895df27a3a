//! The disk of a simulated node: it lives as long as the simulation, and a crash loses what was not synced.
//!
//! Owns: synced entries and marks of all groups, how long a sync takes, whether writes fail.
//! Does not own: when a node crashes; the simulation drops the node's tasks, and with them what was on its way.

use super::disk::Batch;
use super::record::Record;
use crate::entry;
use crate::options::GroupId;
use crate::raft::{Entry, EntryPayload, Payload};
use crate::runtime::Randomness;
use bytes::Bytes;
use openraft::entry::RaftEntry;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a simulated node has on disk. Clones share it; it outlives the logs that are opened on it.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    content: Arc<Mutex<Content>>,
}

#[derive(Default)]
struct Content {
    groups: BTreeMap<u64, Stored>,
    shortest_sync: Duration,
    longest_sync: Duration,
    failure: Option<String>,
}

#[derive(Default)]
struct Stored {
    entries: BTreeMap<u64, Entry>,
    marks: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// One change of a batch, which is done as a whole.
pub(super) enum Write {
    Entries(u64, Vec<Entry>),
    Put(u64, Vec<u8>, Vec<u8>),
    Delete(u64, Vec<u8>),
    Compact(u64, u64),
    Clean(u64),
}

impl MemoryDisk {
    /// How long a sync takes from now on: a random time between the two.
    pub fn set_sync_time(&self, shortest: Duration, longest: Duration) {
        let mut content = self.content.lock();
        (content.shortest_sync, content.longest_sync) = (shortest, longest.max(shortest));
    }

    /// Makes every write fail with `reason` from now on; `None` repairs the disk.
    pub fn set_failure(&self, reason: Option<&str>) {
        self.content.lock().failure = reason.map(str::to_owned);
    }

    /// Commands of `group` that a crash at this moment would not lose, newest first, from those entries that
    /// were not purged.
    pub fn commands(&self, group: GroupId) -> Vec<Bytes> {
        let content = self.content.lock();
        let entries =
            content.groups.get(&group.0).into_iter().flat_map(|stored| stored.entries.values().rev());
        entries
            .filter_map(|entry| match &entry.payload {
                EntryPayload::Normal(Payload(command)) => Some(command.clone()),
                _ => None,
            })
            .collect()
    }

    /// Takes as long as a sync, and does what `batch` says at its beginning or at its end: when the node
    /// crashes in between, the disk may have taken a write that nobody was told of.
    pub(super) async fn write(&self, batch: Vec<Write>) -> Result<(), String> {
        let (takes, early) = {
            let content = self.content.lock();
            let spread = (content.longest_sync - content.shortest_sync).as_micros() as u64;
            let extra = if spread == 0 { 0 } else { Randomness.next() % spread };
            (content.shortest_sync + Duration::from_micros(extra), Randomness.next().is_multiple_of(2))
        };
        let mut batch = Some(batch);
        if early {
            self.apply(batch.take())?;
        }
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        self.apply(batch)
    }

    fn apply(&self, batch: Option<Vec<Write>>) -> Result<(), String> {
        let mut content = self.content.lock();
        if let Some(reason) = &content.failure {
            return Err(reason.clone());
        }
        for write in batch.into_iter().flatten() {
            content.apply(write);
        }
        Ok(())
    }

    pub(super) fn mark(&self, group: u64, key: &[u8]) -> Option<Vec<u8>> {
        self.content.lock().groups.get(&group)?.marks.get(key).cloned()
    }

    pub(super) fn first_index(&self, group: u64) -> Option<u64> {
        self.content.lock().groups.get(&group)?.entries.keys().next().copied()
    }

    pub(super) fn last_index(&self, group: u64) -> Option<u64> {
        self.content.lock().groups.get(&group)?.entries.keys().next_back().copied()
    }

    /// Entries of `[start, end)`, at least one and then no more than `limit` bytes.
    pub(super) fn entries(&self, group: u64, start: u64, end: u64, mut limit: usize) -> Vec<Entry> {
        let content = self.content.lock();
        let Some(stored) = content.groups.get(&group) else { return Vec::new() };
        let mut found = Vec::new();
        for entry in stored.entries.range(start..end).map(|(_, entry)| entry) {
            let size = entry::size(entry);
            if size > limit && !found.is_empty() {
                break;
            }
            limit = limit.saturating_sub(size);
            found.push(entry.clone());
        }
        found
    }

    pub(super) fn groups(&self) -> Vec<u64> {
        self.content.lock().groups.keys().copied().collect()
    }
}

impl Content {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Entries(group, entries) => {
                let stored = self.groups.entry(group).or_default();
                if let Some(first) = entries.first() {
                    // As in raft-engine, an append replaces everything from its first entry on.
                    stored.entries.split_off(&first.index());
                }
                stored.entries.extend(entries.into_iter().map(|entry| (entry.index(), entry)));
            }
            Write::Put(group, key, value) => {
                self.groups.entry(group).or_default().marks.insert(key, value);
            }
            Write::Delete(group, key) => {
                self.groups.entry(group).or_default().marks.remove(&key);
            }
            Write::Compact(group, index) => {
                let stored = self.groups.entry(group).or_default();
                stored.entries = stored.entries.split_off(&index);
            }
            Write::Clean(group) => {
                self.groups.remove(&group);
            }
        }
    }
}

impl Batch for Vec<Write> {
    fn entries(&mut self, group: u64, records: &[Record]) -> Result<(), String> {
        self.push(Write::Entries(group, records.iter().filter_map(|record| record.entry.clone()).collect()));
        Ok(())
    }

    fn put(&mut self, group: u64, key: &[u8], value: Vec<u8>) -> Result<(), String> {
        self.push(Write::Put(group, key.to_vec(), value));
        Ok(())
    }

    fn delete(&mut self, group: u64, key: &[u8]) {
        self.push(Write::Delete(group, key.to_vec()));
    }

    fn compact(&mut self, group: u64, index: u64) {
        self.push(Write::Compact(group, index));
    }

    fn clean(&mut self, group: u64) {
        self.push(Write::Clean(group));
    }
}
