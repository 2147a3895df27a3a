//! Many targets: what a scraped sample costs a node and Debian's Prometheus, one after the other over the same targets.

use anyhow::{Context, Result, ensure};
use plimsoll_tests::exporter::{Exporter, Page};
use plimsoll_tests::http::Http;
use plimsoll_tests::peers::{self, PrometheusJob};
use plimsoll_tests::plimsoll::{self, Node};
use plimsoll_tests::process::Process;
use plimsoll_tests::wait::wait_until;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// New series cost more than known ones: so many scrapes of each target are not counted.
const WARM: u32 = 3;
/// Every target is up by then, or something is wrong.
const UP_LIMIT: Duration = Duration::from_secs(180);

/// What shall be measured.
pub struct Plan {
    /// Targets.
    pub targets: usize,
    /// Series of each.
    pub series: usize,
    /// Seconds between two scrapes.
    pub interval_s: u32,
    /// Seconds that are counted.
    pub seconds: u32,
}

struct Cost {
    samples: f64,
    cpu_s: f64,
    start_cpu_s: f64,
    peak_bytes: u64,
    missed: f64,
}

/// Runs the plan; answers the table.
pub fn run(plan: &Plan) -> Result<String> {
    let exporter = Arc::new(Exporter::start(""));
    exporter.set("/metrics", Page::text(&page(plan.series, 0)));
    let stop = Arc::new(AtomicBool::new(false));
    let (busy, ended, series) = (exporter.clone(), stop.clone(), plan.series);
    let change = thread::spawn(move || {
        // counters that stand still would be cheaper than any real ones
        for round in 1.. {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            busy.set("/metrics", Page::text(&page(series, round)));
            thread::sleep(Duration::from_millis(700));
        }
    });
    let yaml = config(plan, &exporter.address());
    let theirs = {
        let mut prometheus =
            peers::prometheus(&PrometheusJob { config: Some(yaml.clone()), ..Default::default() });
        let http = prometheus.http();
        measure(plan, &http, prometheus.process())?
    };
    let ours = {
        let folder = plimsoll::folder();
        let file = folder.path().join("scrape.yml");
        fs::write(&file, &yaml)?;
        let file = file.display().to_string();
        let mut node = Node::start_in(folder, &[("scrape.config_file", &file)], None);
        let http = node.http();
        measure(plan, &http, node.process())?
    };
    stop.store(true, Ordering::Relaxed);
    change.join().map_err(|_| anyhow::anyhow!("the thread of changing figures panicked"))?;
    table(&theirs, &ours)
}

fn table(theirs: &Cost, ours: &Cost) -> Result<String> {
    let mut table = String::from("| | Prometheus | Plimsoll | ratio |\n|---|---:|---:|---:|\n");
    let mut row = |what: &str, a: f64, b: f64, digits: usize| {
        writeln!(table, "| {what} | {a:.digits$} | {b:.digits$} | {:.2} |", b / a)
    };
    row("samples scraped while it was counted", theirs.samples, ours.samples, 0)?;
    row("CPU a sample, µs", theirs.cpu_s / theirs.samples * 1e6, ours.cpu_s / ours.samples * 1e6, 2)?;
    row("CPU until all targets were scraped three times, s", theirs.start_cpu_s, ours.start_cpu_s, 1)?;
    row("peak memory, MB", theirs.peak_bytes as f64 / 1e6, ours.peak_bytes as f64 / 1e6, 0)?;
    writeln!(table, "| scrapes that failed | {} | {} | |", theirs.missed, ours.missed)?;
    Ok(table)
}

fn measure(plan: &Plan, http: &Http, process: &mut Process) -> Result<Cost> {
    let warm = format!("count(count_over_time(up[1h]) >= {WARM})");
    wait_until("all targets to be scraped", UP_LIMIT, || value(http, &warm) >= plan.targets as f64);
    let (began, start_cpu_s) = (Instant::now(), process.cpu_seconds());
    while began.elapsed() < Duration::from_secs(plan.seconds.into()) {
        thread::sleep(Duration::from_millis(200));
    }
    let cpu_s = process.cpu_seconds() - start_cpu_s;
    let peak_bytes = process.peak_resident_bytes();
    let over = |metric: &str| format!("sum(sum_over_time({metric}[{}s]))", plan.seconds);
    let samples = value(http, &over("scrape_samples_scraped"));
    let ups = value(http, &over("up"));
    let scrapes = value(http, &format!("sum(count_over_time(up[{}s]))", plan.seconds));
    ensure!(samples > 0.0, "nothing was scraped");
    Ok(Cost { samples, cpu_s, start_cpu_s, peak_bytes, missed: scrapes - ups })
}

fn value(http: &Http, query: &str) -> f64 {
    let data = http.data("/api/v1/query", &[("query", query)]);
    let text = data["result"][0]["value"][1].as_str().context("a value");
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

/// A tenth of the series are gauges that change, the others counters of which most do.
fn page(series: usize, round: u64) -> String {
    let mut out = String::from(
        "# HELP load_requests_total Requests by path and code.\n# TYPE load_requests_total counter\n",
    );
    for n in 0..series {
        let value = match n % 10 {
            0 => (round * 37 + n as u64 * 11) % 1000,
            1 | 2 => n as u64 * 100,
            _ => round * (n as u64 % 17 + 1) + n as u64 * 100,
        };
        let name = if n % 10 == 0 { "load_queue_length" } else { "load_requests_total" };
        // writing to a string cannot fail
        let _ = writeln!(
            out,
            "{name}{{path=\"/api/v1/things/{n}\",method=\"GET\",code=\"{}\"}} {value}",
            200 + n % 5
        );
    }
    out
}

/// All targets are at one address, told apart by a parameter and their instance.
fn config(plan: &Plan, address: &str) -> String {
    let mut out = format!(
        "global: {{scrape_interval: {0}s, scrape_timeout: {0}s}}\nscrape_configs:\n- job_name: load\n  static_configs:\n",
        plan.interval_s
    );
    for n in 0..plan.targets {
        let _ = writeln!(
            out,
            "  - {{targets: ['{address}'], labels: {{__param_n: '{n}', instance: 'target-{n}'}}}}"
        );
    }
    out
}
