use super::manifest::{FORMAT, empty_folder, shard_folder};
use super::progress::Meter;
use super::{Error, Manifest};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use plimsoll_client::Client;
use plimsoll_model::ShardId;
use plimsoll_storage::backup::{self, Progress};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;

/// Version of the pieces that this program understands.
const PIECES_FORMAT: u64 = 1;
/// Shards that are fetched at a time: enough to keep the disk busy while one waits for its leader's checkpoint.
const AT_A_TIME: usize = 3;
/// How often a shard is begun again. With the pauses it outlasts a leader that fails over, not a cluster that is down.
const REPEATS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Pieces of a shard, each about a MiB, that wait for the disk.
const PIECES: usize = 4;
/// A cluster has no more shards.
const MAX_SHARDS: u64 = 256;

/// A backup that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What it holds.
    pub manifest: Manifest,
    /// How often a shard was begun again.
    pub repeats: u32,
}

/// Takes a backup of the cluster behind `client` into `dir`, which must be empty, and reads it back. All samples
/// acknowledged before the call are in it. After an error nothing is left in `dir`.
pub async fn take(client: &Client, dir: &Path, meter: &Meter) -> Result<Taken, Error> {
    let began = now();
    let info = client.backup_info().await?;
    if info.format > PIECES_FORMAT {
        let what = "what the node sends".to_owned();
        return Err(Error::Newer { what, found: info.format, known: PIECES_FORMAT });
    }
    if info.shards == 0 || info.shards > MAX_SHARDS {
        let reason = format!("a cluster of {} shards", info.shards);
        return Err(plimsoll_client::Error::Answer { url: client.url().to_owned(), reason }.into());
    }
    let shards: Vec<u16> = (0..info.shards as u16).collect();
    empty_folder(dir)?;
    let fetched = fetch_all(client, dir, &shards, meter).await;
    let taken = match fetched {
        Ok((fetched, repeats)) => {
            finish(dir, info.cluster, began, fetched, meter).await.map(|m| (m, repeats))
        }
        Err(e) => Err(e),
    };
    let (manifest, repeats) = taken.inspect_err(|_| {
        for shard in &shards {
            // the error that is told counts; a folder without the manifest is refused all the same
            let _ = remove(&shard_folder(dir, *shard));
        }
    })?;
    Ok(Taken { manifest, repeats })
}

async fn fetch_all(
    client: &Client,
    dir: &Path,
    shards: &[u16],
    meter: &Meter,
) -> Result<(Vec<backup::Manifest>, u32), Error> {
    // an estimate for the bar: a cluster that does not tell is backed up all the same
    let sizes = client.cluster().await.map(|cluster| cluster.shards).unwrap_or_default();
    let size = |shard: &u16| sizes.iter().find(|s| s.id == u64::from(*shard)).map_or(0, |s| s.bytes);
    meter.begin("backup", shards.iter().map(size));
    let fetched = futures::stream::iter(shards.iter().map(|shard| fetch(client, dir, *shard, meter)));
    let mut fetched: Vec<(backup::Manifest, u32)> = fetched.buffer_unordered(AT_A_TIME).try_collect().await?;
    fetched.sort_unstable_by_key(|(manifest, _)| manifest.shard);
    let repeats = fetched.iter().map(|(_, repeats)| repeats).sum();
    Ok((fetched.into_iter().map(|(manifest, _)| manifest).collect(), repeats))
}

/// Reads everything back, then says that the backup is one.
async fn finish(
    dir: &Path,
    cluster: String,
    began: String,
    shards: Vec<backup::Manifest>,
    meter: &Meter,
) -> Result<Manifest, Error> {
    let manifest = Manifest {
        format: FORMAT,
        cluster,
        began,
        ended: now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rows: shards.iter().map(|s| s.rows).sum(),
        bytes: shards.iter().map(|s| s.bytes).sum(),
        shards,
    };
    let (dir, meter) = (dir.to_owned(), meter.clone());
    blocking(move || {
        meter.begin("verify", manifest.shards.iter().map(backup::Manifest::file_bytes));
        for shard in &manifest.shards {
            check(&dir, shard, |p| meter.set(shard.shard, p))?;
        }
        manifest.save(&dir)?;
        Ok(manifest)
    })
    .await
}

/// Checks that the folder of a shard holds what `expected` says.
fn check(dir: &Path, expected: &backup::Manifest, progress: impl FnMut(Progress)) -> Result<(), Error> {
    let folder = shard_folder(dir, expected.shard);
    if backup::verify(&folder, progress)? == *expected {
        return Ok(());
    }
    let reason = "its manifest is not the one that was written".to_owned();
    Err(Error::Damaged { path: folder, reason })
}

/// Fetches a shard, from its beginning again when the stream is cut. Answers how often that was.
async fn fetch(
    client: &Client,
    dir: &Path,
    shard: u16,
    meter: &Meter,
) -> Result<(backup::Manifest, u32), Error> {
    let (mut pause, mut repeats) = (FIRST_PAUSE, 0);
    loop {
        match fetch_once(client, dir, shard, meter).await {
            Ok(manifest) => return Ok((manifest, repeats)),
            Err(e) if repeats < REPEATS && e.is_worth_repeating() => {
                tracing::debug!(shard, error = %e, "a shard's backup is begun again");
            }
            Err(e) => return Err(e),
        }
        tokio::time::sleep(pause).await;
        (pause, repeats) = (pause * 2, repeats + 1);
    }
}

async fn fetch_once(
    client: &Client,
    dir: &Path,
    shard: u16,
    meter: &Meter,
) -> Result<backup::Manifest, Error> {
    let folder = shard_folder(dir, shard);
    let mut pieces = client.backup_shard(u64::from(shard)).await?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let meter = meter.clone();
    let written = tokio::spawn(blocking(move || {
        remove(&folder)?;
        write(&folder, shard, receiver, &meter)
    }));
    let copied = async {
        while let Some(piece) = pieces.next().await? {
            if sender.send(Some(piece)).await.is_err() {
                // the writer has an error to tell
                return Ok(());
            }
        }
        let _ = sender.send(None).await;
        Ok::<(), Error>(())
    };
    let copied = copied.await;
    drop(sender);
    let written = match written.await {
        Ok(written) => written,
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    };
    // a stream that was cut is the cause of a writer that ends early
    copied?;
    written
}

/// Writes the pieces of a shard; the last one is `None`.
fn write(
    folder: &Path,
    shard: u16,
    mut pieces: mpsc::Receiver<Option<Bytes>>,
    meter: &Meter,
) -> Result<backup::Manifest, Error> {
    let mut writer = backup::Writer::create(folder, ShardId(shard))?;
    while let Some(Some(piece)) = pieces.blocking_recv() {
        writer.push(&piece)?;
        meter.set(shard, writer.progress());
    }
    // refuses to finish when the stream was cut: its last piece is missing
    Ok(writer.finish()?)
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(folder)(e)),
        _ => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    }
}

fn now() -> String {
    // fails for years beyond 9999 alone
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
