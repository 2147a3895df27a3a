//! What the node tells of itself: logs, and metrics at `/metrics`.

mod metadata;

pub use metadata::Metadata;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Bounds of the histograms of durations, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Installs the recorder of this process; the handle renders `/metrics`.
pub fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .with_recommended_naming(false);
    let handle = builder.install_recorder()?;
    describe();
    Ok(handle)
}

/// Logs to stderr, as text or JSON. `RUST_LOG` wins over `level`.
pub fn install_logs(level: &str, json: bool) {
    // the libraries under consensus tell each step at `info`; what matters of it is told by us
    let quiet = format!("{level},openraft=error,raft_engine=error,ractor=warn,h2=warn,hyper=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if json {
        logs.json().init();
    } else {
        logs.compact().init();
    }
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    counter!("plimsoll_ingest_samples_total", "Samples acknowledged, by format.");
    counter!("plimsoll_ingest_requests_total", "Write requests, by format.");
    counter!(
        "plimsoll_ingest_failed_requests_total",
        "Write requests that were not taken, by format and reason."
    );
    counter!("plimsoll_ingest_refused_samples_total", "Samples refused, by reason.");
    counter!("plimsoll_ingest_duplicate_samples_total", "Samples equal to one that was there.");
    counter!("plimsoll_ingest_replaced_samples_total", "Samples that replaced a different value.");
    counter!(
        "plimsoll_ingest_ignored_exemplars_total",
        "Exemplars that came with samples; they are not kept yet."
    );
    counter!("plimsoll_http_errors_total", "HTTP answers that are errors, by type and code.");
    counter!("plimsoll_queries_total", "Queries, by kind and outcome.");
    counter!("plimsoll_shard_restarts_total", "Shard actors restarted from disk after a crash.");
    histogram!("plimsoll_query_duration_seconds", "Time of a query from parsing to the last partial result.");
    counter!("plimsoll_scrapes_total", "Scrapes of targets by this node, by outcome.");
    counter!("plimsoll_scrape_samples_total", "Samples that were scraped and written.");
    counter!("plimsoll_scrape_refused_samples_total", "Scraped samples that were refused, by reason.");
    counter!("plimsoll_scrape_lost_samples_total", "Scraped samples that could not be written in time.");
    counter!(
        "plimsoll_scrape_discovery_failures_total",
        "Files and servers of targets that could not be read."
    );
    counter!("plimsoll_scrape_config_refused_total", "Scrape configurations that were refused.");
    gauge!("plimsoll_scrape_config_file_ok", "Whether scrape.config_file could be used.");
    gauge!("plimsoll_scrape_targets", "Targets that this node scrapes.");
    gauge!("plimsoll_queries_active", "Queries that are running.");
    gauge!("plimsoll_series", "Series in memory.");
    gauge!("plimsoll_increasing_series", "Series whose increases (delta temporality) are added up here.");
    gauge!(
        "plimsoll_out_of_order_samples",
        "Samples that came after later ones of their series, since the start."
    );
    gauge!("plimsoll_quarantined_rows", "Rows on disk left out of answers because their checksum fails.");
    gauge!("plimsoll_head_samples", "Samples since the last checkpoint.");
    gauge!("plimsoll_disk_bytes", "Bytes on disk, by part.");
    gauge!("plimsoll_ingest_in_flight_bytes", "Bytes of write requests under way.");
    gauge!("process_resident_memory_bytes", "Resident memory of this process.");
    gauge!("process_cpu_seconds_total", "CPU time of this process.");
    gauge!("process_start_time_seconds", "Unix time at which this process started.");
}
