//! Samples on disk while no node takes them.
//!
//! Owns: a folder of segments, oldest first; what is dropped when they grow past their bound; what a crash left behind.
//! Does not own: when samples go to disk and when they come back (`writer`).
//!
//! Invariant: what [`Spill::append`] took comes out in order and whole, or is counted as dropped or damaged.

mod record;
mod segment;

use crate::Sample;
use segment::Segment;
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smallest bound of a folder: a few batches.
const LEAST_BYTES: u64 = 64 << 10;

/// A folder is cut into segments of an eighth of its bound, up to this: what is dropped at a time, and what is sent
/// again when the process was restarted while it emptied the folder.
const MOST_SEGMENT_BYTES: u64 = 4 << 20;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// Another process, or another writer of this one, uses it.
    #[error("the spill folder {} is used by another writer: give each writer a folder of its own", .0.display())]
    InUse(PathBuf),
    /// The operating system refused something.
    #[error("the spill folder {} cannot be used: {error}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

/// A folder for the samples of one [`Writer`](crate::Writer) that no node takes at the moment.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    max_bytes: u64,
    state: Mutex<State>,
    /// Held as long as the folder is used.
    _lock: File,
}

#[derive(Debug)]
struct State {
    /// The oldest first.
    segments: VecDeque<Segment>,
    /// The newest segment, while it may be appended to.
    open: Option<File>,
    next_number: u64,
    totals: SpillTotals,
}

/// What a folder holds and what it lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpillTotals {
    /// Samples on disk.
    pub samples: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Samples that were there when the folder was opened.
    pub recovered: u64,
    /// Samples that were dropped because the folder was full, could not be written, or was damaged while it was used.
    pub dropped: u64,
    /// Bytes that could not be read back: a tail cut by a crash, or damage.
    pub damaged_bytes: u64,
}

/// The oldest record of a folder.
#[derive(Debug)]
pub(crate) struct Oldest {
    pub samples: Vec<Sample>,
    segment: u64,
    end: u64,
}

impl Spill {
    /// Opens `folder`, which is made if it is not there, for up to `max_bytes`. Samples of an earlier process are
    /// taken over; when there is no more room, the oldest are dropped.
    pub fn open(folder: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, SpillError> {
        let folder = folder.into();
        let io = |error| SpillError::Io { path: folder.clone(), error };
        fs::create_dir_all(&folder).map_err(io)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpillError::InUse(folder)),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let (segments, damaged_bytes) = segment::read_folder(&folder).map_err(io)?;
        let samples = segments.iter().map(|s| s.samples).sum();
        let bytes = segments.iter().map(|s| s.bytes).sum();
        let totals = SpillTotals { samples, bytes, recovered: samples, dropped: 0, damaged_bytes };
        let next_number = segments.back().map_or(1, |s| s.number + 1);
        let state = Mutex::new(State { segments, open: None, next_number, totals });
        Ok(Self { max_bytes: max_bytes.max(LEAST_BYTES), folder, state, _lock: lock })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the folder holds and what it lost.
    pub fn totals(&self) -> SpillTotals {
        self.lock().totals
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().segments.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `samples` behind all others and syncs them; old ones make room. On an error these ones are not on disk,
    /// and are counted as dropped.
    pub(crate) fn append(&self, samples: &[Sample]) -> io::Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        let record = record::encode(samples);
        let mut state = self.lock();
        let written = self.write(&mut state, &record, samples.len() as u64);
        if written.is_err() {
            state.totals.dropped += samples.len() as u64;
        }
        written
    }

    fn write(&self, state: &mut State, record: &[u8], samples: u64) -> io::Result<()> {
        let size = record.len() as u64;
        if size > self.max_bytes {
            return Err(io::Error::other("the batch is larger than the spill folder may be"));
        }
        while state.totals.bytes + size > self.max_bytes {
            if !state.drop_oldest() {
                return Err(io::Error::other("the spill folder is full"));
            }
        }
        let most = (self.max_bytes / 8).min(MOST_SEGMENT_BYTES);
        let full = state.segments.back().is_none_or(|s| s.bytes > 0 && s.bytes + size > most);
        if state.open.is_none() || full {
            let segment = Segment::create(&self.folder, state.next_number)?;
            state.next_number += 1;
            state.open = Some(segment.append_to()?);
            state.segments.push_back(segment);
        }
        let (Some(file), Some(segment)) = (&mut state.open, state.segments.back_mut()) else {
            return Err(io::Error::other("there is no open segment"));
        };
        if let Err(e) = segment.append(file, record, samples) {
            // Whatever came to lie there is cut off at the next opening; nothing is put behind it.
            state.open = None;
            return Err(e);
        }
        state.totals.bytes += size;
        state.totals.samples += samples;
        Ok(())
    }

    /// The oldest record; it stays until [`done`](Self::done). Damaged ones are counted and passed over.
    pub(crate) fn oldest(&self) -> io::Result<Option<Oldest>> {
        let mut state = self.lock();
        loop {
            let Some(segment) = state.segments.front_mut() else { return Ok(None) };
            if segment.is_read() {
                state.remove_oldest()?;
                continue;
            }
            match segment.read_next()? {
                Some((samples, end)) => {
                    segment.in_flight = samples.len() as u64;
                    return Ok(Some(Oldest { samples, segment: segment.number, end }));
                }
                None => {
                    let (bytes, samples) = (segment.bytes - segment.read_to, segment.samples);
                    state.totals.damaged_bytes += bytes;
                    state.totals.dropped += samples;
                    state.remove_oldest()?;
                }
            }
        }
    }

    /// The fate of `oldest` is known: it is not needed any more.
    pub(crate) fn done(&self, oldest: &Oldest) -> io::Result<()> {
        let mut state = self.lock();
        let samples = oldest.samples.len() as u64;
        let Some(segment) = state.segments.front_mut().filter(|s| s.number == oldest.segment) else {
            // Dropped meanwhile to make room; this record was not counted as dropped.
            return Ok(());
        };
        segment.read_to = oldest.end;
        segment.samples -= samples.min(segment.samples);
        segment.in_flight = 0;
        let read = segment.is_read();
        state.totals.samples -= samples.min(state.totals.samples);
        if read {
            state.remove_oldest()?;
        }
        Ok(())
    }
}

impl State {
    /// Drops the oldest segment for its room; answers whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let Some(segment) = self.segments.front() else { return false };
        // The fate of the record under way is its sender's to tell.
        self.totals.dropped += segment.samples - segment.in_flight.min(segment.samples);
        self.remove_oldest().is_ok()
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        let Some(segment) = self.segments.pop_front() else { return Ok(()) };
        if self.segments.is_empty() {
            self.open = None;
        }
        self.totals.samples -= segment.samples.min(self.totals.samples);
        self.totals.bytes -= segment.bytes.min(self.totals.bytes);
        segment.remove()
    }
}

#[cfg(test)]
mod tests;
