//! CPU time of the engine alone, over series in memory: no index, no decoding, no JSON.
//!
//! `cargo run --release -p plimsoll-promql --example kernels [NAME]`. The data are those of section 5 of the
//! design: 10,000 series over 4 hours every 15 s (5000 counters, 3600 buckets, 1200 gauges, 200 info metrics), a
//! timestamp column for each of 100 targets with some jitter; and 50 counters and 50 gauges over 7 days.

use plimsoll_model::{FloatColumn, Labels, METRIC_NAME, Matcher, Samples, TimeRange, Timestamp};
use plimsoll_promql::{Budget, CompiledMatcher, Options, Plan, Selection, Source, SourceError, execute};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Series by the name of their metric.
#[derive(Default)]
struct Memory {
    by_name: HashMap<String, Vec<(Labels, FloatColumn)>>,
}

struct Selected<'a> {
    series: Vec<&'a (Labels, FloatColumn)>,
    range: TimeRange,
}

impl Source for Memory {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Result<Box<dyn Selection + '_>, SourceError> {
        let name = matchers.iter().find(|m| m.name == METRIC_NAME).map_or("", |m| m.value.as_str());
        let others: Vec<CompiledMatcher> = matchers
            .iter()
            .filter(|m| m.name != METRIC_NAME)
            .map(|m| CompiledMatcher::new(m).expect("the queries here are valid"))
            .collect();
        let series = self.by_name.get(name).map_or(&[][..], Vec::as_slice).iter();
        let fits =
            |s: &&(Labels, FloatColumn)| others.iter().all(|m| m.matches(s.0.get(&m.name).unwrap_or("")));
        Ok(Box::new(Selected { series: series.filter(fits).collect(), range }))
    }
}

impl Selection for Selected<'_> {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, series: usize) -> Labels {
        self.series[series].0.clone()
    }

    fn read(&self, which: Range<usize>, out: &mut Vec<Samples>) -> Result<(), SourceError> {
        let mut cut: HashMap<usize, (Range<usize>, Arc<Vec<Timestamp>>)> = HashMap::new();
        for (_, column) in &self.series[which] {
            let times = &column.timestamps;
            let (range, timestamps) = cut.entry(Arc::as_ptr(times) as usize).or_insert_with(|| {
                let from = times.partition_point(|t| *t < self.range.start);
                let to = times.partition_point(|t| *t <= self.range.end);
                (from..to, Arc::new(times[from..to].to_vec()))
            });
            out.push(Samples {
                floats: FloatColumn {
                    timestamps: Arc::clone(timestamps),
                    values: column.values[range.clone()].to_vec(),
                },
                histograms: Vec::new(),
            });
        }
        Ok(())
    }
}

/// A small deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

const START: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

fn times(random: &mut Random, span: i64, step: i64) -> Arc<Vec<Timestamp>> {
    let offset = random.below(step as u64) as i64;
    let jitter = |random: &mut Random| random.below(20) as i64 - 10;
    Arc::new((0..span / step).map(|i| START + offset + i * step + jitter(random)).collect())
}

fn data() -> Memory {
    let mut random = Random(88_172_645_463_325_252);
    let mut memory = Memory::default();
    let mut put = |name: &str,
                   labels: &[(&str, String)],
                   timestamps: &Arc<Vec<i64>>,
                   counter: bool,
                   random: &mut Random| {
        let mut v = random.below(10_000) as f64;
        let values = timestamps
            .iter()
            .map(|_| {
                let step = random.below(1000) as f64;
                v = if counter { v + step } else { 40.0 + step / 10.0 };
                v
            })
            .collect();
        let pairs = labels.iter().map(|(n, v)| (*n, v.as_str())).chain([(METRIC_NAME, name)]);
        let labels = Labels::from_pairs(pairs).expect("names differ");
        let column = FloatColumn { timestamps: Arc::clone(timestamps), values };
        memory.by_name.entry(name.to_owned()).or_default().push((labels, column));
    };
    for target in 0..100u64 {
        let timestamps = times(&mut random, 4 * HOUR, 15_000);
        let instance = ("instance", format!("host-{target}:9100"));
        let job = ("job", format!("job-{}", target % 10));
        for i in 0..50u64 {
            let labels = [
                instance.clone(),
                job.clone(),
                ("code", format!("{}", 200 + i % 5)),
                ("path", format!("/p{i}")),
            ];
            put("requests_total", &labels, &timestamps, true, &mut random);
        }
        for i in 0..36u64 {
            let le = if i % 12 == 11 { "+Inf".to_owned() } else { format!("{}", (i % 12 + 1) as f64 / 10.0) };
            let labels = [instance.clone(), job.clone(), ("handler", format!("h{}", i / 12)), ("le", le)];
            put("latency_bucket", &labels, &timestamps, true, &mut random);
        }
        for i in 0..12u64 {
            let labels = [instance.clone(), job.clone(), ("disk", format!("sd{i}"))];
            put("usage", &labels, &timestamps, false, &mut random);
        }
        for i in 0..2u64 {
            let labels = [instance.clone(), ("version", format!("v{i}")), ("job", format!("job-{i}"))];
            put("build_info", &labels, &timestamps, false, &mut random);
        }
    }
    for i in 0..50u64 {
        let timestamps = times(&mut random, 7 * 24 * HOUR, 15_000);
        let labels = [("instance", format!("host-{i}:9100"))];
        put("long_total", &labels, &timestamps, true, &mut random);
        put("long_usage", &labels, &timestamps, false, &mut random);
    }
    memory
}

/// CPU time of all threads of this process in ms.
fn cpu_ms() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let nanoseconds: u64 = tasks
        .filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("schedstat")).ok())
        .filter_map(|s| s.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    nanoseconds as f64 / 1e6
}

const QUERIES: &[(&str, i64, i64, &str)] = &[
    ("instant_sum_rate", 0, 0, "sum by (job) (rate(requests_total[5m]))"),
    ("instant_hq", 0, 0, "histogram_quantile(0.9, sum by (le, handler) (rate(latency_bucket[5m])))"),
    ("instant_topk", 0, 0, "topk(10, rate(requests_total[5m]))"),
    ("instant_count", 0, 0, "count by (code) (requests_total)"),
    ("instant_sum_rate_1h", 0, 0, "sum(rate(requests_total[1h]))"),
    ("1h_sum_rate", 1, 15, "sum by (job) (rate(requests_total[5m]))"),
    ("3h_sum_rate", 3, 15, "sum by (job) (rate(requests_total[5m]))"),
    ("3h_hq", 3, 15, "histogram_quantile(0.9, sum by (le, handler) (rate(latency_bucket[5m])))"),
    ("3h_topk", 3, 15, "topk(10, rate(requests_total[5m]))"),
    ("3h_count", 3, 15, "count by (code) (requests_total)"),
    ("3h_quantile_over_time", 3, 15, "max by (job) (quantile_over_time(0.95, usage[10m]))"),
    (
        "3h_group_left",
        3,
        15,
        "sum by (instance) (rate(latency_bucket[5m])) * on (instance) group_left (version) build_info{version=\"v0\"}",
    ),
    ("3h_subquery", 3, 15, "max by (job) (max_over_time(rate(requests_total{code=\"200\"}[5m])[30m:1m]))"),
    (
        "3h_label_replace",
        3,
        15,
        "label_replace(rate(requests_total{code=\"200\"}[5m]), \"host\", \"$1\", \"instance\", \"host-([0-9]+):.*\")",
    ),
    ("1h_raw_rate", 1, 15, "rate(requests_total[5m])"),
    ("3h_sum_rate_1h", 3, 15, "sum(rate(requests_total[1h]))"),
    ("3h_avg_30m", 3, 15, "avg(avg_over_time(usage[30m]))"),
    ("3h_max_30m", 3, 15, "max(max_over_time(usage[30m]))"),
    ("3h_stddev_30m", 3, 15, "avg(stddev_over_time(usage[30m]))"),
    ("6d_avg_1d", 144, 300, "avg_over_time(long_usage[1d])"),
    ("6d_sum_rate_1h", 144, 300, "sum(rate(long_total[1h]))"),
    ("6d_quantile_6h", 144, 300, "quantile_over_time(0.95, long_usage[6h])"),
];

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let memory = data();
    let sources: [&dyn Source; 1] = [&memory];
    println!("{:24} {:>9} {:>9} {:>12}", "query", "CPU ms", "wall ms", "samples read");
    for (name, hours, step, query) in QUERIES.iter().filter(|q| q.0.contains(&wanted)) {
        let long = query.contains("long_");
        let end = START + if long { 7 * 24 } else { 4 } * HOUR - 7;
        let options = Options { max_points: 100_000, ..Options::default() };
        let plan = if *step == 0 {
            Plan::instant(query, end, options)
        } else {
            Plan::range(query, end - hours * HOUR, end, step * 1000, options)
        };
        let plan = plan.expect("the queries here are valid");
        let mut best = (f64::INFINITY, f64::INFINITY, 0);
        for _ in 0..7 {
            let (cpu, wall) = (cpu_ms(), std::time::Instant::now());
            let answer = execute(&plan, &sources, &Budget::default()).expect("within the budget");
            let took = (cpu_ms() - cpu, wall.elapsed().as_secs_f64() * 1000.0);
            best = (best.0.min(took.0), best.1.min(took.1), answer.stats.samples_read);
        }
        println!("{name:24} {:9.1} {:9.1} {:12}", best.0, best.1, best.2);
    }
}
