//! All samples out again: the API and the command against VictoriaMetrics' API and `promtool tsdb dump`.

use crate::profiles::{DataSet, Profile, Shape};
use crate::replay::replay;
use crate::subjects::{Running, Subject};
use anyhow::{Context, Result, ensure};
use plimsoll_tests::plimsoll::binary;
use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// After the last acknowledgement servers still work on what they took.
const SETTLE: Duration = Duration::from_secs(5);

/// Linux counts processor time in ticks of a hundredth of a second.
const TICKS_PER_SECOND: f64 = 100.0;

const ALL: &str = "{__name__!=\"\"}";

/// What shall be measured.
pub struct Plan {
    /// Divide the number of targets by this.
    pub divide: usize,
    pub end: i64,
}

/// Runs the plan; answers the table.
pub fn run(plan: &Plan) -> Result<String> {
    let full = Profile::Devops.shape();
    let shape = Shape { targets: (full.targets / plan.divide).max(1), ..full };
    let data = DataSet::make(Profile::Devops, shape, plan.end, 1);
    let mut table =
        String::from("| what | samples/s | CPU, µs a sample | bytes a sample |\n|---|---:|---:|---:|\n");
    for subject in [Subject::VictoriaMetrics, Subject::Plimsoll] {
        let mut server = load(subject, &data)?;
        by_api(&mut table, &mut server, subject.name(), &data)?;
        if let Running::Plimsoll(node) = &server {
            let url = node.url();
            for format in ["jsonl", "csv", "openmetrics", "parquet"] {
                let mut command = Command::new(binary());
                command.args(["export", ALL, "--format", format, "--timeout", "5m", "--url", &url]);
                by_command(
                    &mut table,
                    &mut server,
                    &format!("`plimsoll export --format {format}`, with the node"),
                    command,
                    &data,
                )?;
            }
        }
    }
    let mut server = load(Subject::Prometheus, &data)?;
    let Running::Prometheus(peer) = &server else { return Ok(table) };
    let mut command = Command::new("promtool");
    command.args(["tsdb", "dump"]).arg(peer.data());
    by_command(&mut table, &mut server, "`promtool tsdb dump`, from the files", command, &data)?;
    Ok(table)
}

fn load(subject: Subject, data: &DataSet) -> Result<Running> {
    eprintln!("{} takes {} samples", subject.name(), data.samples());
    let server = subject.start();
    let sent = replay(data, &server.http());
    ensure!(sent.failures.is_empty(), "requests failed: {:?}", sent.failures);
    server.compact();
    thread::sleep(SETTLE);
    Ok(server)
}

fn by_api(table: &mut String, server: &mut Running, name: &str, data: &DataSet) -> Result<()> {
    let http = server.http();
    let before = server.process().cpu_seconds();
    let began = Instant::now();
    let start = (data.end - 86_400).to_string();
    let answer = http.get("/api/v1/export", &[("match[]", ALL), ("start", &start)])?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(answer.status == 200, "{name}: {} {}", answer.status, answer.text());
    let cpu = server.process().cpu_seconds() - before;
    row(table, &format!("{name}, `/api/v1/export`"), seconds, cpu, answer.body.len() as u64, data)
}

fn by_command(
    table: &mut String,
    server: &mut Running,
    name: &str,
    mut command: Command,
    data: &DataSet,
) -> Result<()> {
    let (server_before, before) = (server.process().cpu_seconds(), children_cpu_seconds());
    let began = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let mut out = child.stdout.take().context("the output is piped")?;
    let bytes = std::io::copy(&mut out, &mut std::io::sink())?;
    let status = child.wait()?;
    let seconds = began.elapsed().as_secs_f64();
    // 4: some samples have no form in the format.
    ensure!(matches!(status.code(), Some(0 | 4)), "{command:?}: {status}");
    let cpu = children_cpu_seconds() - before + server.process().cpu_seconds() - server_before;
    row(table, name, seconds, cpu, bytes, data)
}

fn row(table: &mut String, name: &str, seconds: f64, cpu: f64, bytes: u64, data: &DataSet) -> Result<()> {
    let samples = data.samples() as f64;
    let (rate, cpu, size) = (samples / seconds / 1e6, cpu * 1e6 / samples, bytes as f64 / samples);
    writeln!(table, "| {name} | {rate:.2} M | {cpu:.2} | {size:.1} |")?;
    Ok(())
}

/// Processor time of all children that have ended.
fn children_cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // All behind the name in parentheses is numbers; proc(5): cutime and cstime are fields 16 and 17.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(13) + ticks(14)) / TICKS_PER_SECOND
}
