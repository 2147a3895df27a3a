//! Which shards a database holds, which are open, and how one takes the place of another.

use super::database::{Database, Inner};
use super::family::Family;
use super::generation;
use super::state::State;
use crate::{Error, Shard};
use plimsoll_model::ShardId;
use rocksdb::IngestExternalFileOptions;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

/// The shards of a database.
#[derive(Default)]
pub(crate) struct Shards(BTreeMap<ShardId, Present>);

/// A shard that has a column family.
#[derive(Default)]
struct Present {
    generation: u32,
    /// While somebody holds it: all handles of a generation must know when it is dropped.
    family: Weak<Family>,
    open: Weak<Shard>,
}

impl Shards {
    /// Names of the column families that count.
    pub(crate) fn families(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(id, present)| generation::family(*id, present.generation))
    }
}

impl Inner {
    /// Finds the generation of each shard that counts, and drops the others: a crash left them.
    pub(crate) fn find_shards(&self, names: &[String]) -> Result<(), Error> {
        let mut shards = self.shards.lock();
        for (name, (id, found)) in names.iter().filter_map(|n| generation::parse(n).map(|g| (n, g))) {
            if found == self.generation_row(id)? {
                shards.0.insert(id, Present { generation: found, ..Present::default() });
            } else {
                self.rocks.drop_cf(name)?;
            }
        }
        Ok(())
    }

    fn generation_row(&self, id: ShardId) -> Result<u32, Error> {
        match self.node_row(&generation::key(id))? {
            Some(value) => generation::decode(&value).ok_or(Error::Generation(id)),
            None => Ok(0),
        }
    }
}

impl Database {
    /// The shard, opened with its index loaded; one that does not exist is made, empty.
    pub fn shard(&self, id: ShardId) -> Result<Arc<Shard>, Error> {
        if let Some(open) = self.inner.shards.lock().0.get(&id).and_then(|p| p.open.upgrade()) {
            return Ok(open);
        }
        self.reopen(id)
    }

    /// As [`Self::shard`], but from disk even when it is open: for a shard whose writer crashed. Handles of before
    /// may still be read; nothing may be applied to them or written through them any more.
    pub fn reopen(&self, id: ShardId) -> Result<Arc<Shard>, Error> {
        let mut shards = self.inner.shards.lock();
        let present = match shards.0.entry(id) {
            Entry::Occupied(present) => present.into_mut(),
            Entry::Vacant(absent) => {
                let generation = self.inner.generation_row(id)?;
                self.create(&generation::family(id, generation))?;
                absent.insert(Present { generation, ..Present::default() })
            }
        };
        let family = self.family(id, present)?;
        let shard = Arc::new(Shard::open(family)?);
        present.open = Arc::downgrade(&shard);
        Ok(shard)
    }

    /// Shards that have a column family.
    pub fn shards(&self) -> Vec<ShardId> {
        self.inner.shards.lock().0.keys().copied().collect()
    }

    /// Removes all data of the shard. Who holds it may still read it, and gets [`Error::Gone`] on writing;
    /// [`Self::shard`] makes an empty one afterwards. Its disk space is free when nobody holds it any more.
    pub fn destroy(&self, id: ShardId) -> Result<(), Error> {
        let mut shards = self.inner.shards.lock();
        let Some(present) = shards.0.get_mut(&id) else { return Ok(()) };
        self.inner.step("destroy: drop")?;
        self.family(id, present)?.remove()?;
        shards.0.remove(&id);
        Ok(())
    }

    /// Makes a shard of table files and puts it in the place of the present one, durably and at once: after a crash
    /// there is the old one or the new one, whole. `edit` changes its state before it counts.
    /// The files are moved into the database.
    pub(crate) fn adopt(
        &self,
        id: ShardId,
        files: &[PathBuf],
        edit: Option<&dyn Fn(&mut State)>,
    ) -> Result<Arc<Shard>, Error> {
        let mut shards = self.inner.shards.lock();
        let old = match shards.0.get_mut(&id) {
            Some(present) => Some(self.family(id, present)?),
            None => None,
        };
        let generation = self.inner.generation_row(id)?.wrapping_add(1);
        let name = generation::family(id, generation);
        self.create(&name)?;
        let family = Arc::new(Family::new(self.inner.clone(), id, name)?);
        let built = self.build(&family, files, edit);
        let shard = match built {
            Ok(shard) => shard,
            Err(e) => {
                // Nothing names it yet. What cannot be dropped now is dropped when the database is opened.
                let _ = family.remove();
                return Err(e);
            }
        };
        // After an error here nobody knows which generation counts: both stay until the database is opened again.
        self.inner.step("adopt: switch")?;
        self.inner.put_node_row(&generation::key(id), &generation::encode(generation))?;
        let open = Arc::downgrade(&shard);
        shards.0.insert(id, Present { generation, family: Arc::downgrade(&family), open });
        self.inner.step("adopt: drop")?;
        if let Some(old) = old {
            old.remove()?;
        }
        Ok(shard)
    }

    /// The next generation, complete but not counting yet.
    fn build(
        &self,
        family: &Arc<Family>,
        files: &[PathBuf],
        edit: Option<&dyn Fn(&mut State)>,
    ) -> Result<Arc<Shard>, Error> {
        self.inner.step("adopt: ingest")?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        family.ingest(files, &options)?;
        if let Some(edit) = edit {
            self.inner.step("adopt: edit")?;
            Shard::edit_state(family, edit)?;
        }
        self.inner.step("adopt: open")?;
        // Opened before it counts: what cannot be opened must not replace anything.
        let shard = Arc::new(Shard::open(family.clone())?);
        Ok(shard)
    }

    fn create(&self, name: &str) -> Result<(), Error> {
        if self.inner.rocks.cf_handle(name).is_some() {
            // An attempt before this one could not drop it.
            self.inner.rocks.drop_cf(name)?;
        }
        Ok(self.inner.rocks.create_cf(name, self.inner.table_options())?)
    }

    fn family(&self, id: ShardId, present: &mut Present) -> Result<Arc<Family>, Error> {
        if let Some(family) = present.family.upgrade() {
            return Ok(family);
        }
        let name = generation::family(id, present.generation);
        let family = Arc::new(Family::new(self.inner.clone(), id, name)?);
        present.family = Arc::downgrade(&family);
        Ok(family)
    }
}
