//! The comparison: every server with every data set, one after another.

use crate::profiles::{DataSet, Profile, Shape};
use crate::queries::{self, Query};
use crate::replay::{Sent, replay};
use crate::subjects::{Disk, Subject};
use anyhow::Result;
use plimsoll_tests::answer::Answer;
use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// After the last acknowledgement servers still work on what they took; that is part of its cost.
const SETTLE: Duration = Duration::from_secs(10);

/// The end of all queries, in seconds before the last scrape: a whole interval, so that every target has a newer
/// sample, and an odd rest, so that no window's edge falls on a sample (Prometheus 2 and 3 differ there).
const BEFORE_THE_END: f64 = 20.337;

/// What shall be measured.
pub struct Plan {
    pub profiles: Vec<Profile>,
    pub subjects: Vec<Subject>,
    /// Divides the number of targets, for a quick look.
    pub divide: usize,
    pub runs: usize,
    pub end: i64,
}

/// All figures of one server on one data set.
pub struct Measured {
    pub sent: Sent,
    pub samples: usize,
    pub series: usize,
    /// Processor seconds until the last acknowledgement, and [`SETTLE`] later.
    pub cpu_s: f64,
    pub cpu_settled_s: f64,
    pub peak_ingest_bytes: u64,
    pub peak_bytes: u64,
    pub disk: Disk,
    pub queries: Vec<Question>,
}

/// One query on one server.
pub struct Question {
    pub name: String,
    pub median_ms: f64,
    pub answer: Result<Answer, String>,
}

/// Everything, by data set and server.
pub type Figures = BTreeMap<(&'static str, Subject), Measured>;

/// Runs the plan; says on stderr how far it is.
pub fn run(plan: &Plan, queries_folder: &Path) -> Result<Figures> {
    let mut figures = Figures::new();
    for &profile in &plan.profiles {
        let questions = queries::read(&queries_folder.join(format!("{}.txt", profile.name())))?;
        let full = profile.shape();
        let shape = Shape { targets: (full.targets / plan.divide).max(1), ..full };
        eprintln!("{}: making the data set", profile.name());
        let data = DataSet::make(profile, shape, plan.end, 1);
        for &subject in &plan.subjects {
            eprintln!("{}: {} takes {} samples", profile.name(), subject.name(), data.samples());
            figures.insert((profile.name(), subject), measure(subject, &data, &questions, plan.runs));
        }
    }
    Ok(figures)
}

fn measure(subject: Subject, data: &DataSet, questions: &[Query], runs: usize) -> Measured {
    let mut server = subject.start();
    let http = server.http();
    let before = server.process().cpu_seconds();
    let sent = replay(data, &http);
    let cpu_s = server.process().cpu_seconds() - before;
    thread::sleep(SETTLE);
    let cpu_settled_s = server.process().cpu_seconds() - before;
    let peak_ingest_bytes = server.process().peak_resident_bytes();
    let disk = server.compact();
    let end = data.end as f64 - BEFORE_THE_END;
    let queries = questions
        .iter()
        .map(|query| {
            let timed = query.time(&http, end, runs);
            Question { name: query.to_string(), median_ms: timed.median_ms, answer: timed.answer }
        })
        .collect();
    let peak_bytes = server.process().peak_resident_bytes();
    Measured {
        sent,
        samples: data.samples(),
        series: data.series,
        cpu_s,
        cpu_settled_s,
        peak_ingest_bytes,
        peak_bytes,
        disk,
        queries,
    }
}

impl Measured {
    /// Processor time of a sample in µs, the work after the last acknowledgement included.
    pub fn cpu_us(&self) -> f64 {
        self.cpu_settled_s * 1e6 / self.sent.acknowledged.max(1) as f64
    }

    /// Bytes of a sample on disk, the log of writes left out.
    pub fn bytes_a_sample(&self) -> f64 {
        self.disk.data_bytes as f64 / self.sent.acknowledged.max(1) as f64
    }
}
