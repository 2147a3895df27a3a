//! From a job and what was discovered to targets.

use crate::config::{Duration, Job};
use crate::{Group, LabelSet, Schedule, relabel};
use plimsoll_model::Labels;
use std::collections::HashSet;
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Dropped targets that are remembered where the job says nothing.
const DROPPED: usize = 1000;

/// Something that is scraped.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name within the cluster: the same on every node and after every restart.
    pub key: String,
    /// Its job.
    pub job: Arc<Job>,
    /// Labels that its series get.
    pub labels: Labels,
    /// Labels before relabelling.
    pub discovered: Labels,
    /// Where it is asked.
    pub url: String,
    /// How often.
    pub interval: Duration,
    /// How long it may take.
    pub timeout: Duration,
    /// Its own place in the interval.
    pub schedule: Schedule,
}

/// Targets of one job are compared every second: the job itself is looked into only where it is another one.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.interval == other.interval
            && self.timeout == other.timeout
            && self.labels == other.labels
            && self.url == other.url
            && self.discovered == other.discovered
            && self.same_job(other)
    }
}

impl Target {
    /// Whether both belong to the same job, with the same settings.
    pub fn same_job(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.job, &other.job) || self.job == other.job
    }
}

/// A target that relabelling dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its job.
    pub job: String,
    /// Labels before relabelling.
    pub discovered: Labels,
}

/// What a job comes to.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What is to be scraped, each once.
    pub targets: Vec<Target>,
    /// What relabelling dropped, as far as it is remembered.
    pub dropped: Vec<Dropped>,
    /// How many were dropped.
    pub dropped_count: usize,
    /// Addresses that cannot be scraped, with the reason.
    pub errors: Vec<String>,
    /// There are more targets than `target_limit`: none may be scraped.
    pub over_limit: Option<String>,
}

/// The targets of `job` among `groups`.
pub fn targets(job: &Arc<Job>, groups: &[Group]) -> Found {
    let mut found = Found::default();
    let mut known = HashSet::new();
    let remembered = job.limits.dropped.map_or(DROPPED, |n| n as usize);
    for group in groups {
        for address in &group.targets {
            match one(job, group, address) {
                Ok(Outcome::Target(target)) => {
                    if known.insert(target.key.clone()) {
                        found.targets.push(*target);
                    }
                }
                Ok(Outcome::Dropped(discovered)) => {
                    found.dropped_count += 1;
                    if found.dropped.len() < remembered {
                        found.dropped.push(Dropped { job: job.name.clone(), discovered });
                    }
                }
                Err(why) if found.errors.len() < DROPPED => {
                    found.errors.push(format!("{} {} `{address}`: {why}", job.name, group.source));
                }
                Err(_) => {}
            }
        }
    }
    if let Some(limit) = job.limits.targets.filter(|limit| found.targets.len() as u64 > *limit) {
        found.over_limit = Some(format!(
            "target_limit exceeded (number of targets: {}, limit: {limit})",
            found.targets.len()
        ));
    }
    found
}

enum Outcome {
    Target(Box<Target>),
    Dropped(Labels),
}

fn one(job: &Arc<Job>, group: &Group, address: &str) -> Result<Outcome, String> {
    let mut labels: LabelSet = group.labels.iter().map(|(name, value)| (name, value.as_str())).collect();
    labels.set("__address__", address);
    for (name, value) in [
        ("job", job.name.as_str()),
        ("__scrape_interval__", &job.interval.to_string()),
        ("__scrape_timeout__", &job.timeout.to_string()),
        ("__metrics_path__", &job.path),
        ("__scheme__", &job.scheme),
    ] {
        labels.set_default(name, value);
    }
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            labels.set(&format!("__param_{name}"), first.as_str());
        }
    }
    let discovered = labels.to_labels().map_err(|e| e.to_string())?;
    if !relabel(&job.relabel, &mut labels) {
        return Ok(Outcome::Dropped(discovered));
    }
    let duration = |name: &str| {
        let text = labels.get(name);
        let read = Duration::parse(text).filter(|d| d.ms() > 0);
        read.ok_or_else(|| format!("{name} is `{text}`, which is no duration"))
    };
    let (interval, timeout) = (duration("__scrape_interval__")?, duration("__scrape_timeout__")?);
    if timeout > interval {
        return Err(format!("the timeout {timeout} is longer than the interval {interval}"));
    }
    let address = labels.get("__address__").to_owned();
    let url = url(job, &labels, &address)?;
    labels.set_default("instance", &address);
    labels.retain(|name| !name.starts_with("__"));
    let labels = labels.to_labels().map_err(|e| e.to_string())?;
    let identity = format!("{}\0{url}\0{labels}", job.name);
    let key = format!("{:032x}", xxh3_128(identity.as_bytes()));
    let schedule = Schedule::new(xxh3_64(identity.as_bytes()), interval.ms());
    let job = job.clone();
    Ok(Outcome::Target(Box::new(Target { key, job, labels, discovered, url, interval, timeout, schedule })))
}

fn url(job: &Job, labels: &LabelSet, address: &str) -> Result<String, String> {
    if address.is_empty() {
        return Err("there is no address".to_owned());
    }
    if address.bytes().any(|b| matches!(b, b'/' | b'?' | b'#' | b'@') || b.is_ascii_whitespace()) {
        return Err(format!("`{address}` should be HOST:PORT"));
    }
    let scheme = labels.get("__scheme__");
    if !matches!(scheme, "http" | "https") {
        return Err(format!("the scheme `{scheme}` should be http or https"));
    }
    let path = labels.get("__metrics_path__");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut params: Vec<(String, String)> = Vec::new();
    for (name, values) in &job.params {
        params.extend(values.iter().skip(1).map(|value| (name.clone(), value.clone())));
    }
    // the first value of each is what relabelling left of it
    let first = labels.iter().filter_map(|(name, value)| Some((name.strip_prefix("__param_")?, value)));
    params.splice(0..0, first.map(|(name, value)| (name.to_owned(), value.to_owned())));
    params.sort_by(|a, b| a.0.cmp(&b.0));
    let pairs: Vec<String> = params.iter().map(|(n, v)| format!("{}={}", escaped(n), escaped(v))).collect();
    let question = match (pairs.is_empty(), path.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    Ok(format!("{scheme}://{address}{slash}{path}{question}{}", pairs.join("&")))
}

/// Percent-encodes what a parameter may not hold.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            b' ' => out.push('+'),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
