use super::manifest::{empty_folder, shard_folder};
use super::progress::Meter;
use super::{Error, Manifest};
use crate::boot::Folder;
use crate::cluster::Identity;
use plimsoll_model::ShardId;
use plimsoll_storage::{Database, Options, backup};
use std::path::Path;

/// A data folder that was made of a backup.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Its shards.
    pub shards: usize,
    /// Their series.
    pub series: u64,
    /// Bytes of the backup's files.
    pub bytes: u64,
    /// When the backup began.
    pub taken: String,
}

/// Makes `data_dir`, which must be empty, the folder of the only node of a new cluster with what the backup in `from`
/// holds. Whole or not at all: a node refuses a folder whose restore was not finished. Blocks.
pub fn restore(from: &Path, data_dir: &Path, meter: &Meter) -> Result<Restored, Error> {
    let manifest = Manifest::load(from)?;
    // the small files first: nothing is copied of a backup that is not all there
    for shard in &manifest.shards {
        present(from, shard)?;
    }
    empty_folder(data_dir)?;
    let folder = Folder::begin_restore(data_dir).map_err(Error::Folder)?;
    let filled = fill(from, &manifest, &folder, meter).and_then(|series| {
        folder.end_restore().map_err(Error::Folder)?;
        Ok(series)
    });
    // the error that is told counts; what is left then is marked as unfinished
    let series = filled.inspect_err(|_| drop(folder.discard()))?;
    Ok(Restored {
        shards: manifest.shards.len(),
        series,
        bytes: manifest.file_bytes(),
        taken: manifest.began,
    })
}

/// Checks that a shard's folder is the one that the manifest of the whole speaks of.
fn present(from: &Path, expected: &backup::Manifest) -> Result<(), Error> {
    let folder = shard_folder(from, expected.shard);
    if backup::Manifest::load(&folder)? == *expected {
        return Ok(());
    }
    let reason = format!("its manifest is not the one that {} lists", super::manifest::NAME);
    Err(Error::Damaged { path: folder, reason })
}

fn fill(from: &Path, manifest: &Manifest, folder: &Folder, meter: &Meter) -> Result<u64, Error> {
    let database = Database::open(&folder.store(), Options::default())?;
    meter.begin("restore", manifest.shards.iter().map(backup::Manifest::file_bytes));
    let mut series = 0;
    for shard in &manifest.shards {
        let (source, id) = (shard_folder(from, shard.shard), ShardId(shard.shard));
        let restored = backup::restore(&source, &database, id, |p| meter.set(shard.shard, p))?;
        series += restored.series_count();
    }
    // last: with it the folder is that of a node, which begins the groups of its shards at its first start
    Identity::founder(manifest.shards.len() as u16).save(&database).map_err(Error::Folder)?;
    Ok(series)
}
