use super::piece::{Head, RowsPiece, Totals};
use crate::disk::family::{Family, unbound};
use crate::disk::keys;
use crate::disk::state::State;
use crate::{Error, Shard};
use bytes::Bytes;
use plimsoll_model::ShardId;
use rocksdb::{DB, DBRawIteratorWithThreadMode, Range, ReadOptions};
use std::sync::Arc;

/// Size at which a piece is closed.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes that are read from disk ahead of what was asked for.
const READ_AHEAD: usize = 2 << 20;

/// All of a shard as it was at one moment, handed out in pieces. Appends, checkpoints, merges and expiry go on
/// meanwhile; while it is held, the files it reads stay on disk.
pub struct ShardSnapshot {
    /// Pins the rows as they were when it was made: also those that expire meanwhile. Declared before `family`:
    /// fields are dropped in order, and the cursor must go before the database that the family keeps.
    cursor: DBRawIteratorWithThreadMode<'static, DB>,
    family: Arc<Family>,
    state: State,
    head: Head,
    totals: Totals,
    /// The bucket and run read last, as key bytes, and the rows of it that count.
    run: Option<Vec<u8>>,
    next: Next,
}

/// What comes next.
enum Next {
    Head,
    Rows,
    End,
    Nothing,
}

impl Shard {
    /// Writes a checkpoint and opens all of the shard as of it. Answers the whole content: a shard made of the
    /// pieces is equal to this one at that position.
    ///
    /// Damaged rows are handed out as they are, so that the copy knows of its damage as well.
    pub fn snapshot(&self) -> Result<ShardSnapshot, Error> {
        let mut durable = self.durable.lock();
        self.write_checkpoint(&mut durable, false)?;
        self.db.step("snapshot: open")?;
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(READ_AHEAD);
        // SAFETY: `cursor` is dropped before `family`, which keeps the database, and is never handed out.
        let rocks = unsafe { unbound(&self.db) };
        // Under the lock of `durable`, so that the rows are those that the state names.
        let mut cursor = rocks.raw_iterator_cf_opt(self.rows(), options);
        let state = durable.clone();
        drop(durable);
        cursor.seek_to_first();
        let position = state.position.clone().unwrap_or_default();
        let head = Head { shard: self.id, bytes: self.estimate(&state), position };
        Ok(ShardSnapshot {
            cursor,
            family: self.family.clone(),
            state,
            head,
            totals: Totals::default(),
            run: None,
            next: Next::Head,
        })
    }

    /// Bytes of all rows: exact for runs, about right for open streams.
    fn estimate(&self, state: &State) -> u64 {
        let (from, to) = (keys::run(keys::NO_DAY, 0), keys::state());
        let open = self.db.rocks.get_approximate_sizes_cf(self.rows(), &[Range::new(&from, &to)]);
        let runs = state.runs.values().flatten().map(|r| r.bytes);
        runs.chain(open).sum()
    }
}

impl ShardSnapshot {
    /// The shard.
    pub fn shard(&self) -> ShardId {
        self.head.shard
    }

    /// The position of the log that it covers; empty when nothing was ever applied.
    pub fn position(&self) -> &[u8] {
        &self.head.position
    }

    /// Estimate of the bytes of all rows.
    pub fn bytes(&self) -> u64 {
        self.head.bytes
    }

    /// The next piece, of a MiB or a row more; `None` at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.next {
            Next::Head => {
                self.next = Next::Rows;
                Ok(Some(self.head.encode().into()))
            }
            Next::Rows => {
                let piece = self.rows()?;
                Ok(Some(match piece {
                    Some(piece) => piece.into(),
                    None => {
                        self.next = Next::End;
                        self.totals.encode().into()
                    }
                }))
            }
            Next::End => {
                self.next = Next::Nothing;
                Ok(None)
            }
            Next::Nothing => Ok(None),
        }
    }

    fn rows(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.family.db.step("snapshot: rows")?;
        let mut piece = RowsPiece::new(PIECE_BYTES + (64 << 10));
        while piece.len() < PIECE_BYTES {
            let (Some(key), Some(value)) = (self.cursor.key(), self.cursor.value()) else { break };
            let run = key.get(..keys::RUN_BYTES).unwrap_or(key);
            if self.run.as_deref() != Some(run) {
                if !counts(&self.state, key) {
                    // Left over by a write that failed, or not deleted yet.
                    let after = keys::end_of(run.to_vec());
                    self.cursor.seek(after);
                    continue;
                }
                self.run = Some(run.to_vec());
            }
            self.totals.count(key, value);
            piece.put(key, value);
            self.cursor.next();
        }
        self.cursor.status()?;
        Ok((!piece.is_empty()).then(|| piece.seal()))
    }
}

/// Whether the rows of the run that `key` belongs to are part of the shard.
fn counts(state: &State, key: &[u8]) -> bool {
    match keys::parse(key) {
        Some((keys::NO_DAY, _)) if key == keys::state() => true,
        Some((keys::NO_DAY, run)) => state.open_run == Some(run),
        Some((bucket, run)) => state.is_live(bucket, run),
        None => false,
    }
}
