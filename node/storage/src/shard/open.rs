use super::Shard;
use super::damage::Damage;
use crate::Error;
use crate::bucket::Bucket;
use crate::disk::family::Family;
use crate::disk::series::SeriesRow;
use crate::disk::state::{self, State};
use crate::disk::tombstones::Tombstones;
use crate::disk::{Flaw, accounts, keys, open_streams};

use crate::head::Head;
use crate::index::Index;
use parking_lot::{Mutex, RwLock};
use plimsoll_model::{SeriesRef, ShardId};
use rocksdb::{ErrorKind, WriteBatch};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

impl Shard {
    /// Opens the shard as it was at its last checkpoint.
    pub(crate) fn open(family: Arc<Family>) -> Result<Self, Error> {
        let state = Self::read_state(&family)?.unwrap_or_default();
        let shard = Self {
            id: family.id,
            db: family.db.clone(),
            family,
            durable: Mutex::new(State::default()),
            writer: Mutex::default(),
            index: RwLock::default(),
            head: RwLock::default(),
            damage: Damage::default(),
            pressing: AtomicU32::default(),
        };
        shard.sweep_orphans(&state)?;
        shard.load(&state)?;
        *shard.durable.lock() = state;
        Ok(shard)
    }

    fn read_state(family: &Family) -> Result<Option<State>, Error> {
        let row = family.db.rocks.get_cf(family.handle(), keys::state());
        let Some(value) = row.map_err(|e| at_start(family.id, e))? else { return Ok(None) };
        let state = State::decode(&value).map_err(|flaw| match flaw {
            Flaw::Damaged => Error::Damaged(family.id),
            Flaw::Version(found) => Error::Version { shard: family.id, found, known: state::VERSION },
        });
        state.map(Some)
    }

    /// Changes the state row of a shard that nobody has opened.
    pub(crate) fn edit_state(family: &Family, edit: &dyn Fn(&mut State)) -> Result<(), Error> {
        let mut state = Self::read_state(family)?.ok_or(Error::Damaged(family.id))?;
        edit(&mut state);
        let mut batch = WriteBatch::default();
        batch.put_cf(family.handle(), keys::state(), state.encode());
        family.write(batch)?;
        family.flush()
    }

    fn load(&self, state: &State) -> Result<(), Error> {
        let (mut index, mut head) = (self.index.write(), self.head.write());
        // Newest first: older buckets mostly name series that are known by then, whose labels need no unpacking.
        for (bucket, runs) in state.runs.iter().rev() {
            for run in runs {
                self.load_series(*bucket, run.id, &state.tombstones, &mut index, &mut head)?;
            }
        }
        index.set_next_ref(state.next_ref);
        if let Some(run) = state.open_run {
            self.load_open(run, &mut head)?;
            self.load_accounts(run, &mut head)?;
        }
        head.runs = Arc::new(state.runs.clone());
        head.position = state.position.clone();
        head.expired_before = state.expired_before;
        head.tombstones = Arc::new(state.tombstones.clone());
        head.deletions = state.deletions.clone();
        Ok(())
    }

    fn load_series(
        &self,
        bucket: Bucket,
        run: u32,
        tombstones: &Tombstones,
        index: &mut Index,
        head: &mut Head,
    ) -> Result<(), Error> {
        // What was deleted for the whole day is not in this day any more, whatever its rows name.
        let deleted = tombstones.deleted_for_all_of(bucket, run);
        let lives = |r: &SeriesRef| !deleted.contains(r.0);
        let prefix = keys::kind(bucket, run, keys::SERIES);
        self.for_each_row(prefix, |key, value| {
            let Ok(row) = SeriesRow::parse(value) else { return self.damage.missed(key.to_vec()) };
            if row.refs.iter().any(|r| lives(r) && index.entry(*r).is_none()) {
                let Ok(labels) = row.labels() else { return self.damage.missed(key.to_vec()) };
                for (r, labels) in row.refs.iter().zip(&labels).filter(|(r, _)| lives(r)) {
                    index.restore(*r, labels);
                }
            }
            row.refs.iter().filter(|r| lives(r)).for_each(|r| head.restore(*r, bucket));
        })
    }

    fn load_open(&self, run: u32, head: &mut Head) -> Result<(), Error> {
        self.for_each_row(keys::kind(keys::NO_DAY, run, keys::OPEN), |key, value| {
            match open_streams::parse(value) {
                Ok(streams) => streams.into_iter().for_each(|(r, open)| head.restore_open(r, open)),
                Err(_) => self.damage.missed(key.to_vec()),
            }
        })
    }

    fn load_accounts(&self, run: u32, head: &mut Head) -> Result<(), Error> {
        let Head { series, increases, .. } = head;
        self.for_each_row(keys::kind(keys::NO_DAY, run, keys::ACCOUNTS), |key, value| {
            if accounts::restore(value, increases, |r| series.get(r).is_some()).is_err() {
                self.damage.missed(key.to_vec());
            }
        })
    }

    fn for_each_row(&self, prefix: Vec<u8>, mut f: impl FnMut(&[u8], &[u8])) -> Result<(), Error> {
        let mut options = rocksdb::ReadOptions::default();
        options.set_iterate_upper_bound(keys::end_of(prefix.clone()));
        options.fill_cache(false);
        let mut cursor = self.db.rocks.raw_iterator_cf_opt(self.rows(), options);
        cursor.seek(prefix);
        while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
            f(key, value);
            cursor.next();
        }
        cursor.status().map_err(|e| at_start(self.id, e))
    }

    /// Deletes rows of runs that the state does not name: writes that a crash cut short. Jumps from run to run, so
    /// its cost is that of the number of runs.
    fn sweep_orphans(&self, state: &State) -> Result<(), Error> {
        let family = self.rows();
        let mut batch = WriteBatch::default();
        let mut cursor = self.db.rocks.raw_iterator_cf_opt(family, rocksdb::ReadOptions::default());
        cursor.seek_to_first();
        while let Some(key) = cursor.key() {
            if key == keys::state() {
                cursor.next();
                continue;
            }
            let Some((bucket, run)) = keys::parse(key) else {
                self.damage.quarantine(key.to_vec());
                cursor.next();
                continue;
            };
            let live =
                if bucket == keys::NO_DAY { state.open_run == Some(run) } else { state.is_live(bucket, run) };
            let prefix = keys::run(bucket, run);
            let end = keys::end_of(prefix.clone());
            if !live {
                batch.delete_range_cf(family, prefix, end.clone());
            }
            cursor.seek(end);
        }
        cursor.status().map_err(|e| at_start(self.id, e))?;
        if batch.is_empty() { Ok(()) } else { self.family.write(batch) }
    }
}

/// What RocksDB finds damaged in the rows that a start needs.
fn at_start(id: ShardId, e: rocksdb::Error) -> Error {
    if e.kind() == ErrorKind::Corruption { Error::Damaged(id) } else { Error::Disk(e) }
}
