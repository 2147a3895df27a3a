//! Keys of a shard's column family, all big-endian so that byte order is the order of time, then of place.
//!
//! ```text
//! bucket u32 | run u32 | 'c' | slice u8 | metric u32 | ref u32 | row u32    superchunk, keyed by its LAST chunk
//! bucket u32 | run u32 | 'r' | metric u32 | ref u32 | row u32               rolled-up hours, keyed by their LAST series
//! bucket u32 | run u32 | 's' | first ref u32                               labels of series seen in this bucket
//! bucket u32 | run u32 | 't' | block u32                                   timestamp columns
//! 0 u32      | run u32 | 'o' | first ref u32                               open streams
//! 0 u32      | run u32 | 'i' | first ref u32                               accounts of series with increases
//! 0 u32      | 2^32-1  | 'h'                                               state of the shard
//! ```
//! The bucket's sign bit is flipped, so days before 1970 sort before it. A run's rows lie together and after those
//! of all older runs of its bucket, so the files of a merged run overlap no other. Frozen: see `docs/formats/keys.md`.

use crate::bucket::Bucket;
use plimsoll_model::SeriesRef;

/// Kinds of rows.
pub(crate) const CHUNKS: u8 = b'c';
pub(crate) const ROLLUPS: u8 = b'r';
pub(crate) const SERIES: u8 = b's';
pub(crate) const COLUMNS: u8 = b't';
pub(crate) const STATE: u8 = b'h';
pub(crate) const OPEN: u8 = b'o';
pub(crate) const ACCOUNTS: u8 = b'i';

/// Number of the write that made a row: one a checkpoint or compaction. Rows of a run count only when the state
/// row names the run.
pub(crate) type RunId = u32;

/// Length of the bucket, with which every key begins.
pub(crate) const BUCKET_BYTES: usize = 4;

/// Length of the bucket and the run after it.
pub(crate) const RUN_BYTES: usize = 8;

/// Place of a chunk inside a slice: metric, then series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) metric: u32,
    pub(crate) series: SeriesRef,
}

fn bucket_bytes(bucket: Bucket) -> [u8; 4] {
    ((bucket.0 as u32) ^ 0x8000_0000).to_be_bytes()
}

/// First key of `bucket`.
pub(crate) fn bucket(bucket: Bucket) -> Vec<u8> {
    bucket_bytes(bucket).to_vec()
}

/// The rows of a run.
pub(crate) fn run(bucket: Bucket, run: RunId) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.extend_from_slice(&bucket_bytes(bucket));
    key.extend_from_slice(&run.to_be_bytes());
    key
}

/// The rows of a kind and a run.
pub(crate) fn kind(bucket: Bucket, r: RunId, kind: u8) -> Vec<u8> {
    let mut key = run(bucket, r);
    key.push(kind);
    key
}

/// The rows of a slice.
pub(crate) fn slice(b: Bucket, r: RunId, slice: u8) -> Vec<u8> {
    let mut key = kind(b, r, CHUNKS);
    key.push(slice);
    key
}

/// A superchunk whose last chunk lies at `last`.
pub(crate) fn superchunk(b: Bucket, r: RunId, s: u8, last: Place, row: u32) -> Vec<u8> {
    let mut key = slice(b, r, s);
    key.extend_from_slice(&last.metric.to_be_bytes());
    key.extend_from_slice(&last.series.0.to_be_bytes());
    key.extend_from_slice(&row.to_be_bytes());
    key
}

/// The place in a superchunk's key.
pub(crate) fn place(key: &[u8]) -> Option<Place> {
    let number = |at: usize| Some(u32::from_be_bytes(key.get(at..at + 4)?.try_into().ok()?));
    Some(Place { metric: number(10)?, series: SeriesRef(number(14)?) })
}

/// Rolled-up hours whose last series lies at `last`.
pub(crate) fn rollups(b: Bucket, r: RunId, last: Place, row: u32) -> Vec<u8> {
    let mut key = kind(b, r, ROLLUPS);
    key.extend_from_slice(&last.metric.to_be_bytes());
    key.extend_from_slice(&last.series.0.to_be_bytes());
    key.extend_from_slice(&row.to_be_bytes());
    key
}

/// The place in the key of rolled-up hours.
pub(crate) fn rollups_place(key: &[u8]) -> Option<Place> {
    let number = |at: usize| Some(u32::from_be_bytes(key.get(at..at + 4)?.try_into().ok()?));
    Some(Place { metric: number(9)?, series: SeriesRef(number(13)?) })
}

/// A row of series or of timestamp columns.
pub(crate) fn numbered(b: Bucket, of_kind: u8, r: RunId, number: u32) -> Vec<u8> {
    let mut key = kind(b, r, of_kind);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The bucket of rows that belong to no day; its number is no day's.
pub(crate) const NO_DAY: Bucket = Bucket(i32::MIN);

/// Key of the state row.
pub(crate) fn state() -> Vec<u8> {
    kind(NO_DAY, RunId::MAX, STATE)
}

/// The open streams of a checkpoint.
pub(crate) fn open(r: RunId, first: SeriesRef) -> Vec<u8> {
    numbered(NO_DAY, OPEN, r, first.0)
}

/// The accounts of a checkpoint.
pub(crate) fn accounts(r: RunId, first: SeriesRef) -> Vec<u8> {
    numbered(NO_DAY, ACCOUNTS, r, first.0)
}

/// Bucket and run of a key.
pub(crate) fn parse(key: &[u8]) -> Option<(Bucket, RunId)> {
    let bucket = u32::from_be_bytes(key.get(..4)?.try_into().ok()?) ^ 0x8000_0000;
    let run = u32::from_be_bytes(key.get(4..8)?.try_into().ok()?);
    Some((Bucket(bucket as i32), run))
}

/// The key after all keys that begin with `prefix`.
pub(crate) fn end_of(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return prefix;
        }
        prefix.pop();
    }
    // Only a prefix of 0xff bytes has no end; no kind and no run of ours is one.
    vec![u8::MAX; 32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_golden() {
        let last = Place { metric: 0x0102_0304, series: SeriesRef(7) };
        assert_eq!(
            superchunk(Bucket(1), 2, 3, last, 4),
            [0x80, 0, 0, 1, 0, 0, 0, 2, b'c', 3, 1, 2, 3, 4, 0, 0, 0, 7, 0, 0, 0, 4]
        );
        assert_eq!(numbered(Bucket(-1), SERIES, 1, 9), [0x7f, 255, 255, 255, 0, 0, 0, 1, b's', 0, 0, 0, 9]);
        assert_eq!(open(5, SeriesRef(6)), [0, 0, 0, 0, 0, 0, 0, 5, b'o', 0, 0, 0, 6]);
        assert_eq!(accounts(5, SeriesRef(6)), [0, 0, 0, 0, 0, 0, 0, 5, b'i', 0, 0, 0, 6]);
        assert_eq!(
            rollups(Bucket(1), 2, last, 4),
            [0x80, 0, 0, 1, 0, 0, 0, 2, b'r', 1, 2, 3, 4, 0, 0, 0, 7, 0, 0, 0, 4]
        );
        assert_eq!(rollups_place(&rollups(Bucket(1), 2, last, 4)), Some(last));
        assert_eq!(state(), [0, 0, 0, 0, 255, 255, 255, 255, b'h']);
    }

    #[test]
    fn the_place_and_the_run_are_read_back() {
        let last = Place { metric: u32::MAX, series: SeriesRef(u32::MAX) };
        let key = superchunk(Bucket(-9), 77, 0, last, u32::MAX);
        assert_eq!((place(&key), parse(&key)), (Some(last), Some((Bucket(-9), 77))));
        assert!(end_of(key.clone()) > key);
    }
}
