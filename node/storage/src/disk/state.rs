//! What a shard holds on disk: the one row that makes all others count.
//!
//! ```text
//! body     varint next run, varint next ref, zigzag varint expired before, varint open run + 1 (0: none)
//!          varint length + 1 of the position (0: none), position
//!          varint buckets, then of each: zigzag varint bucket, varint runs, then of each:
//!            varint run, u8 level, u8 slices, zigzag varint first and last timestamp, varint samples, varint bytes
//!          version 2 goes on with what was deleted and may still be in the runs:
//!            varint buckets, then of each: zigzag varint bucket, varint tombstones (see `tombstones`)
//!            varint deletions done, then of each, oldest first: varint number, varint series
//!          and has the highest bit of the slices set where the run has roll-ups
//! ```
//! Version 1 is written as long as nothing was deleted or rolled up, so that an older node reads it.

use super::keys::RunId;
use super::tombstones::Tombstones;
use super::{Flaw, frame};
use crate::bucket::Bucket;
use plimsoll_model::{TimeRange, Timestamp, varint};
use std::collections::BTreeMap;

/// Bit of the number of slices that says that there are roll-ups.
const ROLLED: u8 = 0x80;

/// Newest version of the row.
pub(crate) const VERSION: u8 = 2;

/// One write of a bucket: rows that a checkpoint or a compaction made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    /// 0 from a checkpoint; one more than those it was merged from.
    pub(crate) level: u8,
    /// Slices of time into which the bucket was cut; chunks do not cross them.
    pub(crate) slices: u8,
    /// Whether it has rows of rolled-up hours, of all its series.
    pub(crate) rolled: bool,
    pub(crate) range: TimeRange,
    pub(crate) samples: u64,
    pub(crate) bytes: u64,
}

/// Runs by bucket, older runs first: where two hold the same timestamp, the later one wins.
pub(crate) type Runs = BTreeMap<Bucket, Vec<Run>>;

/// The state row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) next_run: RunId,
    pub(crate) next_ref: u32,
    pub(crate) expired_before: Timestamp,
    pub(crate) open_run: Option<RunId>,
    pub(crate) position: Option<Vec<u8>>,
    pub(crate) runs: Runs,
    pub(crate) tombstones: Tombstones,
    /// Numbers of the newest deletions, and how many series each deleted.
    pub(crate) deletions: Vec<(u64, u64)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            next_run: 0,
            next_ref: 0,
            expired_before: Timestamp::MIN,
            open_run: None,
            position: None,
            runs: Runs::new(),
            tombstones: Tombstones::default(),
            deletions: Vec::new(),
        }
    }
}

impl State {
    /// Whether rows of this run count.
    pub(crate) fn is_live(&self, bucket: Bucket, run: RunId) -> bool {
        self.runs.get(&bucket).is_some_and(|runs| runs.iter().any(|r| r.id == run))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        varint::put(&mut body, u64::from(self.next_run));
        varint::put(&mut body, u64::from(self.next_ref));
        varint::put_signed(&mut body, self.expired_before);
        varint::put(&mut body, self.open_run.map_or(0, |r| u64::from(r) + 1));
        varint::put(&mut body, self.position.as_ref().map_or(0, |p| p.len() as u64 + 1));
        body.extend_from_slice(self.position.as_deref().unwrap_or_default());
        varint::put(&mut body, self.runs.len() as u64);
        for (bucket, runs) in &self.runs {
            varint::put_signed(&mut body, i64::from(bucket.0));
            varint::put(&mut body, runs.len() as u64);
            for r in runs {
                varint::put(&mut body, u64::from(r.id));
                body.extend_from_slice(&[r.level, r.slices | if r.rolled { ROLLED } else { 0 }]);
                varint::put_signed(&mut body, r.range.start);
                varint::put_signed(&mut body, r.range.end);
                varint::put(&mut body, r.samples);
                varint::put(&mut body, r.bytes);
            }
        }
        let rolled = self.runs.values().flatten().any(|r| r.rolled);
        if self.tombstones.is_empty() && self.deletions.is_empty() && !rolled {
            return frame::seal_as(1, &body);
        }
        self.tombstones.encode(&mut body);
        varint::put(&mut body, self.deletions.len() as u64);
        for (number, series) in &self.deletions {
            varint::put(&mut body, *number);
            varint::put(&mut body, *series);
        }
        frame::seal_as(VERSION, &body)
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Flaw> {
        let (version, mut body) = frame::open_up_to(VERSION, value)?;
        take(version, &mut body).filter(|_| body.is_empty()).ok_or(Flaw::Damaged)
    }
}

fn take(version: u8, body: &mut &[u8]) -> Option<State> {
    let next_run = take_u32(body)?;
    let next_ref = take_u32(body)?;
    let expired_before = varint::take_signed(body)?;
    let open_run = match varint::take(body)? {
        0 => None,
        n => Some(u32::try_from(n - 1).ok()?),
    };
    let position = match varint::take(body)? {
        0 => None,
        n => Some(varint::take_bytes(body, usize::try_from(n - 1).ok()?)?.to_vec()),
    };
    let mut runs = Runs::new();
    for _ in 0..varint::take(body)? {
        let bucket = Bucket(i32::try_from(varint::take_signed(body)?).ok()?);
        let count = varint::take(body)?;
        let of_bucket = (0..count).map(|_| take_run(body)).collect::<Option<Vec<Run>>>()?;
        runs.insert(bucket, of_bucket);
    }
    let (mut tombstones, mut deletions) = (Tombstones::default(), Vec::new());
    if version > 1 {
        tombstones = Tombstones::take(body)?;
        for _ in 0..varint::take(body)? {
            deletions.push((varint::take(body)?, varint::take(body)?));
        }
    }
    Some(State { next_run, next_ref, expired_before, open_run, position, runs, tombstones, deletions })
}

fn take_run(body: &mut &[u8]) -> Option<Run> {
    let id = take_u32(body)?;
    let (level, slices) = (varint::take_bytes(body, 1)?[0], varint::take_bytes(body, 1)?[0]);
    let (slices, rolled) = (slices & !ROLLED, slices & ROLLED != 0);
    let range = TimeRange { start: varint::take_signed(body)?, end: varint::take_signed(body)? };
    Some(Run { id, level, slices, rolled, range, samples: varint::take(body)?, bytes: varint::take(body)? })
}

fn take_u32(body: &mut &[u8]) -> Option<u32> {
    u32::try_from(varint::take(body)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_golden_and_comes_back() {
        let range = TimeRange { start: -1, end: 5 };
        let run = Run { id: 3, level: 1, slices: 2, rolled: false, range, samples: 300, bytes: 9 };
        let state = State {
            next_run: 4,
            next_ref: 200,
            expired_before: 7,
            open_run: Some(3),
            position: Some(b"at".to_vec()),
            runs: [(Bucket(-2), vec![run])].into(),
            ..State::default()
        };
        let bytes = state.encode();
        assert_eq!(bytes[0], 1);
        assert_eq!(bytes[5..], [4, 200, 1, 14, 4, 3, b'a', b't', 1, 3, 1, 3, 1, 2, 1, 10, 0xac, 2, 9]);
        assert_eq!(State::decode(&bytes), Ok(state));
        assert_eq!(State::decode(&State::default().encode()), Ok(State::default()));
    }

    #[test]
    fn a_state_with_deletions_is_golden_and_comes_back() {
        let range = TimeRange { start: -1, end: 5 };
        let run = Run { id: 3, level: 1, slices: 2, rolled: false, range, samples: 300, bytes: 9 };
        let runs: Runs = [(Bucket(-2), vec![run])].into();
        let mut state = State { runs, deletions: vec![(300, 2)], ..State::default() };
        state.tombstones.add(Bucket(-2), &[7].into(), TimeRange::ALL, &state.runs);
        let bytes = state.encode();
        assert_eq!(bytes[0], 2);
        let tail = [
            1, 3, 1, // one bucket, -2, one tombstone
            4, 0xff, 0xdf, 0xe5, 0xa4, 1, 0x81, 0xf0, 0xb2, 0x52, // before run 4, the whole of that day
        ];
        let from = bytes.len() - 4 - 19 - tail.len();
        let roaring = [18, 0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 7, 0];
        assert_eq!(bytes[from + tail.len()..bytes.len() - 4], roaring);
        assert_eq!(bytes[bytes.len() - 4..], [1, 0xac, 2, 2]);
        assert_eq!(bytes[from..from + tail.len()], tail);
        assert_eq!(State::decode(&bytes), Ok(state));
    }
}
