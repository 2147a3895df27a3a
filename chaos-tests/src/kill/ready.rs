//! How long a node with many series needs to be ready after kill -9.

use crate::writer::now_ms;
use anyhow::{Result, ensure};
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use std::fmt::Write;
use std::time::Instant;

/// Samples of each series, a scrape interval apart.
const SAMPLES: i64 = 4;

const SERIES_PER_REQUEST: usize = 5000;

/// Fills the head with `count` series, kills the node, and adds rows about its restart to `said`.
pub fn measure(count: usize, said: &mut String) -> Result<()> {
    // No checkpoint by time: all of it is in the head and in the log, the most that a restart can have to do.
    let mut node = Node::start_with(&[("storage.checkpoint_interval", "1d")]);
    let http = node.http();
    let began = Instant::now();
    let now = now_ms();
    let mut request = WriteRequest::new();
    let series: Vec<SeriesBytes> = (0..count).map(series).collect();
    for sample in 0..SAMPLES {
        for chunk in series.chunks(SERIES_PER_REQUEST) {
            request.clear();
            for series in chunk {
                request.series(series, &[(now - (SAMPLES - sample) * 15_000, sample as f64)]);
            }
            let answer = request.send(&http)?;
            ensure!(answer.status / 100 == 2, "refused: {} {}", answer.status, answer.text());
        }
    }
    let fill = began.elapsed();
    let peak = node.process().peak_resident_bytes();
    node.kill();
    let ready = node.restart();
    let query = format!("count({METRIC})");
    let found = http.data("/api/v1/query", &[("query", &query)])["result"][0]["value"][1].to_string();
    ensure!(found == format!("\"{count}\""), "{found} series are there after the restart, not {count}");
    writeln!(said, "| series in the head before a kill -9, {SAMPLES} samples each | {count} |")?;
    writeln!(said, "| time to fill it, s | {:.1} |", fill.as_secs_f64())?;
    writeln!(said, "| peak memory, MB | {:.0} |", peak as f64 / 1e6)?;
    writeln!(said, "| time to ready after it, s | {:.2} |", ready.as_secs_f64())?;
    Ok(())
}

const METRIC: &str = "chaos_many_series";

fn series(number: usize) -> SeriesBytes {
    let (pod, container) = (format!("pod-{:06}", number / 20), format!("container-{}", number % 20));
    SeriesBytes::new(&[
        ("__name__", METRIC),
        ("job", "kubelet"),
        ("namespace", ["default", "kube-system", "agents"][number / 20 % 3]),
        ("pod", &pod),
        ("container", &container),
    ])
}
