//! What a shard holds on disk: the one row that makes all others count.
//!
//! ```text
//! body     varint next run, varint next ref, zigzag varint expired before, varint open run + 1 (0: none)
//!          varint length + 1 of the position (0: none), position
//!          varint buckets, then of each: zigzag varint bucket, varint runs, then of each:
//!            varint run, u8 level, u8 slices, zigzag varint first and last timestamp, varint samples, varint bytes
//! ```

use super::keys::RunId;
use super::{Flaw, frame};
use crate::bucket::Bucket;
use plimsoll_model::{TimeRange, Timestamp, varint};
use std::collections::BTreeMap;

/// One write of a bucket: rows that a checkpoint or a compaction made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    /// 0 from a checkpoint; one more than those it was merged from.
    pub(crate) level: u8,
    /// Slices of time into which the bucket was cut; chunks do not cross them.
    pub(crate) slices: u8,
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
                body.extend_from_slice(&[r.level, r.slices]);
                varint::put_signed(&mut body, r.range.start);
                varint::put_signed(&mut body, r.range.end);
                varint::put(&mut body, r.samples);
                varint::put(&mut body, r.bytes);
            }
        }
        frame::seal(&body)
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Flaw> {
        let mut body = frame::open(value)?;
        take(&mut body).filter(|_| body.is_empty()).ok_or(Flaw::Damaged)
    }
}

fn take(body: &mut &[u8]) -> Option<State> {
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
    Some(State { next_run, next_ref, expired_before, open_run, position, runs })
}

fn take_run(body: &mut &[u8]) -> Option<Run> {
    let id = take_u32(body)?;
    let (level, slices) = (varint::take_bytes(body, 1)?[0], varint::take_bytes(body, 1)?[0]);
    let range = TimeRange { start: varint::take_signed(body)?, end: varint::take_signed(body)? };
    Some(Run { id, level, slices, range, samples: varint::take(body)?, bytes: varint::take(body)? })
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
        let run = Run { id: 3, level: 1, slices: 2, range, samples: 300, bytes: 9 };
        let state = State {
            next_run: 4,
            next_ref: 200,
            expired_before: 7,
            open_run: Some(3),
            position: Some(b"at".to_vec()),
            runs: [(Bucket(-2), vec![run])].into(),
        };
        let bytes = state.encode();
        assert_eq!(bytes[5..], [4, 200, 1, 14, 4, 3, b'a', b't', 1, 3, 1, 3, 1, 2, 1, 10, 0xac, 2, 9]);
        assert_eq!(State::decode(&bytes), Ok(state));
        assert_eq!(State::decode(&State::default().encode()), Ok(State::default()));
    }
}
