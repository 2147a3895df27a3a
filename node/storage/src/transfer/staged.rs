use super::Arrival;
use crate::disk::database::Database;
use crate::disk::folder::Folder;
use crate::disk::tables::Tables;
use crate::{Error, Shard};
use plimsoll_model::ShardId;
use std::sync::Arc;

/// A snapshot that arrives beside the present state of a shard. Dropping it discards what has come.
pub struct Staged {
    database: Database,
    id: ShardId,
    position: Vec<u8>,
    arrival: Arrival,
    tables: Tables,
    folder: Folder,
}

impl Database {
    /// Makes room for a snapshot of the shard that covers `position`; the present state stays as it is.
    pub fn stage(&self, id: ShardId, position: &[u8]) -> Result<Staged, Error> {
        let folder = self.folder(&format!("stage-{id}"))?;
        let tables = Tables::new(folder.path().to_owned(), "rows", self.inner.table_options().clone());
        let arrival = Arrival::default();
        Ok(Staged { database: self.clone(), id, position: position.to_vec(), arrival, tables, folder })
    }
}

impl Staged {
    /// Takes the next piece. After an error the snapshot has to be staged and sent anew.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Error> {
        let Self { id, arrival, tables, position, .. } = self;
        arrival.take(*id, piece, |key, value| tables.put(key, value))?;
        let refused = |reason: String| Err(Error::Snapshot { shard: *id, reason });
        match arrival.head() {
            Some(head) if head.shard != *id => refused(format!("it is one of {}", head.shard)),
            Some(head) if head.position != *position => refused("it covers another position".to_owned()),
            _ => Ok(()),
        }
    }

    /// Bytes of rows that have come.
    pub fn bytes(&self) -> u64 {
        self.arrival.totals().bytes
    }

    /// Estimate of the bytes of all rows; `None` before the first piece.
    pub fn expected_bytes(&self) -> Option<u64> {
        self.arrival.head().map(|head| head.bytes)
    }

    /// Puts the snapshot in the place of the present state, which its holders may still read but not write. Durable
    /// and at once: a crash leaves the old state or the new one, whole. Answers the new shard, opened.
    pub fn install(self) -> Result<Arc<Shard>, Error> {
        let Self { database, id, arrival, tables, folder, .. } = self;
        arrival.finish(id)?;
        let files = tables.finish()?;
        let shard = database.adopt(id, &files, None)?;
        drop(folder);
        Ok(shard)
    }
}
