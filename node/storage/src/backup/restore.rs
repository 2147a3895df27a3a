use super::manifest::{File, Manifest};
use super::writer::{hex, read};
use super::{Progress, refused};
use crate::disk::database::Database;
use crate::{Error, Shard};
use plimsoll_model::ShardId;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Checks that every file is there and is what was written. Answers what the backup holds.
pub fn verify(dir: &Path, mut progress: impl FnMut(Progress)) -> Result<Manifest, Error> {
    let manifest = Manifest::load(dir)?;
    let mut done = Progress { bytes: 0, of: manifest.file_bytes() };
    for file in &manifest.files {
        pass(dir, file, &mut done, &mut progress, |_| Ok(()))?;
    }
    Ok(manifest)
}

/// Makes the shard `id` of the backup in `dir`: series, refs and samples are those of the backup, and there is no
/// position, because the shard begins a new log. The shard must be empty. Durable and whole, or nothing.
///
/// Whoever starts the shard's raft group must write a checkpoint and purge the log before other members join: the
/// log alone does not hold what was restored.
pub fn restore(
    dir: &Path,
    database: &Database,
    id: ShardId,
    mut progress: impl FnMut(Progress),
) -> Result<Arc<Shard>, Error> {
    let manifest = Manifest::load(dir)?;
    let present = database.shard(id)?;
    if present.series_count() > 0 || present.position().is_some() {
        return Err(refused(dir, format!("{id} holds data already; restore into an empty data folder")));
    }
    let folder = database.folder(&format!("restore-{id}"))?;
    let mut done = Progress { bytes: 0, of: manifest.file_bytes() };
    let mut files = Vec::with_capacity(manifest.files.len());
    for (n, file) in manifest.files.iter().enumerate() {
        let path = folder.path().join(format!("{n}.sst"));
        let mut copy = std::fs::File::create(&path)?;
        pass(dir, file, &mut done, &mut progress, |part| Ok(copy.write_all(part)?))?;
        copy.sync_all()?;
        files.push(path);
    }
    database.adopt(id, &files, Some(&|state| state.position = None))
}

/// Hands a file to `take` part by part and checks it.
fn pass(
    dir: &Path,
    file: &File,
    done: &mut Progress,
    progress: &mut impl FnMut(Progress),
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (path, mut hasher) = (dir.join(&file.name), Xxh3::new());
    if !path.is_file() {
        return Err(refused(dir, format!("{} is missing; use another backup", file.name)));
    }
    read(&path, |part| {
        hasher.update(part);
        take(part)?;
        done.bytes += part.len() as u64;
        progress(*done);
        Ok(())
    })?;
    if hex(&hasher) == file.xxh3 {
        Ok(())
    } else {
        Err(refused(dir, format!("{} is damaged: its checksum differs; use another backup", file.name)))
    }
}
