//! Deletion by matchers and time.

use super::Shard;
use crate::Error;
use crate::disk::state::State;
use crate::index::Conditions;
use parking_lot::MutexGuard;
use plimsoll_model::{MatchOp, Matcher, TimeRange, Timestamp, varint};
use roaring::RoaringBitmap;
use std::sync::atomic::Ordering::SeqCst;

/// Tombstones of one day from which on no deletion should be begun: each is asked at every read of the day.
pub const MOST_TOMBSTONES: usize = 64;

/// Selectors of a deletion, and matchers of one, at most.
const MOST_MATCHERS: u64 = 1000;

/// What is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Tells it from others, so that one that comes twice is done once; 0 is done as often as it comes.
    pub number: u64,
    /// Series that meet all matchers of one of these,
    pub any_of: Vec<Vec<Matcher>>,
    /// and not all of one of these.
    pub none_of: Vec<Vec<Matcher>>,
    /// Their samples in this range.
    pub range: TimeRange,
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Series that had samples in a day of the range.
    pub series: u64,
    /// It had been done before: nothing was done.
    pub repeated: bool,
}

impl Deletion {
    /// Appends its bytes: varint number, signed first and last timestamp, the two lists. A list is varint selectors, of
    /// each varint matchers, of each u8 operator (0 `=`, 1 `!=`, 2 `=~`, 3 `!~`), then name and value with their lengths.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.number);
        varint::put_signed(out, self.range.start);
        varint::put_signed(out, self.range.end);
        for list in [&self.any_of, &self.none_of] {
            varint::put(out, list.len() as u64);
            for matchers in list {
                varint::put(out, matchers.len() as u64);
                for m in matchers {
                    out.push(match m.op {
                        MatchOp::Equal => 0,
                        MatchOp::NotEqual => 1,
                        MatchOp::Regex => 2,
                        MatchOp::NotRegex => 3,
                    });
                    for text in [&m.name, &m.value] {
                        varint::put(out, text.len() as u64);
                        out.extend_from_slice(text.as_bytes());
                    }
                }
            }
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` when the bytes are something else.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let input = &mut bytes;
        let number = varint::take(input)?;
        let range = TimeRange { start: varint::take_signed(input)?, end: varint::take_signed(input)? };
        let (any_of, none_of) = (take_list(input)?, take_list(input)?);
        input.is_empty().then_some(Self { number, any_of, none_of, range })
    }
}

fn take_list(input: &mut &[u8]) -> Option<Vec<Vec<Matcher>>> {
    let selectors = varint::take(input).filter(|n| *n <= MOST_MATCHERS)?;
    let mut list = Vec::new();
    for _ in 0..selectors {
        let matchers = varint::take(input).filter(|n| *n <= MOST_MATCHERS)?;
        list.push((0..matchers).map(|_| take_matcher(input)).collect::<Option<Vec<_>>>()?);
    }
    Some(list)
}

fn take_matcher(input: &mut &[u8]) -> Option<Matcher> {
    let op = match varint::take_bytes(input, 1)?[0] {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        _ => return None,
    };
    let mut text = || {
        let length = usize::try_from(varint::take(input)?).ok()?;
        String::from_utf8(varint::take_bytes(input, length)?.to_vec()).ok()
    };
    Some(Matcher::new(text()?, op, text()?))
}

impl Shard {
    /// Deletes samples, as the command of the log at `position`, which becomes the position of the shard. All that was
    /// applied before is covered by the position before it: no other command may be applied in the same call.
    ///
    /// Samples that are written afterwards stay, also with the same timestamps. Days that lie wholly in the range lose
    /// the series at once; the disk gives their space back when [`Shard::compact`] next merges the day. It decides which
    /// refs live on, so every replica must do it at the same position. Durable when it returns; after an error the
    /// shard must be opened anew from disk.
    pub fn delete(&self, position: &[u8], deletion: &Deletion) -> Result<Deleted, Error> {
        let mut durable = self.lock_pressing();
        let known = self.head.read().deletion(deletion.number).filter(|_| deletion.number != 0);
        if let Some(series) = known {
            self.head.write().position = Some(position.to_vec());
            return Ok(Deleted { series, repeated: true });
        }
        let range = self.deleted_range(deletion.range);
        let refs = self.matching_deletion(deletion, range)?;
        let done = Deleted { series: refs.len(), repeated: false };
        if !refs.is_empty() {
            {
                let _writer = self.writer.lock();
                self.head.write().close(&refs);
            }
            // All that goes is in runs afterwards, and nothing that comes later will be in one of them.
            self.write_checkpoint(&mut durable, false)?;
            let _writer = self.writer.lock();
            let mut index = self.index.write();
            let mut head = self.head.write();
            let gone = head.delete(&refs, range);
            index.remove(&gone);
        }
        {
            let mut head = self.head.write();
            if deletion.number != 0 {
                head.note_deletion(deletion.number, done.series);
            }
            head.position = Some(position.to_vec());
        }
        if !refs.is_empty() {
            let mut next = durable.clone();
            {
                let head = self.head.read();
                next.tombstones = (*head.tombstones).clone();
                next.deletions = head.deletions.clone();
                next.position = head.position.clone();
            }
            self.publish(&mut durable, next, false)?;
        }
        Ok(done)
    }

    /// What has expired needs no deletion; a day of which only that is left out is deleted as a whole.
    fn deleted_range(&self, range: TimeRange) -> TimeRange {
        let expired_before = self.head.read().expired_before;
        let start = if range.start <= expired_before { Timestamp::MIN } else { range.start };
        TimeRange { start, end: range.end }
    }

    /// The series that a deletion hits: those with samples in a day that meets its range.
    fn matching_deletion(&self, deletion: &Deletion, range: TimeRange) -> Result<RoaringBitmap, Error> {
        let prepare = |list: &[Vec<Matcher>]| -> Result<Vec<Conditions>, Error> {
            list.iter().map(|matchers| Conditions::new(matchers, &self.db.patterns)).collect()
        };
        let (any_of, none_of) = (prepare(&deletion.any_of)?, prepare(&deletion.none_of)?);
        let active = self.head.read().active_in(range);
        let index = self.index.read();
        let mut refs = RoaringBitmap::new();
        any_of.iter().for_each(|c| refs |= index.matching(c, &active));
        for c in &none_of {
            refs -= index.matching(c, &refs);
        }
        Ok(refs)
    }

    /// How many series a deletion would hit now, and about how many bytes of rows they have in the range.
    pub fn would_delete(&self, deletion: &Deletion) -> Result<(u64, u64), Error> {
        let range = self.deleted_range(deletion.range);
        let refs = self.matching_deletion(deletion, range)?;
        let head = self.head.read();
        let mut bytes = 0.0;
        for (bucket, runs) in head.runs.range(crate::bucket::Bucket::of(range.start)..) {
            let whole = bucket.range();
            if whole.start > range.end {
                break;
            }
            let Some(active) = head.active.get(bucket).filter(|a| !a.is_empty()) else { continue };
            // Series of a day weigh about the same; so does one hour of it as another.
            let series = refs.intersection_len(active) as f64 / active.len() as f64;
            let time = (range.end.min(whole.end) as f64 - range.start.max(whole.start) as f64)
                / (whole.end as f64 - whole.start as f64).max(1.0);
            bytes += runs.iter().map(|r| r.bytes as f64).sum::<f64>() * series * time.clamp(0.0, 1.0);
        }
        Ok((refs.len(), bytes as u64))
    }

    /// Whether so many deletions wait for their days to be merged that another one should wait too.
    pub fn has_room_for_deletion(&self) -> bool {
        self.head.read().tombstones.extent().0 < MOST_TOMBSTONES
    }

    /// Days whose rows still hold what was deleted.
    pub fn days_to_clean(&self) -> u64 {
        self.head.read().tombstones.extent().1 as u64
    }

    /// The lock of the state row, for a command of the log: a merge that holds it ends early.
    pub(super) fn lock_pressing(&self) -> MutexGuard<'_, State> {
        self.pressing.fetch_add(1, SeqCst);
        let durable = self.durable.lock();
        self.pressing.fetch_sub(1, SeqCst);
        durable
    }

    /// Whether a command waits for the lock of the state row.
    pub(super) fn is_pressed(&self) -> bool {
        self.pressing.load(SeqCst) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_is_golden_and_comes_back() {
        let deletion = Deletion {
            number: 300,
            any_of: vec![vec![Matcher::equal("a", "bc"), Matcher::new("d", MatchOp::NotRegex, "")]],
            none_of: vec![vec![]],
            range: TimeRange { start: -1, end: 2 },
        };
        let mut bytes = Vec::new();
        deletion.encode(&mut bytes);
        let golden = [
            0xac, 2, 1, 4, 1, 2, 0, 1, b'a', 2, b'b', b'c', 3, 1, b'd',
            0, // number, range, one selector of two
            1, 0, // and not one without any
        ];
        assert_eq!(bytes, golden);
        assert_eq!(Deletion::decode(&bytes), Some(deletion));
        for n in 0..bytes.len() {
            assert_eq!(Deletion::decode(&bytes[..n]), None);
        }
    }
}
