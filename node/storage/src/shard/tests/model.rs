//! A shard against a plain map, over random operations, with a crash between any two writes.

use super::*;
use crate::disk::database::FaultHook;
use crate::{Deletion, Error};
use plimsoll_model::{Histogram, MatchOp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

const DAY: i64 = 86_400_000;
const START: i64 = 20_000 * DAY;

#[derive(Clone, Debug)]
enum Op {
    /// Samples of one series: timestamps and values.
    Floats(usize, Vec<(i64, f64)>),
    /// As many samples as fill a chunk, from this timestamp on.
    Burst(usize, i64, u16),
    Histograms(usize, Vec<(i64, u8)>),
    Define(usize),
    Checkpoint,
    Compact {
        force: bool,
        after_days: i64,
    },
    Expire(i64),
    /// Deletes what the n-th of the model's selectors finds, from the first to the second timestamp.
    Delete(usize, i64, i64),
    Reopen,
    /// The shard is replaced by a copy of itself.
    Copy,
    /// The n-th write step from now fails; the directory as it is then is opened beside and must hold everything.
    Crash {
        steps: i64,
        compact: bool,
    },
    /// As [`Op::Crash`], in the middle of a deletion; the shard is opened anew, as the owner of the log would.
    CrashDeleting {
        steps: i64,
        which: usize,
        from: i64,
        to: i64,
    },
}

/// A value of the model; histograms by their canonical bytes.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Float(u64),
    Histogram(Vec<u8>),
}

enum Entry {
    Command(Vec<u8>, Vec<SeriesRef>),
    Expire(i64),
    Delete(Deletion, u64),
}

#[derive(Default)]
struct Model {
    samples: BTreeMap<Labels, BTreeMap<i64, Value>>,
    expired_before: Option<i64>,
    log: Vec<Entry>,
}

fn series(i: usize) -> Labels {
    let name = ["up", "down", "idle"][i % 3];
    labels(name, if i / 3 == 0 { "a" } else { "b" })
}

fn histogram(n: u8) -> Histogram {
    let buckets: Vec<f64> = (0..n % 4).map(|b| f64::from(b) + f64::from(n)).collect();
    Histogram {
        count: f64::from(n),
        sum: 0.1 * f64::from(n),
        positive_buckets: buckets,
        ..Histogram::default()
    }
}

fn selectors() -> [Vec<Matcher>; 3] {
    [
        vec![],
        vec![Matcher::equal("__name__", "up")],
        vec![
            Matcher::new("host", MatchOp::NotEqual, "a"),
            Matcher::new("__name__", MatchOp::Regex, "up|idle"),
        ],
    ]
}

fn bytes_of(h: &Histogram) -> Vec<u8> {
    let mut out = Vec::new();
    h.encode(&mut out);
    out
}

impl Model {
    fn put(&mut self, i: usize, at: i64, value: Value) {
        let samples = self.samples.entry(series(i)).or_default();
        if self.expired_before.is_none_or(|before| at >= before) {
            samples.insert(at, value);
        }
    }

    fn expire(&mut self, before: i64) {
        self.expired_before = self.expired_before.max(Some(before));
        for samples in self.samples.values_mut() {
            *samples = samples.split_off(&before);
        }
    }

    fn delete(&mut self, deletion: &Deletion) {
        for matchers in &deletion.any_of {
            for (labels, hit) in self.select(matchers, deletion.range) {
                let samples = self.samples.get_mut(&labels).expect("it was just found");
                samples.retain(|at, _| !hit.contains_key(at));
            }
        }
    }

    fn select(&self, matchers: &[Matcher], range: TimeRange) -> BTreeMap<Labels, BTreeMap<i64, Value>> {
        let meets = |l: &Labels, m: &Matcher| {
            let value = l.get(&m.name).unwrap_or("");
            match m.op {
                MatchOp::Equal => value == m.value,
                MatchOp::NotEqual => value != m.value,
                MatchOp::Regex | MatchOp::NotRegex => {
                    (m.value.split('|').any(|v| v == value)) == (m.op == MatchOp::Regex)
                }
            }
        };
        let matching = self.samples.iter().filter(|(l, _)| matchers.iter().all(|m| meets(l, m)));
        let clipped = matching.map(|(l, s)| {
            let within = s.iter().filter(|(at, _)| range.contains(**at));
            (l.clone(), within.map(|(at, v)| (*at, v.clone())).collect::<BTreeMap<_, _>>())
        });
        clipped.filter(|(_, s)| !s.is_empty()).collect()
    }

    fn check(&self, shard: &Arc<Shard>) {
        let matchers = selectors();
        let middle = TimeRange { start: START + 3_600_000, end: START + DAY + 5_000_000 };
        for matchers in &matchers {
            for range in [TimeRange::ALL, middle] {
                let found: BTreeMap<Labels, BTreeMap<i64, Value>> =
                    read_all(shard, matchers, range).into_iter().map(|(l, s)| (l, flatten(&s))).collect();
                let found: BTreeMap<_, _> = found.into_iter().filter(|(_, s)| !s.is_empty()).collect();
                assert_eq!(found, self.select(matchers, range));
            }
        }
        super::rollups::check_hours(shard, TimeRange { start: START - DAY + 1, end: START + 3 * DAY });
    }

    /// Applies what the shard at `dir` missed, as the owner of the log does after a start.
    fn replay(&self, shard: &Shard) {
        let position = shard.position().map_or(0, |p| u64::from_be_bytes(p.try_into().expect("eight bytes")));
        for (i, entry) in self.log.iter().enumerate().skip(position as usize) {
            match entry {
                Entry::Command(command, refs) => {
                    assert_eq!(
                        apply(shard, i as u64 + 1, command).refs,
                        *refs,
                        "refs changed after a restart"
                    );
                }
                Entry::Expire(before) => {
                    shard.expire(*before).expect("an expiry");
                }
                Entry::Delete(deletion, series) => {
                    let done = shard.delete(&(i as u64 + 1).to_be_bytes(), deletion).expect("a deletion");
                    assert_eq!(done.series, *series, "a replay deletes the same");
                }
            }
        }
    }
}

fn flatten(s: &Samples) -> BTreeMap<i64, Value> {
    let floats =
        s.floats.timestamps.iter().zip(&s.floats.values).map(|(at, v)| (*at, Value::Float(v.to_bits())));
    let histograms = s.histograms.iter().map(|(at, h)| (*at, Value::Histogram(bytes_of(h))));
    let all: BTreeMap<_, _> = floats.chain(histograms).collect();
    assert_eq!(all.len(), s.len(), "a timestamp stands there twice");
    assert!(s.floats.timestamps.windows(2).all(|w| w[0] < w[1]));
    all
}

/// A shard with its model and the countdown to the next fault.
struct World {
    /// Taken out only while it is opened again.
    place: Option<Place>,
    model: Model,
    countdown: Arc<AtomicI64>,
    /// Whether the last crash hit a step.
    hit: bool,
}

impl World {
    fn new() -> Self {
        let countdown = Arc::new(AtomicI64::new(i64::MAX));
        let place = Some(Place::with(options(&countdown)));
        Self { place, model: Model::default(), countdown, hit: false }
    }

    fn place(&self) -> &Place {
        self.place.as_ref().expect("the place is there between operations")
    }

    fn shard(&self) -> &Arc<Shard> {
        &self.place().shard
    }

    fn command(&mut self, i: usize, fill: impl FnOnce(&mut BatchBuilder, Target)) {
        let command = command(|b| {
            let d = Target::Defined(b.define(&series(i)));
            fill(b, d);
        });
        self.model.samples.entry(series(i)).or_default();
        let refs = apply(self.shard(), self.model.log.len() as u64 + 1, &command).refs;
        self.model.log.push(Entry::Command(command, refs));
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Floats(i, samples) => {
                self.command(*i, |b, d| samples.iter().for_each(|(at, v)| b.float(d, *at, *v)));
                samples.iter().for_each(|(at, v)| self.model.put(*i, *at, Value::Float(v.to_bits())));
            }
            Op::Burst(i, from, count) => {
                let samples =
                    (0..i64::from(*count)).map(|k| (from + k * 15_000, (k % 9) as f64 / 10.0)).collect();
                self.run(&Op::Floats(*i, samples));
            }
            Op::Histograms(i, samples) => {
                self.command(*i, |b, d| {
                    samples.iter().for_each(|(at, n)| b.histogram(d, *at, &histogram(*n)))
                });
                for (at, n) in samples {
                    self.model.put(*i, *at, Value::Histogram(bytes_of(&histogram(*n))));
                }
            }
            Op::Define(i) => self.command(*i, |_, _| {}),
            Op::Checkpoint => {
                self.shard().checkpoint().expect("a checkpoint");
            }
            Op::Compact { force, after_days } => {
                self.shard().compact(START + after_days * DAY, *force).expect("a compaction");
            }
            Op::Expire(before) => {
                self.model.log.push(Entry::Expire(*before));
                self.model.expire(*before);
                self.shard().expire(*before).expect("an expiry");
            }
            Op::Delete(which, from, to) => {
                let (position, deletion) = self.deletion(*which, *from, *to);
                let done = self.shard().delete(&position.to_be_bytes(), &deletion).expect("a deletion");
                self.deleted(deletion, done.series);
            }
            Op::CrashDeleting { steps, which, from, to } => {
                let (position, deletion) = self.deletion(*which, *from, *to);
                let expected = self.shard().would_delete(&deletion).expect("a look").0;
                self.countdown.store(*steps, Ordering::SeqCst);
                let result = self.shard().delete(&position.to_be_bytes(), &deletion);
                self.countdown.store(i64::MAX, Ordering::SeqCst);
                assert!(matches!(result, Ok(_) | Err(Error::Injected(_))), "{result:?}");
                self.hit = result.is_err();
                self.deleted(deletion, expected);
                self.check_image();
                self.run(&Op::Reopen);
            }
            Op::Reopen => {
                let place = self.place.take().expect("the place is there between operations");
                self.place = Some(place.reopen_with(options(&self.countdown)));
                self.model.replay(self.shard());
            }
            Op::Copy => {
                let place = self.place.as_mut().expect("the place is there between operations");
                let mut snapshot = place.shard.snapshot().expect("a snapshot");
                let mut staged = place.database.stage(ShardId(3), snapshot.position()).expect("room");
                while let Some(piece) = snapshot.next().expect("a piece") {
                    staged.push(&piece).expect("the piece is taken");
                }
                place.shard = staged.install().expect("installed");
                self.model.replay(self.shard());
            }
            Op::Crash { steps, compact } => {
                self.countdown.store(*steps, Ordering::SeqCst);
                let result = if *compact {
                    self.shard().compact(START, true).map(drop)
                } else {
                    self.shard().checkpoint().map(drop)
                };
                self.countdown.store(i64::MAX, Ordering::SeqCst);
                assert!(matches!(result, Ok(()) | Err(Error::Injected(_))), "{result:?}");
                self.hit = result.is_err();
                self.check_image();
            }
        }
        self.model.check(self.shard());
    }

    fn deletion(&self, which: usize, from: i64, to: i64) -> (u64, Deletion) {
        let position = self.model.log.len() as u64 + 1;
        let range = TimeRange { start: from, end: to };
        let any_of = vec![selectors()[which].clone()];
        (position, Deletion { number: position, any_of, none_of: Vec::new(), range })
    }

    fn deleted(&mut self, deletion: Deletion, series: u64) {
        self.model.delete(&deletion);
        self.model.log.push(Entry::Delete(deletion, series));
    }

    /// Opens a copy of the directory as a kill would have left it, and replays the log.
    fn check_image(&self) {
        let image = tempfile::tempdir().expect("a directory");
        copy(self.place().dir.path(), image.path());
        let (_database, shard) = open(image.path(), Options::default());
        self.model.replay(&shard);
        self.model.check(&shard);
        shard.compact(START, true).expect("a compaction");
        self.model.check(&shard);
    }
}

fn options(countdown: &Arc<AtomicI64>) -> Options {
    let countdown = countdown.clone();
    let fault = FaultHook(Arc::new(move |_| countdown.fetch_sub(1, Ordering::SeqCst) == 0));
    Options { fault, quiet: true, ..Options::default() }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the directory is there") {
        let path = entry.expect("an entry").path();
        if path.is_file() && path.file_name().is_some_and(|n| n != "LOCK") {
            std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
        }
    }
}

fn at() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => (0i64..60).prop_map(|k| START + k * 15_000),
        1 => (0i64..60).prop_map(|k| START + DAY - 450_000 + k * 15_000),
        1 => (0i64..4, 0i64..4).prop_map(|(d, k)| START + d * DAY + k * 3_600_000),
    ]
}

/// Where a deletion begins or ends.
fn edge() -> impl Strategy<Value = i64> {
    prop_oneof![
        1 => Just(i64::MIN),
        1 => Just(i64::MAX),
        1 => (0i64..5).prop_map(|d| START + d * DAY),
        1 => (0i64..5).prop_map(|d| START + d * DAY - 1),
        2 => at(),
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        5 => (0i32..4).prop_map(f64::from),
        1 => Just(f64::from_bits(plimsoll_model::STALE_NAN_BITS)),
        1 => Just(-0.0),
        1 => Just(1.0 / 3.0),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let i = || 0usize..6;
    prop_oneof![
        6 => (i(), proptest::collection::vec((at(), value()), 1..20)).prop_map(|(i, s)| Op::Floats(i, s)),
        3 => (i(), at(), 100u16..300).prop_map(|(i, at, n)| Op::Burst(i, at, n)),
        2 => (i(), proptest::collection::vec((at(), 0u8..6), 1..10)).prop_map(|(i, s)| Op::Histograms(i, s)),
        1 => i().prop_map(Op::Define),
        2 => Just(Op::Checkpoint),
        2 => (any::<bool>(), 0i64..5).prop_map(|(force, after_days)| Op::Compact { force, after_days }),
        1 => (0i64..5 * 24).prop_map(|h| Op::Expire(START - DAY + h * 3_600_000 + 7_000)),
        2 => (0usize..3, edge(), edge()).prop_map(|(i, a, b)| Op::Delete(i, a.min(b), a.max(b))),
        1 => (0i64..14, 0usize..3, edge(), edge()).prop_map(|(steps, which, a, b)| {
            Op::CrashDeleting { steps, which, from: a.min(b), to: a.max(b) }
        }),
        1 => Just(Op::Reopen),
        1 => Just(Op::Copy),
        2 => (0i64..14, any::<bool>()).prop_map(|(steps, compact)| Op::Crash { steps, compact }),
    ]
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24)
}

proptest! {
    // A case opens several databases: more of them than these are run by hand, with PROPTEST_CASES.
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_answers_as_a_map_would_whatever_happens(ops in proptest::collection::vec(op(), 1..25)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
        }
        world.check_image();
    }
}

#[test]
fn a_kill_between_any_two_writes_loses_and_doubles_nothing() {
    for compact in [false, true] {
        for steps in 0.. {
            let mut world = World::new();
            world.run(&Op::Burst(0, START, 300));
            world.run(&Op::Burst(4, START + DAY - 600_000, 200));
            world.run(&Op::Checkpoint);
            world.run(&Op::Burst(1, START + 5_000, 300));
            world.run(&Op::Floats(0, vec![(START, 9.0), (START + 7, 1.0)]));
            world.run(&Op::Crash { steps, compact });
            world.run(&Op::Floats(2, vec![(START + 1, 2.0)]));
            world.run(&Op::Reopen);
            if !world.hit {
                assert!(steps > 4, "a checkpoint has five steps at least");
                break;
            }
        }
    }
}

#[test]
fn a_kill_between_any_two_writes_of_a_deletion_leaves_all_or_nothing_of_it() {
    for (from, to) in [(i64::MIN, i64::MAX), (START + 60_000, START + DAY - 1_000_000)] {
        for steps in 0.. {
            let mut world = World::new();
            world.run(&Op::Burst(0, START, 300));
            world.run(&Op::Burst(3, START + DAY - 600_000, 200));
            world.run(&Op::Compact { force: true, after_days: 3 });
            world.run(&Op::Burst(1, START + 5_000, 300));
            world.run(&Op::Floats(0, vec![(START, 9.0), (START + 7, 1.0)]));
            world.run(&Op::CrashDeleting { steps, which: 1, from, to });
            // The same labels, known ones and new ones, and the same timestamps.
            world.run(&Op::Floats(0, vec![(START + 60_000, 2.0), (START + DAY, 3.0)]));
            world.run(&Op::Floats(4, vec![(START + 1, 2.0)]));
            world.run(&Op::Compact { force: true, after_days: 3 });
            world.run(&Op::Reopen);
            if !world.hit {
                assert!(steps > 6, "a deletion is a checkpoint and a publication");
                break;
            }
        }
    }
}
