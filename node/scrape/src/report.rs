//! What is written about each scrape, beside its samples.

use crate::{Sample, Target, Value};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp, stale_nan};

/// Figures of one scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Whether the target answered with metrics that could be taken.
    pub up: bool,
    /// How long it took.
    pub seconds: f64,
    /// Samples that it sent.
    pub scraped: u64,
    /// Those that relabelling left.
    pub kept: u64,
    /// Series that were not there before.
    pub added: u64,
    /// Bytes of the body, unpacked; -1 where it was over its limit.
    pub body_bytes: i64,
}

/// Names of the series in the order of their values.
const USUAL: [&str; 6] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_body_size_bytes",
];
const EXTRA: [&str; 2] = ["scrape_timeout_seconds", "scrape_sample_limit"];

/// Whether a metric of this name is written by the scraper itself.
pub fn is_report(metric: &str) -> bool {
    USUAL.contains(&metric) || EXTRA.contains(&metric)
}

/// The samples that report on a scrape of `target` at `at`; without figures, the markers that end them.
pub fn report(target: &Target, at: Timestamp, figures: Option<&Figures>) -> Vec<Sample> {
    let f = figures.copied().unwrap_or_default();
    let usual = [
        f64::from(u8::from(f.up)),
        f.seconds,
        f.scraped as f64,
        f.kept as f64,
        f.added as f64,
        f.body_bytes as f64,
    ];
    let extra = [target.timeout.ms() as f64 / 1000.0, target.job.limits.samples.unwrap_or(0) as f64];
    let extras = if target.job.extra_metrics { EXTRA.len() } else { 0 };
    let all = USUAL.iter().zip(usual).chain(EXTRA.iter().zip(extra).take(extras));
    let sample = |(name, value): (&&str, f64)| {
        let labels: Labels = target.labels.with(METRIC_NAME, name);
        let value = Value::Float(if figures.is_some() { value } else { stale_nan() });
        Sample { labels, timestamp: at, value }
    };
    all.map(sample).collect()
}
