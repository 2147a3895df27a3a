//! The log of one group, as openraft sees it.

use super::record::Record;
use super::window::Window;
use super::{Change, Claim, Done, Log, Operation, Shared};
use crate::blocking::Blocking;
use crate::raft::{Entry, LogId, Types, Vote, log_id, term_of};
use crate::{Error, entry, options::GroupId};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{LogIdOptionExt, OptionalSend};
use parking_lot::Mutex;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

pub(super) const VOTE: &[u8] = b"v";
pub(super) const COMMITTED: &[u8] = b"c";
pub(super) const PURGED: &[u8] = b"p";
pub(super) const TRUNCATED: &[u8] = b"t";

/// Bytes of entries read for one replication request.
const READ_BYTES: usize = 1 << 20;

/// What is known of a group's log without reading it.
pub(crate) struct GroupState {
    pub(crate) id: u64,
    pub(crate) inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    vote: Option<Vote>,
    committed: Option<LogId>,
    /// The committed mark is newer than what was handed to the writer.
    committed_unsaved: bool,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// The end of the log is marked on disk, but entries after it are still there.
    truncated: bool,
    pub(super) window: Window,
}

impl GroupState {
    /// Reads the marks of a group and its last entry.
    pub(super) fn load(id: u64, shared: &Shared) -> Result<Self, Error> {
        let disk = &shared.disk;
        let damaged = |what: &str| Error::GroupDamaged {
            group: GroupId(id),
            reason: format!("the log's {what} cannot be read"),
        };
        let value = |key: &[u8]| disk.mark(id, key);
        let vote = value(VOTE).map(|v| decode_vote(&v).ok_or_else(|| damaged("vote"))).transpose()?;
        let mark = |key: &[u8], what: &str| -> Result<Option<LogId>, Error> {
            let stored = value(key).map(|v| decode::<(u64, u64)>(&v).ok_or_else(|| damaged(what)));
            Ok(stored.transpose()?.map(|(term, index)| log_id(term, index)))
        };
        let committed = mark(COMMITTED, "committed mark")?;
        let purged = mark(PURGED, "purged mark")?;
        let truncated = value(TRUNCATED)
            .map(|v| decode::<Option<u64>>(&v).ok_or_else(|| damaged("truncation mark")))
            .transpose()?;
        let mut end = disk.last_index(id);
        let follows = purged.map_or(0, |purged| purged.index() + 1);
        if end >= Some(follows) && disk.first_index(id) > Some(follows) {
            return Err(damaged(&format!("entry {follows} is missing: it")));
        }
        if let Some(limit) = truncated {
            end = end.min(limit);
        }
        let last = match end.filter(|end| Some(*end) > purged.as_ref().map(LogId::index)) {
            None => purged,
            Some(index) => {
                let entry = disk
                    .entry(id, index)
                    .map_err(|reason| Error::GroupDamaged { group: GroupId(id), reason })?
                    .ok_or_else(|| damaged("last entry"))?;
                Some(entry.log_id())
            }
        };
        let mut window = Window::new(shared.options.recent_bytes, shared.options.unapplied_bytes);
        if let Some(last) = &last {
            window.flushed(last.index());
        }
        Ok(Self {
            id,
            inner: Mutex::new(Inner {
                vote,
                committed,
                committed_unsaved: false,
                purged,
                last,
                truncated: truncated.is_some(),
                window,
            }),
        })
    }

    /// The committed mark, when the disk has an older one.
    pub(super) fn take_committed(&self) -> Option<Vec<u8>> {
        let mut inner = self.inner.lock();
        if !std::mem::take(&mut inner.committed_unsaved) {
            return None;
        }
        inner.committed.as_ref().map(encode_mark)
    }

    /// Entries up to `index` are applied.
    pub(crate) fn applied(&self, index: u64) {
        self.inner.lock().window.applied(index);
    }

    /// The vote, if there is one.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.inner.lock().vote
    }

    /// Index of the last entry, or of the last purged one.
    pub(crate) fn last(&self) -> Option<u64> {
        self.inner.lock().last.index()
    }

    /// Last purged entry.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.inner.lock().purged
    }
}

pub(super) fn encode_mark(id: &LogId) -> Vec<u8> {
    encode(&(term_of(id), id.index()))
}

pub(super) fn encode_vote(vote: &Vote) -> Vec<u8> {
    encode(&(vote.leader_id.term, vote.leader_id.voted_for, vote.committed))
}

fn decode_vote(bytes: &[u8]) -> Option<Vote> {
    let (term, node, committed) = decode(bytes)?;
    Some(if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) })
}

/// Marks begin with a version byte (1); the rest is postcard.
pub(super) fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![1]).expect("a vector takes any length")
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (&1, body) = bytes.split_first()? else { return None };
    postcard::take_from_bytes(body).ok().filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// Writes the log of one group; there is one of it for a running group.
pub(crate) struct GroupLog {
    log: Log,
    state: Arc<GroupState>,
    _claim: Claim,
}

/// Reads the log of one group.
pub(crate) struct GroupLogReader {
    shared: Arc<Shared>,
    state: Arc<GroupState>,
    blocking: Blocking,
}

impl GroupLog {
    pub(super) fn new(log: Log, state: Arc<GroupState>, claim: Claim) -> Self {
        Self { log, state, _claim: claim }
    }

    pub(crate) fn state(&self) -> Arc<GroupState> {
        Arc::clone(&self.state)
    }

    fn reader(&self) -> GroupLogReader {
        let (shared, state) = (Arc::clone(self.log.shared()), Arc::clone(&self.state));
        GroupLogReader { shared, state, blocking: self.log.blocking() }
    }

    async fn durably(&self, change: Change) -> io::Result<()> {
        self.log.shared().durably(Some(Arc::clone(&self.state)), change).await
    }
}

impl RaftLogStorage<Types> for GroupLog {
    type LogReader = GroupLogReader;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let inner = self.state.inner.lock();
        Ok(LogState { last_purged_log_id: inner.purged, last_log_id: inner.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.reader()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.durably(Change::Vote(*vote)).await?;
        self.state.inner.lock().vote = Some(*vote);
        Ok(())
    }

    // The mark rides on the next append. It only shortens the wait after a restart: what it misses is
    // committed again by the next leader, and a group is not ready before that.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let mut inner = self.state.inner.lock();
        inner.committed = committed;
        inner.committed_unsaved = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let inner = self.state.inner.lock();
        // A mark after the end points at entries that a crash cut off before they were acknowledged.
        Ok(inner.committed.filter(|committed| committed.index() <= inner.last.index().unwrap_or(0)))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records: Vec<_> = entries.into_iter().map(Record::new).collect();
        let entries = || records.iter().filter_map(|record| record.entry.as_ref());
        let bytes = entries().map(entry::size).sum();
        let permit = self.log.shared().room(bytes).await?;
        let after_truncation = {
            let mut inner = self.state.inner.lock();
            for entry in entries() {
                inner.last = Some(entry.log_id());
                inner.window.push(entry.clone());
            }
            std::mem::take(&mut inner.truncated)
        };
        let operation = Operation {
            group: Some(Arc::clone(&self.state)),
            change: Change::Append { records, after_truncation },
            done: Done::Flushed(callback),
            permit: Some(permit),
        };
        self.log.shared().submit(operation).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let last = last_log_id.index();
        {
            let mut inner = self.state.inner.lock();
            if last >= inner.last.index() {
                return Ok(());
            }
            inner.window.truncate_after(last);
            inner.last = last_log_id.max(inner.purged);
            inner.truncated = true;
        }
        self.durably(Change::Truncate(last)).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let beyond = {
            let mut inner = self.state.inner.lock();
            if inner.purged >= Some(log_id) {
                return Ok(());
            }
            inner.window.purge(log_id.index());
            inner.purged = Some(log_id);
            let beyond = inner.last.index() < Some(log_id.index());
            if beyond {
                inner.last = Some(log_id);
            }
            beyond
        };
        if beyond {
            // The machine is ahead of the log (a snapshot was installed): what follows must not be appended
            // after a gap, not even if the process dies now.
            return self.durably(Change::Purge(log_id)).await;
        }
        let group = Some(Arc::clone(&self.state));
        let operation = Operation { group, change: Change::Purge(log_id), done: Done::Nobody, permit: None };
        self.log.shared().submit(operation).await
    }
}

/// What part of a read is where.
enum Plan {
    Ready(Vec<Entry>),
    Disk { start: u64, end: u64 },
}

impl GroupLogReader {
    fn plan(&self, start: u64, end: u64, limit: usize) -> Plan {
        let inner = self.state.inner.lock();
        let start = start.max(inner.purged.index().map_or(0, |purged| purged + 1));
        let end = end.min(inner.last.index().map_or(0, |last| last + 1));
        if start >= end {
            return Plan::Ready(Vec::new());
        }
        let held = inner.window.first().unwrap_or(u64::MAX);
        if start >= held {
            return Plan::Ready(inner.window.read(start, end, limit));
        }
        Plan::Disk { start, end: end.min(held) }
    }

    async fn read_back(&self, start: u64, end: u64, limit: usize) -> io::Result<Vec<Entry>> {
        let (shared, group) = (Arc::clone(&self.shared), self.state.id);
        let read = move || {
            // A log may begin after the purged mark: openraft asks for what is there.
            let start = shared.disk.first_index(group).map_or(end, |first| start.max(first));
            if start >= end {
                return Ok(Vec::new());
            }
            shared.disk.entries(group, start, end, limit)
        };
        self.blocking.run(read).await.map_err(io::Error::other)?
    }

    async fn read(&self, mut start: u64, end: u64, limit: usize) -> io::Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        let mut left = limit;
        let mut failures = 0;
        loop {
            match self.plan(start, end, left) {
                Plan::Ready(mut rest) if found.is_empty() => {
                    found.append(&mut rest);
                    return Ok(found);
                }
                Plan::Ready(rest) => {
                    // Joining over a gap would break the log: a purge overtook the read.
                    if rest
                        .first()
                        .is_none_or(|next| Some(next.index()) == found.last().map(|e| e.index() + 1))
                    {
                        found.extend(rest);
                    }
                    return Ok(found);
                }
                Plan::Disk { start: from, end: to } => match self.read_back(from, to, left).await {
                    Ok(entries) => {
                        left = left.saturating_sub(entries.iter().map(entry::size).sum());
                        start = entries.last().map_or(to, |last| last.index() + 1);
                        found.extend(entries);
                        if start >= end || left == 0 {
                            return Ok(found);
                        }
                    }
                    // A purge or an overwriting append came between the plan and the read: plan again.
                    Err(error) if failures < 3 => {
                        failures += 1;
                        tracing::debug!(group = self.state.id, %error, "reading the log again");
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }
}

impl RaftLogReader<Types> for GroupLogReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index + 1,
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start, end, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, READ_BYTES).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.state.inner.lock().vote)
    }
}
