//! Prints what storage costs on made data: bytes a sample on disk, nanoseconds of processor time a sample, memory.
//!
//!     cargo run --release -p plimsoll-storage --example footprint -- hosts 100 720
//!     cargo run --release -p plimsoll-storage --example footprint -- agents 100 720
//!     cargo run --release -p plimsoll-storage --example footprint -- many 1000000 4
//!
//! The arguments: shape, targets (series for `many`), scrapes. Hosts have integer walks, counters of bytes and of
//! seconds and gauges with decimals; agents have sparse counters and histogram buckets; `many` is one gauge a series.

use plimsoll_model::{BatchBuilder, Labels, Matcher, SeriesRef, ShardId, Target, TimeRange, varint};
use plimsoll_storage::{Database, Fold, Options, Shard};
use std::sync::Arc;
use std::time::Duration;

const SHARDS: u16 = 16;
const INTERVAL_MS: i64 = 10_000;
const START_MS: i64 = 20_000 * 86_400_000 + 3_600_000;
/// Scrapes that are applied at a time, one entry a shard.
const SCRAPES_AN_ENTRY: usize = 20;

/// Splitmix64, so that every run makes the same data.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// How the value of a series moves.
#[derive(Clone, Copy)]
enum Motion {
    /// By -1, 0 or 1.
    Walk,
    /// By up to this many hundredths, up and down.
    Decimal(u64),
    /// Hardly ever.
    Still,
    /// Up, by less than this.
    Counter(u64),
    /// Up, by hundredths of less than this.
    Seconds(u64),
    /// Up by less than 500, in one scrape of this many.
    Sparse(u64),
    /// With the series before it: buckets of one histogram, this many from the first.
    Bucket(u64),
}

struct Series {
    shard: u16,
    labels: Labels,
    motion: Motion,
    /// In hundredths.
    value: u64,
    known: Option<SeriesRef>,
}

fn series(pairs: &[(&str, String)], motion: Motion, random: &mut Random) -> Series {
    let labels = Labels::from_pairs(pairs.iter().map(|(n, v)| (*n, v.as_str()))).expect("labels");
    let shard = ShardId::of_hash(labels.shard_hash(), SHARDS).0;
    let value = match motion {
        Motion::Still => (1 + random.below(60)) << 30,
        Motion::Walk | Motion::Decimal(_) => 5000 + random.below(1000),
        Motion::Bucket(_) | Motion::Sparse(_) => 0,
        _ => random.below(100_000_000),
    };
    Series {
        shard,
        labels,
        motion,
        value: value * if matches!(motion, Motion::Still) { 100 } else { 1 },
        known: None,
    }
}

fn host(id: usize, random: &mut Random) -> Vec<Series> {
    let base = vec![
        ("job", "hosts".to_owned()),
        ("instance", format!("machine-{id:04}.example:9100")),
        ("zone", format!("zone-{}", random.below(18))),
        ("team", format!("team-{}", random.below(5))),
        ("rack", random.below(100).to_string()),
        ("stage", ["live", "trial"][random.below(2) as usize].to_owned()),
    ];
    let mut out = Vec::new();
    let mut add = |name: &str, label: &str, count: usize, motion: Motion| {
        for i in 0..count {
            let mut pairs = base.clone();
            pairs.push(("__name__", name.to_owned()));
            pairs.push((label, format!("{label}-{i}")));
            out.push(series(&pairs, motion, random));
        }
    };
    add("cpu_seconds_total", "mode", 32, Motion::Seconds(1000));
    add("memory_bytes", "state", 8, Motion::Counter(65_536));
    add("usage_percent", "unit", 20, Motion::Walk);
    add("temperature_celsius", "sensor", 10, Motion::Decimal(200));
    add("capacity_bytes", "mount", 22, Motion::Still);
    add("received_bytes_total", "device", 4, Motion::Counter(1_000_000));
    add("requests_total", "code", 1, Motion::Counter(2000));
    add("errors_total", "code", 4, Motion::Sparse(20));
    out
}

fn agent(id: usize, random: &mut Random) -> Vec<Series> {
    let base = vec![
        ("job", "agents".to_owned()),
        ("instance", format!("worker-{id}")),
        ("loop", format!("loop-{}", id % 4)),
        ("customer", format!("c{}", random.below(50))),
    ];
    let mut out = Vec::new();
    let mut add = |name: &str, labels: &[(&str, String)], motion: Motion, random: &mut Random| {
        let mut pairs = base.clone();
        pairs.push(("__name__", name.to_owned()));
        pairs.extend(labels.iter().cloned());
        out.push(series(&pairs, motion, random));
    };
    for i in 0..12 {
        add(
            "tokens_total",
            &[("model", format!("m{}", i / 4)), ("kind", format!("k{}", i % 4))],
            Motion::Sparse(4),
            random,
        );
    }
    for i in 0..16 {
        add(
            "calls_total",
            &[("tool", format!("t{}", i / 2)), ("ok", format!("{}", i % 2))],
            Motion::Sparse(6),
            random,
        );
    }
    for i in 0..8 {
        add("failures_total", &[("reason", format!("r{i}"))], Motion::Sparse(40 + 10 * i), random);
    }
    for i in 0..9 * 12u64 {
        let labels = [("tool", format!("t{}", i / 12)), ("le", format!("{}", i % 12))];
        add("duration_seconds_bucket", &labels, Motion::Bucket(i % 12), random);
    }
    out
}

fn step(all: &mut [Series], random: &mut Random) {
    let mut lowest_hit: Vec<u64> = Vec::new();
    for s in all {
        match s.motion {
            Motion::Walk => s.value = (s.value + random.below(3) * 100 - 100).clamp(100, 10_000),
            Motion::Decimal(n) => s.value = (s.value + random.below(n)).saturating_sub(n / 2),
            Motion::Still if random.below(500) == 0 => s.value = (1 + random.below(60)) * (100 << 30),
            Motion::Still => {}
            Motion::Counter(n) => s.value += random.below(n) * 100,
            Motion::Seconds(n) => s.value += random.below(n),
            Motion::Sparse(n) if random.below(n) == 0 => s.value += (1 + random.below(500)) * 100,
            Motion::Sparse(_) => {}
            Motion::Bucket(i) => {
                if i == 0 {
                    lowest_hit.clear();
                    let hits = if random.below(3) == 0 { 1 + random.below(4) } else { 0 };
                    lowest_hit.extend((0..hits).map(|_| random.below(12)));
                }
                s.value += 100 * lowest_hit.iter().filter(|b| **b <= i).count() as u64;
            }
        }
    }
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("VmRSS:"));
    line.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Processor time of this thread: other work on the machine does not count.
struct Stopwatch(u64);

impl Stopwatch {
    fn start() -> Self {
        Self(Self::now())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::now() - self.0)
    }

    fn now() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}

struct Feeder {
    shards: Vec<Arc<Shard>>,
    builders: Vec<BatchBuilder>,
    /// For each batch in the making: (target, series) of its definitions.
    defined: Vec<Vec<(usize, usize)>>,
    position: u64,
    samples: u64,
    busy: Duration,
}

impl Feeder {
    fn add(&mut self, target: usize, all: &[Series], at: i64) {
        for (i, s) in all.iter().enumerate() {
            let builder = &mut self.builders[usize::from(s.shard)];
            let to = match s.known {
                Some(r) => Target::Known(r),
                None => {
                    self.defined[usize::from(s.shard)].push((target, i));
                    Target::Defined(builder.define(&s.labels))
                }
            };
            builder.float(to, at, s.value as f64 / 100.0);
        }
    }

    fn send(&mut self, targets: &mut [Vec<Series>]) {
        let mut commands = Vec::new();
        for (shard, builder) in self.builders.iter_mut().enumerate().filter(|(_, b)| !b.is_empty()) {
            let batch = builder.finish();
            let mut command = Vec::with_capacity(batch.len() + 5);
            varint::put(&mut command, batch.len() as u64);
            command.extend_from_slice(&batch);
            commands.push((shard, command));
        }
        self.position += 1;
        let position = self.position.to_be_bytes();
        let started = Stopwatch::start();
        let all: Vec<_> = commands
            .iter()
            .map(|(shard, command)| self.shards[*shard].apply(&position, &[command]).expect("applied"))
            .collect();
        self.busy += started.elapsed();
        for ((shard, _), applied) in commands.iter().zip(&all) {
            self.samples += u64::from(applied[0][0].stored);
            for ((target, i), r) in self.defined[*shard].drain(..).zip(&applied[0][0].refs) {
                targets[target][i].known = Some(*r);
            }
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let shape = args.get(1).map_or("hosts", String::as_str);
    let number = |i: usize, default: usize| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (count, scrapes) = (number(2, 100), number(3, 720));
    let dir = std::env::temp_dir().join(format!("footprint-{}", std::process::id()));
    let database = Database::open(&dir, Options::default()).expect("a database");
    let shards: Vec<Arc<Shard>> = (0..SHARDS).map(|s| database.shard(ShardId(s)).expect("a shard")).collect();
    let mut random = Random(1);
    let mut targets: Vec<Vec<Series>> = (0..count.div_ceil(if shape == "many" { 100 } else { 1 }))
        .map(|id| match shape {
            "agents" => agent(id, &mut random),
            "many" => {
                let one = |i: usize| {
                    let pairs = [
                        ("__name__", format!("gauge_{}", i % 20)),
                        ("job", "many".to_owned()),
                        ("instance", format!("machine-{id}:80")),
                        ("zone", format!("z{}", id % 12)),
                        ("unit", (i / 20).to_string()),
                        ("stage", "live".to_owned()),
                    ];
                    series(&pairs, Motion::Walk, &mut Random((id * 100 + i) as u64))
                };
                (0..100).map(one).collect()
            }
            _ => host(id, &mut random),
        })
        .collect();
    let series_count: usize = targets.iter().map(Vec::len).sum();
    let before = resident();
    let builders = (0..SHARDS).map(|_| BatchBuilder::default()).collect();
    let defined = vec![Vec::new(); usize::from(SHARDS)];
    let mut feeder = Feeder { shards, builders, defined, position: 0, samples: 0, busy: Duration::ZERO };
    for scrape in 0..scrapes {
        for t in 0..targets.len() {
            step(&mut targets[t], &mut random);
            let jitter = if random.below(10) == 0 { random.below(4) as i64 } else { 0 };
            let at = START_MS + scrape as i64 * INTERVAL_MS + (t as i64 * 7919) % INTERVAL_MS + jitter;
            feeder.add(t, &targets[t], at);
            if t % SCRAPES_AN_ENTRY == SCRAPES_AN_ENTRY - 1 {
                feeder.send(&mut targets);
            }
        }
        feeder.send(&mut targets);
        if scrape == 0 {
            feeder.samples = 0;
            let ns = std::mem::take(&mut feeder.busy).as_nanos() as f64 / series_count as f64;
            let grown = (resident() - before) / series_count as u64;
            println!(
                "definition          {ns:8.0} ns a series, {grown} bytes resident a series after one sample"
            );
        }
    }
    report(&database, &feeder, series_count, before);
    drop(feeder);
    reopen(database, &dir);
    std::fs::remove_dir_all(&dir).expect("the directory goes");
}

fn report(database: &Database, feeder: &Feeder, series: usize, before: u64) {
    let samples = feeder.samples as f64;
    let a_sample = |d: Duration| d.as_nanos() as f64 / samples;
    println!("samples             {samples:8.0} of {series} series");
    println!("apply               {:8.1} ns a sample", a_sample(feeder.busy));
    let stats = feeder.shards.iter().map(|s| s.statistics());
    let (head, index) = stats.fold((0, 0), |(h, i), s| (h + s.head_bytes, i + s.index_bytes));
    println!("resident growth     {:8} bytes a series", (resident() - before) / series as u64);
    println!("  of it by estimate {:8} head, {} index", head / series as u64, index / series as u64);
    read(feeder, "read from memory", samples);
    let time = |name: &str, f: &mut dyn FnMut()| {
        let started = Stopwatch::start();
        f();
        println!("{name:19} {:8.1} ns a sample", a_sample(started.elapsed()));
    };
    time("checkpoint", &mut || {
        feeder.shards.iter().for_each(|s| drop(s.checkpoint().expect("a checkpoint")))
    });
    disk("after checkpoint", database, feeder);
    read(feeder, "read from disk", samples);
    time("compact", &mut || {
        feeder
            .shards
            .iter()
            .for_each(|s| assert_eq!(s.compact(0, true).expect("a compaction").damaged_buckets, 0));
    });
    disk("after compaction", database, feeder);
    read(feeder, "read compacted", samples);
    read_hours(feeder, samples);
    println!("resident            {:8} MB", resident() >> 20);
}

fn disk(when: &str, database: &Database, feeder: &Feeder) {
    let samples = feeder.samples as f64;
    let rows: u64 = feeder.shards.iter().map(|s| s.statistics().disk_bytes).sum();
    let all = database.disk_bytes().expect("a size") as f64;
    println!(
        "{when:19} {:8.3} bytes a sample in rows, {:.3} in the directory",
        rows as f64 / samples,
        all / samples
    );
}

fn read(feeder: &Feeder, name: &str, samples: f64) {
    let started = Stopwatch::start();
    let (mut found, mut out) = (0, Vec::new());
    for shard in &feeder.shards {
        let selection = shard.select(&[] as &[Matcher], TimeRange::ALL).expect("a selection");
        for from in (0..selection.len()).step_by(256) {
            selection.read(from..(from + 256).min(selection.len()), &mut out).expect("samples");
            found += out.iter().map(|s| s.len()).sum::<usize>();
        }
    }
    assert!(found as f64 >= samples, "samples were lost");
    println!("{name:19} {:8.1} ns a sample", started.elapsed().as_nanos() as f64 / samples);
}

fn read_hours(feeder: &Feeder, samples: f64) {
    let started = Stopwatch::start();
    let (mut hours, mut out) = (0, Vec::new());
    for shard in &feeder.shards {
        let selection = shard.select(&[] as &[Matcher], TimeRange::ALL).expect("a selection");
        for from in (0..selection.len()).step_by(256) {
            let which = from..(from + 256).min(selection.len());
            assert!(
                selection.read_folded(which, Fold::Max, &mut out).expect("hours"),
                "there are no histograms"
            );
            hours += out.iter().map(|s| s.len()).sum::<usize>();
        }
    }
    let ns = started.elapsed().as_nanos() as f64;
    println!("read by the hour    {:8.2} ns a sample, {:.0} ns an hour", ns / samples, ns / hours as f64);
}

fn reopen(database: Database, dir: &std::path::Path) {
    drop(database);
    let started = Stopwatch::start();
    let database = Database::open(dir, Options::default()).expect("a database");
    let all: Vec<_> = (0..SHARDS).map(|s| database.shard(ShardId(s)).expect("a shard")).collect();
    let series: u64 = all.iter().map(|s| s.statistics().series).sum();
    println!("open                {:8} ms for {series} series", started.elapsed().as_millis());
}
