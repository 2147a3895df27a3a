//! Data sets, made from a seed: what a collector sends after scraping many targets for an hour or two.
//!
//! * `devops`: hosts of 101 series: processor seconds, memory, percentages and temperatures that wander,
//!   sizes that hardly change, traffic and request counters.
//! * `agents`: agent loops of 144 series: tokens by model and kind, tool calls, errors, and duration
//!   histograms of twelve buckets. Most are quiet most of the time.
//!
//! All series of a target share the timestamps of its scrapes, a few milliseconds late now and then, and
//! stay in one lane, so that lanes can be sent side by side without disorder.

use clap::ValueEnum;
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Samples of a request; what Prometheus sends at most.
const SAMPLES_PER_REQUEST: usize = 2000;

/// Connections that send side by side.
const LANES: usize = 4;

/// Which data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Hosts: 100 targets, 720 scrapes, every 10 s.
    Devops,
    /// Agent loops: 100 targets, 480 scrapes, every 15 s.
    Agents,
}

/// The size of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub targets: usize,
    pub scrapes: usize,
    pub interval_s: i64,
}

/// One request, ready to be sent.
pub struct Request {
    pub samples: usize,
    pub body: Vec<u8>,
}

/// All requests by lane, in the order of time.
pub struct DataSet {
    pub lanes: Vec<Vec<Request>>,
    /// Unix seconds of the last scrape.
    pub end: i64,
    pub series: usize,
}

impl Profile {
    /// As it is called on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Devops => "devops",
            Self::Agents => "agents",
        }
    }

    /// Two hours of a small fleet: some seven million samples.
    pub fn shape(self) -> Shape {
        match self {
            Self::Devops => Shape { targets: 100, scrapes: 720, interval_s: 10 },
            Self::Agents => Shape { targets: 100, scrapes: 480, interval_s: 15 },
        }
    }
}

impl DataSet {
    /// Makes the data set; the same seed and end give the same bytes.
    pub fn make(profile: Profile, shape: Shape, end: i64, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut targets: Vec<Vec<Instrument>> = (0..shape.targets)
            .map(|id| match profile {
                Profile::Devops => host(id, &mut rng),
                Profile::Agents => agent(id, &mut rng),
            })
            .collect();
        let series = targets.iter().flatten().map(|instrument| instrument.series.len()).sum();
        let mut lanes: Vec<Lane> = (0..LANES).map(|_| Lane::default()).collect();
        let interval_ms = shape.interval_s * 1000;
        for scrape in 0..shape.scrapes as i64 {
            let round = end * 1000 - (shape.scrapes as i64 - 1 - scrape) * interval_ms;
            for (id, target) in targets.iter_mut().enumerate() {
                // Each target has its own phase inside the interval, as scrapers spread their load.
                let phase = (id as i64 * 6151) % interval_ms;
                let late = if rng.random_range(0..10) == 0 { rng.random_range(0..4) } else { 0 };
                lanes[id % LANES].scrape(target, round - phase + late, &mut rng);
            }
        }
        Self { lanes: lanes.into_iter().map(Lane::finish).collect(), end, series }
    }

    /// How many samples all requests hold.
    pub fn samples(&self) -> usize {
        self.lanes.iter().flatten().map(|request| request.samples).sum()
    }
}

/// What one connection sends.
#[derive(Default)]
struct Lane {
    open: WriteRequest,
    done: Vec<Request>,
}

impl Lane {
    fn scrape(&mut self, target: &mut [Instrument], at_ms: i64, rng: &mut StdRng) {
        for instrument in target {
            instrument.advance(rng);
            for (series, value) in instrument.series.iter().zip(&instrument.values) {
                self.open.series(series, &[(at_ms, *value)]);
                if self.open.samples() == SAMPLES_PER_REQUEST {
                    self.close();
                }
            }
        }
    }

    fn close(&mut self) {
        if self.open.samples() > 0 {
            self.done.push(Request { samples: self.open.samples(), body: self.open.body() });
            self.open.clear();
        }
    }

    fn finish(mut self) -> Vec<Request> {
        self.close();
        self.done
    }
}

/// How values move from one scrape to the next.
#[derive(Clone, Copy)]
enum Motion {
    /// Whole percents that wander by one.
    Percent,
    /// Hundredths that wander by up to a whole.
    Hundredths,
    /// Memory pages that come and go.
    Pages,
    /// A size that changes once in some hundred scrapes.
    Fixed,
    /// Grows by up to so much.
    Busy(u32),
    /// Processor seconds, in hundredths.
    Seconds,
    /// Grows once in so many scrapes.
    Quiet(u32),
    /// Cumulative buckets, the last of which counts all.
    Histogram,
}

/// One series, or the buckets of one histogram.
struct Instrument {
    series: Vec<SeriesBytes>,
    values: Vec<f64>,
    motion: Motion,
}

impl Instrument {
    fn advance(&mut self, rng: &mut StdRng) {
        if let Motion::Histogram = self.motion {
            // Idle two scrapes of three, then a few observations, most of them in the middle.
            if rng.random_range(0..3) == 0 {
                for _ in 0..rng.random_range(1..5) {
                    let bucket =
                        (rng.random_range(0..self.values.len()) + rng.random_range(0..self.values.len())) / 2;
                    self.values[bucket..].iter_mut().for_each(|count| *count += 1.0);
                }
            }
            return;
        }
        for value in &mut self.values {
            match self.motion {
                Motion::Percent => *value = (*value + f64::from(rng.random_range(-1..=1))).clamp(0.0, 100.0),
                Motion::Hundredths => {
                    *value = ((*value + rng.random_range(-1.0..1.0)) * 100.0).round() / 100.0
                }
                Motion::Pages => *value = (*value + f64::from(rng.random_range(-64..64)) * 4096.0).max(0.0),
                Motion::Fixed if rng.random_range(0..500) == 0 => *value = gibibytes(rng),
                Motion::Busy(most) => *value += f64::from(rng.random_range(0..most)),
                Motion::Seconds => *value = ((*value + rng.random_range(0.0..10.0)) * 100.0).round() / 100.0,
                Motion::Quiet(once_in) if rng.random_range(0..once_in) == 0 => {
                    *value += f64::from(rng.random_range(1..500));
                }
                Motion::Fixed | Motion::Quiet(_) | Motion::Histogram => {}
            }
        }
    }
}

fn gibibytes(rng: &mut StdRng) -> f64 {
    f64::from(rng.random_range(1..=64)) * 1_073_741_824.0
}

/// Collects the instruments of a target, whose labels they all carry.
struct Target<'a> {
    labels: Vec<(&'a str, String)>,
    instruments: Vec<Instrument>,
}

impl Target<'_> {
    fn series(&self, name: &str, extra: &[(&str, &str)]) -> SeriesBytes {
        let mut labels: Vec<(&str, &str)> =
            self.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        labels.push(("__name__", name));
        labels.extend_from_slice(extra);
        SeriesBytes::new(&labels)
    }

    fn add(&mut self, name: &str, extra: &[(&str, &str)], motion: Motion, first: f64) {
        let series = vec![self.series(name, extra)];
        self.instruments.push(Instrument { series, values: vec![first], motion });
    }

    fn histogram(&mut self, name: &str, extra: &[(&str, &str)]) {
        const BOUNDS: [&str; 12] =
            ["0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "+Inf"];
        let series = BOUNDS.iter().map(|le| self.series(name, &[extra, &[("le", le)]].concat())).collect();
        self.instruments.push(Instrument {
            series,
            values: vec![0.0; BOUNDS.len()],
            motion: Motion::Histogram,
        });
    }
}

fn host(id: usize, rng: &mut StdRng) -> Vec<Instrument> {
    const REGIONS: [&str; 6] =
        ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "sa-east-1"];
    let region = REGIONS[rng.random_range(0..REGIONS.len())];
    let zone = ["a", "b", "c"][rng.random_range(0..3)];
    let labels = vec![
        ("job", "node".to_owned()),
        ("instance", format!("host-1-{id}:9100")),
        ("region", region.to_owned()),
        ("datacenter", format!("{region}{zone}")),
        ("rack", rng.random_range(0..100).to_string()),
        ("team", ["SF", "NYC", "LON", "CHI", "BER"][rng.random_range(0..5)].to_owned()),
        ("service", rng.random_range(0..20).to_string()),
        ("service_environment", ["production", "staging", "test"][rng.random_range(0..3)].to_owned()),
    ];
    let mut host = Target { labels, instruments: Vec::new() };
    let mut counted = || f64::from(rng.random_range(0..1_000_000));
    for cpu in ["0", "1", "2", "3"] {
        for mode in ["user", "system", "idle", "iowait", "irq", "softirq", "nice", "steal"] {
            host.add("node_cpu_seconds_total", &[("cpu", cpu), ("mode", mode)], Motion::Seconds, counted());
        }
    }
    for device in ["eth0", "eth1", "eth2", "eth3"] {
        host.add("network_receive_bytes_total", &[("device", device)], Motion::Busy(1_000_000), counted());
    }
    host.add("http_requests_total", &[("code", "200")], Motion::Busy(2000), counted());
    for code in ["301", "404", "500", "503"] {
        host.add("http_requests_total", &[("code", code)], Motion::Quiet(20), counted());
    }
    for kind in ["used", "free", "cached", "buffered", "active", "inactive", "available", "slab"] {
        host.add(&format!("node_memory_{kind}_bytes"), &[], Motion::Pages, counted() * 4096.0);
    }
    for unit in 0..20 {
        let first = f64::from(rng.random_range(0..100));
        host.add("usage_percent", &[("unit", &unit.to_string())], Motion::Percent, first);
    }
    for sensor in 0..10 {
        let first = f64::from(rng.random_range(20..70));
        host.add("temperature_celsius", &[("sensor", &sensor.to_string())], Motion::Hundredths, first);
    }
    for mount in 0..22 {
        host.add("capacity_bytes", &[("mount", &format!("/mnt/{mount}"))], Motion::Fixed, gibibytes(rng));
    }
    host.instruments
}

fn agent(id: usize, rng: &mut StdRng) -> Vec<Instrument> {
    const TOOLS: [&str; 8] =
        ["bash", "search", "read_file", "write_file", "browser", "python", "sql", "mail"];
    const ERRORS: [&str; 8] =
        ["timeout", "rate_limit", "tool", "context_length", "parse", "auth", "network", "other"];
    let labels = vec![
        ("job", "agent".to_owned()),
        ("instance", format!("agent-1-{id}")),
        ("loop_type", ["research", "coding", "support", "planner"][id % 4].to_owned()),
        ("tenant", format!("t{}", rng.random_range(0..50))),
    ];
    let mut agent = Target { labels, instruments: Vec::new() };
    for model in ["large-v3", "medium-v3", "small-v2"] {
        for kind in ["prompt", "completion", "cached", "reasoning"] {
            agent.add(
                "llm_tokens_used_total",
                &[("model", model), ("token_type", kind)],
                Motion::Quiet(4),
                0.0,
            );
        }
    }
    for tool in TOOLS {
        for status in ["ok", "error"] {
            agent.add("tool_invocations_total", &[("tool", tool), ("status", status)], Motion::Quiet(6), 0.0);
        }
        agent.histogram("tool_duration_seconds_bucket", &[("tool", tool)]);
    }
    for (rarity, error) in (4..).zip(ERRORS) {
        agent.add("loop_errors_total", &[("error_type", error)], Motion::Quiet(rarity * 10), 0.0);
    }
    agent.histogram("loop_execution_duration_seconds_bucket", &[("status", "success")]);
    agent.instruments
}
