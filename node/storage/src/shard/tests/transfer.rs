//! A shard that is copied, replaced, removed: always one state, whole.

use super::*;
use crate::disk::database::FaultHook;
use crate::{Digest, Error, Staged};
use plimsoll_model::Histogram;
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const DAY: i64 = 86_400_000;
const NOON: i64 = 20_000 * DAY + DAY / 2;
const ID: ShardId = ShardId(3);

/// Chunks, late samples, histograms, open streams, two days, a stale marker.
pub(super) fn fill(shard: &Shard, from: u64, host: &str) {
    for (i, name) in ["up", "down", "idle"].iter().enumerate() {
        let samples: Vec<(i64, f64)> =
            (0..400).map(|k| (NOON + k * 200_000, (k * 7 + i as i64) as f64 / 3.0)).collect();
        apply(shard, from + i as u64, &floats(&labels(name, host), &samples));
        apply(
            shard,
            from + i as u64,
            &floats(&labels(name, host), &[(NOON + 1, -0.0), (NOON + 3, f64::NAN)]),
        );
    }
    let command = command(|b| {
        let d = Target::Defined(b.define(&labels("seconds", host)));
        for k in 0..50 {
            let h = Histogram { count: k as f64, positive_buckets: vec![k as f64], ..Histogram::default() };
            b.histogram(d, NOON + k * 15_000, &h);
        }
    });
    apply(shard, from + 3, &command);
}

fn pieces(shard: &Shard) -> (Vec<u8>, Vec<bytes::Bytes>) {
    let mut snapshot = shard.snapshot().expect("a snapshot");
    let position = snapshot.position().to_vec();
    let mut out = Vec::new();
    while let Some(piece) = snapshot.next().expect("a piece") {
        out.push(piece);
    }
    (position, out)
}

fn stage(database: &Database, (position, pieces): &(Vec<u8>, Vec<bytes::Bytes>)) -> Staged {
    let mut staged = database.stage(ID, position).expect("room for a snapshot");
    for piece in pieces {
        staged.push(piece).expect("a piece is taken");
    }
    staged
}

pub(super) fn digest(shard: &Arc<Shard>) -> Digest {
    let digest = shard.digest_at(TimeRange::ALL).expect("a digest");
    assert!(!digest.damaged);
    digest
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn a_snapshot_makes_an_equal_shard_elsewhere() {
    let (a, mut b) = (Place::new(), Place::new());
    fill(&a.shard, 1, "a");
    a.shard.compact(0, true).expect("a compaction");
    fill(&a.shard, 5, "b");
    a.shard.expire(NOON + 2).expect("an expiry");
    let sent = pieces(&a.shard);
    b.shard = stage(&b.database, &sent).install().expect("installed");
    for _ in 0..2 {
        assert_eq!(digest(&b.shard), digest(&a.shard));
        assert_eq!(
            (b.shard.position(), sent.0.clone()),
            (a.shard.position(), a.shard.position().expect("set"))
        );
        b = b.reopen();
    }
    assert_eq!(digest(&a.shard).samples, 2 * (3 * 400 + 49));
    for (name, host) in [("up", "a"), ("up", "c"), ("idle", "b"), ("new", "c")] {
        let command = floats(&labels(name, host), &[(NOON + DAY, 1.0)]);
        assert_eq!(apply(&a.shard, 9, &command), apply(&b.shard, 9, &command), "{name} {host}");
    }
    b.shard.compact(0, true).expect("a compaction");
    assert_eq!(digest(&b.shard), digest(&a.shard));
}

#[test]
fn an_empty_shard_can_be_copied() {
    let (a, b) = (Place::new(), Place::new());
    fill(&b.shard, 1, "b");
    let installed = stage(&b.database, &pieces(&a.shard)).install().expect("installed");
    assert_eq!((installed.position(), digest(&installed).series), (None, 0));
}

#[test]
fn a_snapshot_does_not_see_what_happens_after_it() {
    let (a, b) = (Place::new(), Place::new());
    fill(&a.shard, 1, "a");
    let before = digest(&a.shard);
    let mut snapshot = a.shard.snapshot().expect("a snapshot");
    let mut sent = vec![snapshot.next().expect("a piece").expect("the head")];
    fill(&a.shard, 5, "b");
    apply(&a.shard, 9, &floats(&labels("up", "a"), &[(NOON, 99.0)]));
    a.shard.compact(0, true).expect("a compaction");
    a.shard.expire(NOON + 30 * DAY).expect("an expiry");
    a.database.destroy(ID).expect("removed");
    while let Some(piece) = snapshot.next().expect("a piece") {
        assert!(piece.len() < (1 << 20) + (256 << 10));
        sent.push(piece);
    }
    let sent = (snapshot.position().to_vec(), sent);
    assert_eq!(digest(&stage(&b.database, &sent).install().expect("installed")), before);
}

#[test]
fn a_copy_that_is_replaced_can_be_read_to_the_end_and_not_be_written() {
    let (a, b) = (Place::new(), Place::new());
    fill(&a.shard, 1, "a");
    fill(&b.shard, 1, "b");
    let (new, old) = (digest(&a.shard), digest(&b.shard));
    let selection = b.shard.select(&[], TimeRange::ALL).expect("a selection");
    b.shard.checkpoint().expect("a checkpoint");
    let installed = stage(&b.database, &pieces(&a.shard)).install().expect("installed");
    assert_eq!(digest(&installed), new);
    assert!(Arc::ptr_eq(&b.database.shard(ID).expect("the shard"), &installed));
    assert_eq!(digest(&b.shard), old);
    let mut samples = Vec::new();
    selection.read(0..selection.len(), &mut samples).expect("samples");
    assert_eq!(samples.iter().map(Samples::len).sum::<usize>() as u64, old.samples);
    for result in [
        b.shard.checkpoint().map(drop),
        b.shard.compact(NOON + 9 * DAY, true).map(drop),
        b.shard.expire(NOON + 9 * DAY).map(drop),
        b.shard.snapshot().map(drop),
    ] {
        assert!(matches!(result, Err(Error::Gone(ID))), "{result:?}");
    }
    // The database itself took no harm.
    fill(&installed, 5, "c");
    installed.checkpoint().expect("a checkpoint");
    let new = digest(&installed);
    drop((installed, selection));
    assert_eq!(digest(&b.reopen().shard), new);
}

#[test]
fn a_shard_that_is_removed_begins_empty_and_its_space_is_given_back() {
    let a = Place::new();
    fill(&a.shard, 1, "a");
    a.shard.checkpoint().expect("a checkpoint");
    let old = digest(&a.shard);
    a.database.destroy(ID).expect("removed");
    a.database.destroy(ID).expect("removed already");
    assert_eq!((digest(&a.shard), a.database.shards()), (old, vec![]));
    assert!(matches!(a.shard.checkpoint(), Err(Error::Gone(ID))));
    let fresh = a.database.shard(ID).expect("a new shard");
    assert_eq!((digest(&fresh).series, fresh.position()), (0, None));
    fill(&fresh, 1, "b");
    fresh.checkpoint().expect("a checkpoint");
    let new = digest(&fresh);
    drop(fresh);
    assert_eq!(digest(&a.reopen().shard), new);
}

#[test]
fn a_snapshot_of_another_shard_or_position_or_a_broken_one_is_refused_and_leaves_nothing() {
    let (a, b) = (Place::new(), Place::new());
    fill(&a.shard, 1, "a");
    fill(&b.shard, 1, "b");
    let old = digest(&b.shard);
    let sent = pieces(&a.shard);
    let refused = |id: ShardId, position: &[u8], pieces: &[bytes::Bytes]| {
        let mut staged = b.database.stage(id, position).expect("room");
        let pushed = pieces.iter().try_for_each(|p| staged.push(p));
        matches!(pushed.and_then(|()| staged.install().map(drop)), Err(Error::Snapshot { .. }))
    };
    assert!(refused(ShardId(4), &sent.0, &sent.1));
    assert!(refused(ID, b"other", &sent.1));
    assert!(refused(ID, &sent.0, &sent.1[..sent.1.len() - 1]));
    assert!(refused(ID, &sent.0, &sent.1[1..]));
    drop(stage(&b.database, &sent));
    assert!(is_empty(&b.dir.path().join("compacting")));
    assert_eq!((digest(&b.shard), b.database.shards()), (old, vec![ID]));
    b.shard.checkpoint().expect("a checkpoint");
}

/// Options that copy the directory before every step once they are armed, and fail at step number `fails`.
fn photographed(
    dir: &Path,
    armed: &Arc<AtomicBool>,
    fails: i64,
) -> (Options, Arc<parking_lot::Mutex<Vec<Shot>>>) {
    let shots: Arc<parking_lot::Mutex<Vec<Shot>>> = Arc::default();
    let (album, armed, dir, countdown) =
        (shots.clone(), armed.clone(), dir.to_owned(), AtomicI64::new(fails));
    let hook = move |step: &'static str| {
        if !armed.load(Ordering::SeqCst) {
            return false;
        }
        let image = tempfile::tempdir().expect("a directory");
        copy(&dir, image.path());
        album.lock().push((step, image));
        countdown.fetch_sub(1, Ordering::SeqCst) == 0
    };
    (Options { fault: FaultHook(Arc::new(hook)), quiet: true, ..Options::default() }, shots)
}

type Shot = (&'static str, tempfile::TempDir);

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the directory is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else if name != "LOCK" {
            std::fs::copy(&path, to.join(name)).expect("copied");
        }
    }
}

/// Runs `act` with a crash before each of its steps, and with an error at each of them. Whatever is found after a
/// start must be one of `states`.
fn crash_everywhere(act: impl Fn(&Database) -> Result<(), Error>, steps: &[&str], states: &[Digest]) {
    let mut seen = std::collections::BTreeSet::new();
    for fails in 0..=steps.len() as i64 {
        let dir = tempfile::tempdir().expect("a directory");
        let armed = Arc::new(AtomicBool::new(false));
        let (options, shots) = photographed(dir.path(), &armed, fails);
        let (database, shard) = open(dir.path(), options);
        fill(&shard, 1, "b");
        shard.checkpoint().expect("a checkpoint");
        armed.store(true, Ordering::SeqCst);
        let result = act(&database);
        armed.store(false, Ordering::SeqCst);
        assert_eq!(result.is_ok(), fails == steps.len() as i64, "{result:?}");
        let check = |dir: &Path, step: &str| {
            let (database, shard) = open(dir, Options::default());
            let found = digest(&shard);
            let which = states.iter().position(|s| *s == found);
            assert!(which.is_some(), "{step}: neither the old nor the new state: {found:?}");
            assert!(!dir.join("compacting").exists());
            // One family a shard is left, and it can be written.
            fill(&shard, 9, "c");
            shard.checkpoint().expect("a checkpoint");
            drop((database, shard));
            let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir).expect("families");
            assert_eq!(names.len(), 3, "{step}: {names:?}");
            which
        };
        let shots = std::mem::take(&mut *shots.lock());
        if fails == steps.len() as i64 {
            assert_eq!(shots.iter().map(|s| s.0).collect::<Vec<_>>(), steps);
        }
        for (step, image) in &shots {
            seen.insert(check(image.path(), step));
        }
        drop((database, shard));
        seen.insert(check(dir.path(), "the end"));
    }
    assert_eq!(seen.len(), states.len(), "every state was seen");
}

#[test]
fn a_crash_or_an_error_at_any_step_of_an_install_leaves_the_old_or_the_new_shard() {
    let (a, b) = (Place::new(), Place::new());
    fill(&a.shard, 1, "a");
    fill(&b.shard, 1, "b");
    let (sent, states) = (pieces(&a.shard), [digest(&b.shard), digest(&a.shard)]);
    let steps = ["adopt: ingest", "adopt: open", "adopt: switch", "adopt: drop"];
    crash_everywhere(|database| stage(database, &sent).install().map(drop), &steps, &states);
}

#[test]
fn a_crash_at_any_step_of_a_removal_leaves_the_shard_or_nothing() {
    let b = Place::new();
    fill(&b.shard, 1, "b");
    let states = [digest(&b.shard), Digest::default()];
    crash_everywhere(|database| database.destroy(ID), &["destroy: drop"], &states);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn the_same_commands_give_the_same_digest_however_they_are_stored(
        commands in proptest::collection::vec((0usize..4, proptest::collection::vec((0i64..300, 0i32..4), 1..40)), 1..20),
        upkeep in proptest::collection::vec(proptest::collection::vec(0u8..6, 20), 2),
    ) {
        let digests: Vec<Digest> = upkeep.iter().map(|upkeep| {
            let mut place = Place::new();
            for (n, ((series, samples), upkeep)) in commands.iter().zip(upkeep).enumerate() {
                let samples: Vec<_> = samples.iter().map(|(k, v)| (NOON + k * 600_000, f64::from(*v))).collect();
                apply(&place.shard, n as u64, &floats(&labels("up", &format!("h{series}")), &samples));
                match upkeep {
                    0 => drop(place.shard.checkpoint().expect("a checkpoint")),
                    1 => drop(place.shard.compact(0, true).expect("a compaction")),
                    2 => drop(place.shard.compact(NOON + 2 * DAY, false).expect("a compaction")),
                    3 => {
                        place.shard = stage(&place.database, &pieces(&place.shard)).install().expect("installed");
                    }
                    _ => {}
                }
            }
            digest(&place.shard)
        }).collect();
        prop_assert_eq!(&digests[0], &digests[1]);
        prop_assert!(digests[0].samples > 0);
    }
}

#[test]
fn a_digest_tells_a_changed_bit_apart() {
    let digest_of = |samples: &[(i64, f64)], host: &str| {
        let place = Place::new();
        apply(&place.shard, 1, &floats(&labels("up", host), samples));
        place.shard.digest(TimeRange::ALL).expect("a digest")
    };
    let one = digest_of(&[(NOON, 0.0)], "a");
    assert_eq!(digest_of(&[(NOON, 0.0)], "a"), one);
    for (samples, host) in [
        (&[(NOON, -0.0)][..], "a"),
        (&[(NOON + 1, 0.0)], "a"),
        (&[(NOON, 0.0)], "b"),
        (&[(NOON, 0.0), (NOON + 1, 0.0)], "a"),
        (&[(NOON, f64::NAN)], "a"),
    ] {
        assert_ne!(digest_of(samples, host), one, "{samples:?} {host}");
    }
}
