//! A shard as files: whole and found in order, or refused with the reason.

use super::transfer::{copy, digest, fill};
use super::*;
use crate::backup::{self, Progress, Writer};
use crate::{Digest, Error};
use std::path::Path;

const ID: ShardId = ShardId(3);

/// A shard's digest without the position, which a restored one does not have.
fn content(shard: &Arc<Shard>) -> Digest {
    Digest { position: None, ..digest(shard) }
}

fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Backup { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// A backup of a filled shard.
fn made(dir: &Path) -> Place {
    let place = Place::new();
    fill(&place.shard, 1, "a");
    place.shard.compact(0, true).expect("a compaction");
    fill(&place.shard, 5, "b");
    let mut last = Progress::default();
    let mut snapshot = place.shard.snapshot().expect("a snapshot");
    let manifest = backup::write(&mut snapshot, dir, |p| {
        assert!(p.bytes >= last.bytes && p.bytes <= p.of);
        last = p;
    });
    let manifest = manifest.expect("a backup");
    assert_eq!((manifest.shard, manifest.bytes, manifest.position.len()), (3, last.bytes, 16));
    assert_eq!(backup::verify(dir, |_| {}).expect("it is whole"), manifest);
    place
}

#[test]
fn a_backup_is_restored_with_refs_series_and_samples_and_begins_a_new_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let a = made(dir.path());
    let database = Database::open(&dir.path().join("new"), Options::default()).expect("the database opens");
    let mut last = Progress::default();
    let restored = backup::restore(dir.path(), &database, ID, |p| last = p).expect("restored");
    assert!(last.bytes > 0 && last.bytes == last.of);
    drop((restored, database));
    let (database, restored) = open(&dir.path().join("new"), Options::default());
    assert_eq!((restored.position(), content(&restored)), (None, content(&a.shard)));
    for host in ["a", "c"] {
        let command = floats(&labels("up", host), &[(7, 1.0)]);
        assert_eq!(apply(&restored, 1, &command).refs, apply(&a.shard, 9, &command).refs);
    }
    restored.checkpoint().expect("a checkpoint");
    assert_eq!(restored.position().as_deref(), Some(&1u64.to_be_bytes()[..]));
    assert!(reason(backup::restore(dir.path(), &database, ID, |_| {})).contains("holds data already"));
    // The backup was not touched.
    backup::verify(dir.path(), |_| {}).expect("it is whole");
}

#[test]
fn a_backup_that_is_damaged_or_unfinished_is_refused_and_restores_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = made(dir.path());
    assert!(reason(Writer::create(dir.path(), ID).map(drop)).contains("already"));
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).expect("files").flatten().map(|e| e.file_name()).collect();
    assert!(names.len() >= 2);
    for name in names {
        for what in ["missing", "damaged", "cut"] {
            let image = tempfile::tempdir().expect("a directory");
            copy(dir.path(), image.path());
            let path = image.path().join(&name);
            let mut bytes = std::fs::read(&path).expect("read");
            let middle = bytes.len() / 2;
            match what {
                "missing" => std::fs::remove_file(&path).expect("removed"),
                "cut" => std::fs::write(&path, &bytes[..middle]).expect("written"),
                _ => {
                    bytes[middle] ^= 64;
                    std::fs::write(&path, &bytes).expect("written");
                }
            }
            reason(backup::verify(image.path(), |_| {}));
            let database = Database::open(&image.path().join("new"), Options::default()).expect("it opens");
            reason(backup::restore(image.path(), &database, ID, |_| {}));
            assert_eq!(database.shard(ID).expect("the shard").series_count(), 0);
            assert_eq!(std::fs::read_dir(image.path().join("new/compacting")).map_or(0, Iterator::count), 0);
        }
    }
    let unfinished = tempfile::tempdir().expect("a directory");
    let mut writer = Writer::create(unfinished.path(), ID).expect("a writer");
    let mut snapshot = place.shard.snapshot().expect("a snapshot");
    writer.push(&snapshot.next().expect("a piece").expect("the head")).expect("taken");
    assert!(matches!(writer.finish(), Err(Error::Snapshot { .. })));
    assert!(reason(backup::verify(unfinished.path(), |_| {})).contains("not finished"));
}

#[test]
fn a_backup_that_version_1_wrote_is_restored() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/backup-1");
    let data = tempfile::tempdir().expect("a directory");
    let database = Database::open(data.path(), Options::default()).expect("the database opens");
    let restored = backup::restore(&dir, &database, ID, |_| {}).expect("restored");
    let fresh = Place::new();
    fill(&fresh.shard, 1, "a");
    assert_eq!(content(&restored), content(&fresh.shard));
}
