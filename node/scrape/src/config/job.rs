//! A job: what its entry in the file and the global defaults come to.

use super::http::HttpClient;
use super::problem::{Part, Problems};
use super::units::Duration;
use super::{rules, written};
use crate::discover::Group;
use crate::negotiate::Protocol;
use crate::relabel::Rule;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Prometheus' defaults.
const INTERVAL: Duration = Duration::from_ms(60_000);
const TIMEOUT: Duration = Duration::from_ms(10_000);
const FILE_REFRESH: Duration = Duration::from_ms(300_000);
const HTTP_REFRESH: Duration = Duration::from_ms(60_000);

/// Bounds of a scrape; nothing is no bound of the job's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body, unpacked.
    pub body_bytes: Option<u64>,
    /// Samples after relabelling.
    pub samples: Option<u64>,
    /// Labels of a series.
    pub labels: Option<u64>,
    /// Bytes of a label's name.
    pub label_name_bytes: Option<u64>,
    /// Bytes of a label's value.
    pub label_value_bytes: Option<u64>,
    /// Targets after relabelling.
    pub targets: Option<u64>,
    /// Dropped targets that are remembered.
    pub dropped: Option<u64>,
}

/// Targets that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSd {
    /// Paths; the last part may have `*`.
    pub files: Vec<PathBuf>,
    /// How long an unchanged file is left alone.
    pub refresh: Duration,
}

/// Targets that a server names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSd {
    /// Where.
    pub url: String,
    /// How often it is asked.
    pub refresh: Duration,
    /// How.
    pub http: HttpClient,
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its name, and the label `job` of its targets.
    pub name: String,
    /// How often.
    pub interval: Duration,
    /// How long a target may take.
    pub timeout: Duration,
    /// The formats that are asked for, best first.
    pub protocols: Vec<Protocol>,
    /// What an answer without a useful Content-Type is read as.
    pub fallback: Option<Protocol>,
    /// Whether the classic form of a native histogram is taken too.
    pub classic_histograms: bool,
    /// Whether `scrape_timeout_seconds` and `scrape_sample_limit` are written.
    pub extra_metrics: bool,
    /// `http` or `https`.
    pub scheme: String,
    /// The path of the metrics.
    pub path: String,
    /// Parameters of the url.
    pub params: BTreeMap<String, Vec<String>>,
    /// Whether the target's own labels win over those of the job.
    pub honor_labels: bool,
    /// Whether the target's own timestamps are used.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own end with a stale marker.
    pub track_timestamps_staleness: bool,
    /// Whether gzip is asked for.
    pub compression: bool,
    /// Bounds.
    pub limits: Limits,
    /// How targets are reached.
    pub http: HttpClient,
    /// Targets that stand in the document.
    pub groups: Vec<Group>,
    /// Files that name targets.
    pub file_sd: Vec<FileSd>,
    /// Servers that name targets.
    pub http_sd: Vec<HttpSd>,
    /// What is done to the labels of targets.
    pub relabel: Vec<Rule>,
    /// What is done to the labels of series.
    pub metric_relabel: Vec<Rule>,
}

/// Defaults for all jobs.
pub(super) struct Global {
    interval: Duration,
    timeout: Duration,
    written: written::Global,
}

impl Global {
    pub fn new(written: written::Global, problems: &mut Problems) -> Self {
        let interval = positive(written.scrape_interval, INTERVAL);
        let timeout = positive(written.scrape_timeout, TIMEOUT.min(interval));
        let mut part = problems.within("global");
        if timeout > interval {
            part.add("scrape_timeout", format!("{timeout} is longer than scrape_interval, {interval}"));
        }
        check_schemes(
            &written.metric_name_validation_scheme,
            &written.metric_name_escaping_scheme,
            &mut part,
        );
        Self { interval, timeout, written }
    }
}

/// A duration of nought is as good as none.
fn positive(given: Option<Duration>, default: Duration) -> Duration {
    given.filter(|d| d.ms() > 0).unwrap_or(default)
}

/// Names are any UTF-8 here, as in Prometheus 3.
fn check_schemes(validation: &Option<String>, escaping: &Option<String>, problems: &mut Part<'_>) {
    if let Some(scheme) = validation.as_deref().filter(|s| *s != "utf8") {
        let text = format!("`{scheme}` is not supported: any UTF-8 is a name here, which is `utf8`");
        problems.add("metric_name_validation_scheme", text);
    }
    if let Some(scheme) = escaping.as_deref().filter(|s| *s != "allow-utf-8") {
        problems
            .add("metric_name_escaping_scheme", format!("`{scheme}` is not supported: use `allow-utf-8`"));
    }
}

impl Job {
    pub(super) fn new(
        mut w: written::ScrapeConfig,
        global: &Global,
        problems: &mut Part<'_>,
    ) -> Option<Self> {
        let defaults = &global.written;
        if w.job_name.is_empty() {
            problems.add("job_name", "is empty");
        }
        let interval = positive(w.scrape_interval, global.interval);
        let timeout = positive(w.scrape_timeout, global.timeout.min(interval));
        if timeout > interval {
            problems.add("scrape_timeout", format!("{timeout} is longer than scrape_interval, {interval}"));
        }
        let scheme = w.scheme.take().unwrap_or_else(|| "http".to_owned()).to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            problems.add("scheme", format!("`{scheme}` should be http or https"));
        }
        check_schemes(&w.metric_name_validation_scheme, &w.metric_name_escaping_scheme, problems);
        let native = w.scrape_native_histograms.or(defaults.scrape_native_histograms).unwrap_or(false);
        let names = w.scrape_protocols.take().or_else(|| defaults.scrape_protocols.clone());
        let fallback =
            w.fallback_scrape_protocol.take().or_else(|| defaults.fallback_scrape_protocol.clone());
        let classic = w.always_scrape_classic_histograms.or(w.scrape_classic_histograms);
        let http = HttpClient::new(w.http(), problems);
        Some(Self {
            protocols: protocols(names, native, problems),
            fallback: fallback.and_then(|name| protocol(&name, "fallback_scrape_protocol", problems)),
            classic_histograms: classic.or(defaults.always_scrape_classic_histograms).unwrap_or(false),
            extra_metrics: w.extra_scrape_metrics.or(defaults.extra_scrape_metrics).unwrap_or(false),
            path: w.metrics_path.take().unwrap_or_else(|| "/metrics".to_owned()),
            params: w.params.take().unwrap_or_default(),
            honor_labels: w.honor_labels.unwrap_or(false),
            honor_timestamps: w.honor_timestamps.unwrap_or(true),
            track_timestamps_staleness: w.track_timestamps_staleness.unwrap_or(false),
            compression: w.enable_compression.unwrap_or(true),
            limits: limits(&w, defaults),
            groups: static_groups(w.static_configs.take(), problems),
            file_sd: file_sd(w.file_sd_configs.take(), problems),
            http_sd: http_sd(w.http_sd_configs.take(), problems),
            relabel: rules::read(w.relabel_configs.take().unwrap_or_default(), "relabel_configs", problems),
            metric_relabel: rules::read(
                w.metric_relabel_configs.take().unwrap_or_default(),
                "metric_relabel_configs",
                problems,
            ),
            name: w.job_name,
            interval,
            timeout,
            scheme,
            http,
        })
    }
}

fn limits(w: &written::ScrapeConfig, defaults: &written::Global) -> Limits {
    let of = |own: Option<u64>, global: Option<u64>| own.or(global).filter(|n| *n > 0);
    let size = w.body_size_limit.or(defaults.body_size_limit).map(|bytes| bytes.0);
    Limits {
        body_bytes: size.filter(|bytes| *bytes > 0),
        samples: of(w.sample_limit, defaults.sample_limit),
        labels: of(w.label_limit, defaults.label_limit),
        label_name_bytes: of(w.label_name_length_limit, defaults.label_name_length_limit),
        label_value_bytes: of(w.label_value_length_limit, defaults.label_value_length_limit),
        targets: of(w.target_limit, defaults.target_limit),
        dropped: of(w.keep_dropped_targets, defaults.keep_dropped_targets),
    }
}

fn protocol(name: &str, key: &str, problems: &mut Part<'_>) -> Option<Protocol> {
    let found = Protocol::from_name(name);
    if found.is_none() {
        let known: Vec<&str> = Protocol::ALL.iter().map(|(name, _)| *name).collect();
        problems.add(key, format!("`{name}` is no protocol; known are {}", known.join(", ")));
    }
    found
}

fn protocols(names: Option<Vec<String>>, native: bool, problems: &mut Part<'_>) -> Vec<Protocol> {
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return if native { Protocol::NATIVE.to_vec() } else { Protocol::USUAL.to_vec() };
    };
    let mut found = Vec::new();
    for name in names {
        if let Some(protocol) = protocol(&name, "scrape_protocols", problems) {
            if found.contains(&protocol) {
                problems.add("scrape_protocols", format!("`{name}` is there twice"));
            }
            found.push(protocol);
        }
    }
    found
}

fn static_groups(written: written::List<written::StaticConfig>, problems: &mut Part<'_>) -> Vec<Group> {
    let each = written.unwrap_or_default().into_iter().enumerate();
    let group = |(at, one): (usize, written::StaticConfig)| {
        let mut problems = problems.within(&format!("static_configs[{at}]"));
        let targets = one.targets.unwrap_or_default();
        for target in targets.iter().filter(|target| target.contains('/') || target.is_empty()) {
            problems.add("targets", format!("`{target}` should be HOST:PORT, without scheme and path"));
        }
        Group { source: at.to_string(), targets, labels: one.labels.unwrap_or_default() }
    };
    each.map(group).collect()
}

fn file_sd(written: written::List<written::FileSdConfig>, problems: &mut Part<'_>) -> Vec<FileSd> {
    let mut out = Vec::new();
    for (at, one) in written.unwrap_or_default().into_iter().enumerate() {
        let mut problems = problems.within(&format!("file_sd_configs[{at}]"));
        if one.files.is_empty() {
            problems.add("files", "names no file");
        }
        for file in &one.files {
            let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
            let known = [".json", ".yml", ".yaml"].iter().any(|end| name.ends_with(end));
            if !known || folder.contains('*') || name.matches('*').count() > 1 {
                let text = "should end with .json, .yml or .yaml and may have one * in its last part";
                problems.add("files", format!("`{file}` {text}"));
            }
        }
        let files = one.files.into_iter().map(PathBuf::from).collect();
        out.push(FileSd { files, refresh: positive(one.refresh_interval, FILE_REFRESH) });
    }
    out
}

fn http_sd(written: written::List<written::HttpSdConfig>, problems: &mut Part<'_>) -> Vec<HttpSd> {
    let mut out = Vec::new();
    for (at, mut one) in written.unwrap_or_default().into_iter().enumerate() {
        let mut problems = problems.within(&format!("http_sd_configs[{at}]"));
        if !one.url.starts_with("http://") && !one.url.starts_with("https://") {
            problems.add("url", format!("`{}` should begin with http:// or https://", one.url));
        }
        let http = HttpClient::new(one.http(), &mut problems);
        out.push(HttpSd { refresh: positive(one.refresh_interval, HTTP_REFRESH), http, url: one.url });
    }
    out
}
