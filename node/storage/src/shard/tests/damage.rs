//! Damaged rows and files: fewer samples and a warning, never wrong ones, never a panic.

use super::*;
use crate::disk::keys;
use crate::{DamagedKind, Forgotten, Repair};
use std::collections::BTreeMap;

const NOON: i64 = 20_000 * 86_400_000 + 43_200_000;

/// A compacted shard with some open samples on top, and what it should answer.
fn filled() -> (Place, BTreeMap<Labels, Vec<(i64, f64)>>) {
    let place = Place::new();
    let mut expected = BTreeMap::new();
    for i in 0..40 {
        let labels = labels(["up", "down"][i % 2], &format!("host-{i}"));
        let samples: Vec<_> =
            (0..500).map(|k| (NOON + k * 15_000 + i as i64, (k * 7919 % 1013) as f64)).collect();
        apply(&place.shard, 1, &floats(&labels, &samples[..400]));
        expected.insert(labels, samples);
    }
    place.shard.compact(0, true).expect("a compaction");
    for (labels, samples) in &expected {
        apply(&place.shard, 2, &floats(labels, &samples[400..]));
    }
    place.shard.checkpoint().expect("a checkpoint");
    (place, expected)
}

/// Everything that is answered is right; answers how many samples are missing.
fn missing(shard: &Arc<Shard>, expected: &BTreeMap<Labels, Vec<(i64, f64)>>) -> usize {
    let selection = shard.select(&[], TimeRange::ALL).expect("a selection");
    let (mut samples, mut found) = (Vec::new(), 0);
    selection.read(0..selection.len(), &mut samples).expect("samples");
    for (i, s) in samples.iter().enumerate() {
        let right: BTreeMap<i64, f64> = expected[&selection.labels(i)].iter().copied().collect();
        for (at, v) in s.floats.timestamps.iter().zip(&s.floats.values) {
            assert_eq!(right.get(at), Some(v), "a wrong sample was answered");
        }
        found += s.len();
    }
    let missing = expected.values().map(Vec::len).sum::<usize>() - found;
    if missing > 0 {
        assert!(
            !selection.warnings().is_empty() || shard.statistics().quarantined > 0,
            "{missing} samples are missing without a word"
        );
    }
    missing
}

fn rows(place: &Place) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = place.shard.db.rocks.raw_iterator_cf(place.shard.rows());
    cursor.seek_to_first();
    let mut out = Vec::new();
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        out.push((key.to_vec(), value.to_vec()));
        cursor.next();
    }
    out
}

#[test]
fn a_flipped_bit_in_any_row_costs_that_row_alone() {
    let (mut place, expected) = filled();
    assert_eq!(missing(&place.shard, &expected), 0);
    let rows = rows(&place);
    let kinds: std::collections::BTreeSet<u8> = rows.iter().map(|(key, _)| key[8]).collect();
    assert_eq!(kinds.len(), 6, "every kind of row is there");
    // samples do not depend on what was rolled up of them
    let needed = |key: &[u8]| *key != keys::state() && key[8] != keys::ROLLUPS;
    for (n, (key, value)) in rows.iter().filter(|(key, _)| needed(key)).enumerate() {
        let mut flipped = value.clone();
        let bit = n * 7919 % (flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        place.shard.db.rocks.put_cf(place.shard.rows(), key, flipped).expect("written");
        place = place.reopen();
        assert!(missing(&place.shard, &expected) > 0 || key[8] == keys::SERIES);
        assert!(place.shard.statistics().quarantined > 0);
        let compacted = place.shard.compact(0, false).expect("no error");
        assert_eq!(compacted.runs, 0);
        place.shard.db.rocks.put_cf(place.shard.rows(), key, value).expect("written");
        place = place.reopen();
        assert_eq!(missing(&place.shard, &expected), 0);
    }
}

#[test]
fn a_bucket_with_a_damaged_row_is_not_merged() {
    let (mut place, expected) = filled();
    let (key, value) = rows(&place).into_iter().find(|(key, _)| key[8] == keys::CHUNKS).expect("a chunk row");
    let mut flipped = value.clone();
    flipped[value.len() / 2] ^= 1;
    place.shard.db.rocks.put_cf(place.shard.rows(), &key, flipped).expect("written");
    assert_eq!(place.shard.compact(0, true).expect("no error").damaged_buckets, 1);
    place.shard.db.rocks.put_cf(place.shard.rows(), &key, value).expect("written");
    place = place.reopen();
    assert_eq!(missing(&place.shard, &expected), 0);
}

#[test]
fn a_damaged_state_row_is_said_at_the_start() {
    let (place, _) = filled();
    place.shard.db.rocks.put_cf(place.shard.rows(), keys::state(), b"nonsense").expect("written");
    let Place { dir, database, shard } = place;
    drop((shard, database));
    let database = Database::open(dir.path(), Options::default()).expect("the database opens");
    assert!(matches!(database.shard(ShardId(3)), Err(crate::Error::Damaged(ShardId(3)))));
}

#[test]
fn flipped_bits_in_table_files_give_errors_or_gaps_and_never_wrong_samples() {
    let (place, expected) = filled();
    let Place { dir, database, shard } = place;
    drop((shard, database));
    let tables: Vec<_> = std::fs::read_dir(dir.path())
        .expect("the directory is there")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "sst"))
        .collect();
    assert!(!tables.is_empty());
    for path in tables {
        let sound = std::fs::read(&path).expect("the file is there");
        for n in 0..12 {
            let mut flipped = sound.clone();
            let at = (sound.len() / 12) * n + n * 37 % 11;
            flipped[at] ^= 1 << (n % 8);
            std::fs::write(&path, flipped).expect("written");
            if let Ok(database) = Database::open(dir.path(), Options::default())
                && let Ok(shard) = database.shard(ShardId(3))
            {
                missing(&shard, &expected);
            }
        }
        std::fs::write(&path, sound).expect("written");
    }
}

#[test]
fn a_scrub_finds_what_is_damaged_and_a_rewrite_undoes_it_for_good() {
    let (mut place, expected) = filled();
    assert_eq!((place.shard.scrub(|_| {}).expect("a scrub").damaged, place.shard.damaged()), (0, vec![]));
    for kind in [keys::CHUNKS, keys::COLUMNS, keys::SERIES] {
        let whole = place.shard.digest(TimeRange::ALL).expect("a digest");
        let (key, mut value) = rows(&place).into_iter().find(|(key, _)| key[8] == kind).expect("a row");
        let middle = value.len() / 2;
        value[middle] ^= 1;
        place.shard.db.rocks.put_cf(place.shard.rows(), &key, value).expect("written");
        assert_eq!(place.shard.scrub(|_| {}).expect("a scrub").damaged, 1);
        let found = place.shard.damaged();
        assert_eq!((found.len(), found[0].repair), (1, Repair::Rewrite));
        assert!(found[0].start <= NOON + 39 && found[0].end >= NOON + 399 * 15_000);
        // What another replica has of that range comes again through the log.
        for (labels, samples) in &expected {
            let within = |at: i64| found[0].start <= at && at <= found[0].end;
            let again: Vec<_> = samples.iter().copied().filter(|(at, _)| within(*at)).collect();
            if found[0].series.as_ref().is_none_or(|named| named.contains(labels)) {
                apply(&place.shard, 3, &floats(labels, &again));
            }
        }
        let forgotten = place.shard.forget_damage(TimeRange::ALL).expect("rewritten");
        assert_eq!(forgotten, Forgotten { days: 1, left: 0 });
        for _ in 0..2 {
            assert_eq!(place.shard.digest(TimeRange::ALL).expect("a digest"), whole);
            assert_eq!(
                (place.shard.scrub(|_| {}).expect("a scrub").damaged, place.shard.damaged()),
                (0, vec![])
            );
            place = place.reopen();
        }
    }
}

#[test]
fn rows_that_are_missing_are_found_and_labels_missed_at_a_start_ask_for_a_replacement() {
    let (mut place, _) = filled();
    let (key, _) = rows(&place).into_iter().find(|(key, _)| key[8] == keys::CHUNKS).expect("a chunk row");
    place.shard.db.rocks.delete_cf(place.shard.rows(), &key).expect("deleted");
    assert_eq!(place.shard.scrub(|_| {}).expect("a scrub").damaged, 1);
    assert_eq!(place.shard.damaged()[0].kind, DamagedKind::Block);
    let (key, mut value) = rows(&place).into_iter().find(|(key, _)| key[8] == keys::SERIES).expect("labels");
    value[9] ^= 1;
    place.shard.db.rocks.put_cf(place.shard.rows(), &key, value).expect("written");
    place.shard.family.flush().expect("flushed");
    place = place.reopen();
    let found = place.shard.damaged();
    assert_eq!((found[0].kind, found[0].repair), (DamagedKind::Labels, Repair::Replace));
    let forgotten = place.shard.forget_damage(TimeRange::ALL).expect("no error");
    assert_eq!(forgotten, Forgotten { days: 0, left: 1 });
}

#[test]
fn a_database_whose_files_are_damaged_or_missing_says_what_to_do() {
    let (place, _) = filled();
    let Place { dir, database, shard } = place;
    drop((shard, database));
    let names: Vec<String> = std::fs::read_dir(dir.path())
        .expect("files")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let (mut tried, mut refused) = (0, 0);
    for name in names.iter().filter(|n| n.ends_with(".sst") || n.starts_with("MANIFEST") || *n == "CURRENT") {
        for what in ["missing", "empty", "cut"] {
            let image = tempfile::tempdir().expect("a directory");
            super::transfer::copy(dir.path(), image.path());
            let path = image.path().join(name);
            let bytes = std::fs::read(&path).expect("read");
            match what {
                "missing" => std::fs::remove_file(&path).expect("removed"),
                "empty" => std::fs::write(&path, b"").expect("written"),
                _ => std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written"),
            }
            tried += 1;
            let opened = Database::open(image.path(), Options::default());
            match opened.and_then(|database| database.shard(ShardId(3))) {
                Err(e) => {
                    let text = e.to_string();
                    assert!(
                        text.contains("replace this node") || text.contains("restore this shard"),
                        "{text}"
                    );
                    refused += 1;
                }
                Ok(_) => panic!("{name} {what}: it was opened"),
            }
        }
    }
    assert!(tried >= 9 && refused == tried);
}
