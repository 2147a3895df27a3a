use super::Shard;
use crate::Error;
use crate::bucket::Bucket;
use crate::disk::keys::{self, RunId};
use crate::disk::superchunk::Superchunk;
use crate::disk::{frame, state::Run};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions};

/// Bytes between two calls for progress.
const STEP_BYTES: u64 = 8 << 20;

/// What a scrub has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Rows read.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Rows, or ranges of rows, that are damaged; [`Shard::damaged`] tells which.
    pub damaged: u64,
}

type Cursor<'a> = DBRawIteratorWithThreadMode<'a, DB>;

impl Shard {
    /// Reads every row as of now and verifies it. What is damaged is noted: see [`Shard::damaged`]. Appends, reads and
    /// checkpoints go on. `progress` is called every few MiB and may take its time: so a scrub is slowed down.
    pub fn scrub(&self, mut progress: impl FnMut(Scrubbed)) -> Result<Scrubbed, Error> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(1 << 20);
        let (mut cursor, state) = {
            // The rows are those that the state names.
            let durable = self.durable.lock();
            (self.db.rocks.raw_iterator_cf_opt(self.rows(), options), durable.clone())
        };
        let (mut done, mut told) = (Scrubbed::default(), 0);
        if let Some(run) = state.open_run {
            self.scrub_run(&mut cursor, keys::NO_DAY, run, None, &mut done);
        }
        for (bucket, runs) in &state.runs {
            for run in runs {
                self.scrub_run(&mut cursor, *bucket, run.id, Some(run), &mut done);
                if done.bytes - told >= STEP_BYTES {
                    told = done.bytes;
                    progress(done);
                }
            }
        }
        progress(done);
        Ok(done)
    }

    fn scrub_run(
        &self,
        cursor: &mut Cursor<'_>,
        bucket: Bucket,
        id: RunId,
        run: Option<&Run>,
        done: &mut Scrubbed,
    ) {
        let prefix = keys::run(bucket, id);
        let (mut samples, before) = (0, done.damaged);
        cursor.seek(&prefix);
        while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
            if !key.starts_with(&prefix) {
                break;
            }
            done.rows += 1;
            done.bytes += (key.len() + value.len()) as u64;
            let sound = if key.get(keys::RUN_BYTES) == Some(&keys::CHUNKS) {
                let row = Superchunk::parse(value);
                samples += row.as_ref().map_or(0, |r| r.slots().iter().map(|s| u64::from(s.samples)).sum());
                row.is_ok()
            } else {
                frame::open(value).is_ok()
            };
            if !sound {
                done.damaged += 1;
                self.damage.quarantine(key.to_vec());
            }
            cursor.next();
        }
        // RocksDB refuses a block, or rows went with a file: nobody knows which.
        let missing = done.damaged == before && run.is_some_and(|r| r.samples != samples);
        if cursor.status().is_err() || missing {
            done.damaged += 1;
            self.damage.quarantine(prefix);
        }
    }
}
