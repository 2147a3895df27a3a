//! The figures as tables in Markdown.

use crate::bench::{Figures, Measured};
use crate::subjects::Subject;
use std::fmt::Write;
use std::fs;

/// Relative difference up to which two values count as equal: sums of floats depend on their order.
const TOLERANCE: f64 = 1e-9;

/// Writes the tables of one run.
pub fn tables(figures: &Figures) -> String {
    let mut out = String::new();
    let mut profiles: Vec<_> = figures.keys().map(|(profile, _)| *profile).collect();
    profiles.dedup();
    for profile in profiles {
        let columns: Vec<(Subject, &Measured)> =
            figures.iter().filter(|((p, _), _)| *p == profile).map(|((_, s), m)| (*s, m)).collect();
        ingest(&mut out, profile, &columns).expect("a string takes all");
        queries(&mut out, profile, &columns).expect("a string takes all");
    }
    out
}

fn head(out: &mut String, first: &[&str], columns: &[(Subject, &Measured)]) -> std::fmt::Result {
    let names = first.iter().copied().chain(columns.iter().map(|(subject, _)| subject.name()));
    writeln!(out, "| {} |", names.collect::<Vec<_>>().join(" | "))?;
    writeln!(out, "|{}{}", "---|".repeat(first.len()), "---:|".repeat(columns.len()))
}

/// A row's name and how to take its value from the figures.
type Row = (&'static str, fn(&Measured) -> String);

fn ingest(out: &mut String, profile: &str, columns: &[(Subject, &Measured)]) -> std::fmt::Result {
    const MB: f64 = 1e6;
    let rows: [Row; 10] = [
        ("samples acknowledged", |m| m.sent.acknowledged.to_string()),
        ("requests failed", |m| m.sent.failures.values().sum::<usize>().to_string()),
        ("samples/s", |m| format!("{:.0}", m.sent.acknowledged as f64 / m.sent.seconds)),
        ("processor time a sample, µs", |m| format!("{:.2}", m.cpu_us())),
        ("... until the last acknowledgement", |m| {
            format!("{:.2}", m.cpu_s * 1e6 / m.sent.acknowledged.max(1) as f64)
        }),
        ("latency of a request p50 / p99, ms", |m| {
            format!("{:.1} / {:.1}", m.sent.latency_ms(0.5), m.sent.latency_ms(0.99))
        }),
        ("peak memory during ingest, MB", |m| format!("{:.0}", m.peak_ingest_bytes as f64 / MB)),
        ("peak memory, queries included, MB", |m| format!("{:.0}", m.peak_bytes as f64 / MB)),
        ("bytes a sample on disk, compacted", |m| format!("{:.2}", m.bytes_a_sample())),
        ("log of writes beside that, MB", |m| format!("{:.1}", m.disk.log_bytes as f64 / MB)),
    ];
    if let Some((_, any)) = columns.first() {
        writeln!(out, "### Ingest: `{profile}`, {} series, {} samples\n", any.series, any.samples)?;
    }
    head(out, &["cost"], columns)?;
    for (name, value) in rows {
        let cells: String = columns.iter().map(|(_, m)| format!(" {} |", value(m))).collect();
        writeln!(out, "| {name} |{cells}")?;
    }
    for (subject, m) in columns {
        for (reason, count) in &m.sent.failures {
            writeln!(out, "\n{} refused {count} requests: `{reason}`", subject.name())?;
        }
    }
    writeln!(out)
}

fn queries(out: &mut String, profile: &str, columns: &[(Subject, &Measured)]) -> std::fmt::Result {
    writeln!(out, "### Queries: `{profile}`, median ms\n")?;
    head(out, &["query", "series, points"], columns)?;
    let find = |subject| columns.iter().find(|(s, _)| *s == subject).map(|(_, m)| *m);
    let truth = find(Subject::Prometheus);
    let mut differences = Vec::new();
    let count = columns.iter().map(|(_, m)| m.queries.len()).min().unwrap_or(0);
    for at in 0..count {
        let name = &columns[0].1.queries[at].name;
        let wanted = truth.and_then(|m| m.queries[at].answer.as_ref().ok());
        let (series, points) = wanted.map_or((0, 0), |answer| answer.size());
        write!(out, "| {name} | {series}, {points} |")?;
        for (subject, m) in columns {
            let question = &m.queries[at];
            let mark = match (&question.answer, wanted) {
                (Err(error), _) => {
                    differences.push(format!("{name}, {}: error {error}", subject.name()));
                    " (error)"
                }
                (Ok(got), Some(wanted)) => match got.difference(wanted, TOLERANCE) {
                    Some(difference) => {
                        differences.push(format!("{name}, {}: {difference}", subject.name()));
                        " (differs)"
                    }
                    None => "",
                },
                (Ok(_), None) => "",
            };
            write!(out, " {:.2}{mark} |", question.median_ms)?;
        }
        writeln!(out)?;
    }
    means(out, columns, find(Subject::VictoriaMetrics))?;
    // VictoriaMetrics computes rates in a way of its own; its differences are expected and would fill pages.
    let ours: Vec<_> = differences.iter().filter(|line| !line.contains(", VictoriaMetrics: ")).collect();
    writeln!(
        out,
        "\nAnswers of Plimsoll that differ from Prometheus' (relative tolerance {TOLERANCE:e}): {}.\n",
        ours.len()
    )?;
    for line in ours {
        writeln!(out, "- `{}`", line.chars().take(240).collect::<String>())?;
    }
    writeln!(out)
}

fn means(out: &mut String, columns: &[(Subject, &Measured)], base: Option<&Measured>) -> std::fmt::Result {
    let Some(base) = base else { return Ok(()) };
    write!(out, "| **geometric mean, VictoriaMetrics = 1** | |")?;
    for (_, m) in columns {
        let logs: Vec<f64> =
            m.queries.iter().zip(&base.queries).map(|(a, b)| (a.median_ms / b.median_ms).ln()).collect();
        let mean = (logs.iter().sum::<f64>() / logs.len().max(1) as f64).exp();
        write!(out, " **{mean:.2}** |")?;
    }
    writeln!(out)
}

/// Which machine and which programs these are the figures of.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} ({cores} cores), Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}
