//! The part of Prometheus' configuration that is about scraping:
//! <https://prometheus.io/docs/prometheus/latest/configuration/configuration/>.
//!
//! In reading order: [`written`] (what may stand in the file), [`units`], [`problem`] (what is said about what may
//! not), [`http`] and [`job`] (what it means).

mod http;
mod job;
mod problem;
mod rules;
mod units;
mod written;

pub use http::{Authorization, BasicAuth, HttpClient, Secret, Source, Tls};
pub use job::{FileSd, HttpSd, Job, Limits};
pub use problem::{Problem, Warning};
pub use units::{Bytes, Duration};

use problem::Problems;
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes of a document; the ownership state takes 4 MB.
const MOST_BYTES: usize = 4 << 20;

/// What is to be scraped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The jobs, in the order of the file.
    pub jobs: Vec<Job>,
    /// What was passed over, for whoever wrote the file.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Makes paths that are relative to `base` absolute.
    pub fn rebase(&mut self, base: &Path) {
        for job in &mut self.jobs {
            let certificates = job.http_sd.iter_mut().map(|sd| &mut sd.http).chain([&mut job.http]);
            let secrets = certificates.flat_map(HttpClient::paths_mut);
            for path in secrets.chain(job.file_sd.iter_mut().flat_map(|sd| &mut sd.files)) {
                *path = base.join(&*path);
            }
        }
    }

    /// Problems with paths that are not absolute: a document that is not a file has no place they could start from.
    pub fn relative_paths(&self) -> Vec<Problem> {
        let mut copy = self.clone();
        let mut problems = Problems::default();
        for job in &mut copy.jobs {
            let certificates = job.http_sd.iter_mut().map(|sd| &mut sd.http).chain([&mut job.http]);
            let secrets = certificates.flat_map(HttpClient::paths_mut);
            for path in secrets.chain(job.file_sd.iter_mut().flat_map(|sd| &mut sd.files)) {
                if path.is_relative() {
                    let text = format!(
                        "the path `{}` must be absolute, and the file lie on every node",
                        path.display()
                    );
                    problems.add(&format!("job `{}`", job.name), text);
                }
            }
        }
        problems.into_list()
    }
}

/// Reads a document. All that is wrong with its meaning is told at once; a mistake of its form ends the reading.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    if text.len() > MOST_BYTES {
        return Err(vec![Problem::whole(format!("{} bytes are over the limit of {MOST_BYTES}", text.len()))]);
    }
    let options = serde_saphyr::options! { with_snippet: false };
    // an empty document, or one of comments alone, asks for nothing
    let read: Result<Option<written::File>, _> = serde_saphyr::from_str_with_options(text, options);
    let file = read.map_err(|e| vec![Problem::of_form(&e)])?.unwrap_or_default();
    let mut problems = Problems::default();
    let mut config = Config { jobs: Vec::new(), warnings: problem::warnings(&file) };
    let global = job::Global::new(file.global.unwrap_or_default(), &mut problems);
    if file.scrape_config_files.is_some_and(|files| !files.is_empty()) {
        problems.add("scrape_config_files", "is not read here: put all jobs into this document");
    }
    let mut names = BTreeSet::new();
    for (at, written) in file.scrape_configs.unwrap_or_default().into_iter().enumerate() {
        let place = format!("scrape_configs[{at}]");
        let name = written.job_name.clone();
        if let Some(job) = Job::new(written, &global, &mut problems.within(&place)) {
            if !names.insert(name.clone()) {
                problems.add(&format!("{place}.job_name"), format!("`{name}` is the name of a job above"));
            }
            config.jobs.push(job);
        }
    }
    if problems.is_empty() { Ok(config) } else { Err(problems.into_list()) }
}
