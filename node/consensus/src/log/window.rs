//! The newest entries of a group, kept in memory so that apply and peers do not read them back.

use crate::entry;
use crate::raft::Entry;
use openraft::entry::RaftEntry;
use std::collections::VecDeque;

/// A gapless run of entries at the end of the log.
#[derive(Default)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Entries up to here are on disk and may be read back from there.
    flushed: Option<u64>,
    /// Entries up to here are applied, so that probably nobody here needs them again.
    applied: Option<u64>,
    /// Bytes to keep of entries that are applied, and of those that are not.
    keep_applied: usize,
    keep_unapplied: usize,
}

impl Window {
    pub(crate) fn new(keep_applied: usize, keep_unapplied: usize) -> Self {
        Self { keep_applied, keep_unapplied, ..Self::default() }
    }

    /// Index of the first entry held.
    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.front().map(RaftEntry::index)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry::size(&entry);
        self.entries.push_back(entry);
    }

    /// Entries of `[start, end)` that are held, at least one and then no more than `limit` bytes.
    pub(crate) fn read(&self, start: u64, end: u64, mut limit: usize) -> Vec<Entry> {
        let Some(first) = self.first() else { return Vec::new() };
        let skip = start.saturating_sub(first) as usize;
        let count = end.saturating_sub(start.max(first)) as usize;
        let mut found = Vec::with_capacity(count.min(self.entries.len()));
        for entry in self.entries.iter().skip(skip).take(count) {
            let size = entry::size(entry);
            if size > limit && !found.is_empty() {
                break;
            }
            limit = limit.saturating_sub(size);
            found.push(entry.clone());
        }
        found
    }

    /// Forgets entries after `last`.
    pub(crate) fn truncate_after(&mut self, last: Option<u64>) {
        while self.entries.back().is_some_and(|entry| Some(entry.index()) > last) {
            self.bytes -= self.entries.pop_back().map_or(0, |entry| entry::size(&entry));
        }
        self.flushed = self.flushed.min(last);
    }

    /// Forgets entries up to `last`.
    pub(crate) fn purge(&mut self, last: u64) {
        while self.first().is_some_and(|first| first <= last) {
            self.pop();
        }
    }

    /// Entries up to `index` reached the disk.
    pub(crate) fn flushed(&mut self, index: u64) {
        self.flushed = self.flushed.max(Some(index));
        self.evict();
    }

    /// Entries up to `index` are applied.
    pub(crate) fn applied(&mut self, index: u64) {
        self.applied = self.applied.max(Some(index));
        self.evict();
    }

    fn evict(&mut self) {
        while let Some(first) = self.first() {
            let keep = if Some(first) <= self.applied { self.keep_applied } else { self.keep_unapplied };
            if self.bytes <= keep || Some(first) > self.flushed {
                break;
            }
            self.pop();
        }
    }

    fn pop(&mut self) {
        self.bytes -= self.entries.pop_front().map_or(0, |entry| entry::size(&entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{EntryPayload, Payload, log_id};

    fn filled(keep_applied: usize, keep_unapplied: usize, indexes: std::ops::Range<u64>) -> Window {
        let mut window = Window::new(keep_applied, keep_unapplied);
        for index in indexes {
            let command = Payload(vec![0; 100 - entry::HEAD].into());
            window.push(Entry::new(log_id(1, index), EntryPayload::Normal(command)));
        }
        window
    }

    fn indexes(entries: Vec<Entry>) -> Vec<u64> {
        entries.iter().map(RaftEntry::index).collect()
    }

    #[test]
    fn only_entries_on_disk_are_forgotten() {
        let mut window = filled(0, 0, 5..15);
        window.applied(14);
        assert_eq!(window.first(), Some(5));
        window.flushed(9);
        assert_eq!(window.first(), Some(10));
    }

    #[test]
    fn unapplied_entries_have_their_own_bound() {
        let mut window = filled(200, 500, 0..10);
        window.flushed(9);
        assert_eq!(window.first(), Some(5));
        window.applied(9);
        assert_eq!(window.first(), Some(8));
    }

    #[test]
    fn a_read_is_cut_to_what_is_held_and_to_the_limit() {
        let window = filled(0, 0, 5..15);
        assert_eq!(indexes(window.read(0, 8, usize::MAX)), [5, 6, 7]);
        assert_eq!(indexes(window.read(12, 99, usize::MAX)), [12, 13, 14]);
        assert_eq!(indexes(window.read(7, 15, 250)), [7, 8]);
        assert_eq!(indexes(window.read(7, 15, 0)), [7]);
    }

    #[test]
    fn truncation_and_purge_cut_both_ends() {
        let mut window = filled(0, 0, 5..15);
        window.flushed(14);
        let mut window = {
            window = filled(usize::MAX, usize::MAX, 5..15);
            window
        };
        window.truncate_after(Some(11));
        window.purge(6);
        assert_eq!(indexes(window.read(0, 99, usize::MAX)), [7, 8, 9, 10, 11]);
        window.truncate_after(None);
        assert_eq!(window.first(), None);
        assert_eq!(window.bytes, 0);
    }
}
