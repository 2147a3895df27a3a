use super::manifest::{File, Manifest};
use super::{Progress, refused};
use crate::disk::database::family_options;
use crate::disk::tables::Tables;
use crate::transfer::Arrival;
use crate::{Error, ShardSnapshot};
use plimsoll_model::ShardId;
use std::io::Read;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Bytes that are read at a time.
pub(super) const READ_BYTES: usize = 1 << 20;

/// Writes the pieces of a snapshot as they arrive. A folder that was not finished is no backup and may be deleted.
pub struct Writer {
    dir: PathBuf,
    id: ShardId,
    arrival: Arrival,
    tables: Tables,
}

impl Writer {
    /// A writer of the shard's snapshot into `dir`, which is made when it is not there and must hold no backup.
    pub fn create(dir: &Path, id: ShardId) -> Result<Self, Error> {
        std::fs::create_dir_all(dir)?;
        if Manifest::exists(dir) {
            return Err(refused(dir, "it holds a backup already; choose another folder"));
        }
        let tables = Tables::new(dir.to_owned(), "rows", family_options(None));
        Ok(Self { dir: dir.to_owned(), id, arrival: Arrival::default(), tables })
    }

    /// Takes the next piece of [`ShardSnapshot::next`].
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Error> {
        let Self { arrival, tables, id, .. } = self;
        arrival.take(*id, piece, |key, value| tables.put(key, value))?;
        match arrival.head() {
            Some(head) if head.shard != *id => {
                Err(Error::Snapshot { shard: *id, reason: format!("it is one of {}", head.shard) })
            }
            _ => Ok(()),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let bytes = self.arrival.totals().bytes;
        Progress { bytes, of: self.arrival.head().map_or(bytes, |head| head.bytes.max(bytes)) }
    }

    /// Ends the backup: from now on it counts. Fails when pieces are missing.
    pub fn finish(self) -> Result<Manifest, Error> {
        let head = self.arrival.finish(self.id)?;
        let totals = self.arrival.totals();
        let mut files = Vec::new();
        for path in self.tables.finish()? {
            files.push(describe(&path)?);
        }
        let manifest = Manifest::new(self.id.0, &head.position, totals.rows, totals.bytes, files);
        manifest.save(&self.dir)?;
        Ok(manifest)
    }
}

/// Writes a whole snapshot into `dir`.
pub fn write(
    snapshot: &mut ShardSnapshot,
    dir: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Manifest, Error> {
    let mut writer = Writer::create(dir, snapshot.shard())?;
    while let Some(piece) = snapshot.next()? {
        writer.push(&piece)?;
        progress(writer.progress());
    }
    writer.finish()
}

fn describe(path: &Path) -> Result<File, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (mut hasher, mut bytes) = (Xxh3::new(), 0);
    read(path, |part| {
        hasher.update(part);
        bytes += part.len() as u64;
        Ok(())
    })?;
    Ok(File { name, bytes, xxh3: hex(&hasher) })
}

pub(super) fn hex(hasher: &Xxh3) -> String {
    format!("{:032x}", hasher.digest128())
}

/// Calls `f` with the content of a file, part by part.
pub(super) fn read(path: &Path, mut f: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => f(&buffer[..n])?,
        }
    }
}
