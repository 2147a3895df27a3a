//! `GET /metrics`: this node in Prometheus' text format.

use super::AppState;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge};

/// `GET /metrics`
pub async fn metrics(State(app): State<AppState>) -> Response {
    let text = render(&app).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// What `GET /metrics` answers, for the scraper of this very node.
pub fn own_metrics(app: &AppState) -> crate::scraper::Render {
    // the scraper is a part of the state: it must not keep the state for ever
    let app = app.downgrade();
    std::sync::Arc::new(move || {
        let app = app.clone();
        Box::pin(async move {
            match app.upgrade() {
                Some(app) => render(&app).await,
                None => String::new(),
            }
        })
    })
}

async fn render(app: &AppState) -> String {
    let read = app.clone();
    // with a million series the shards' numbers take a while
    if let Err(join) = tokio::task::spawn_blocking(move || read_gauges(&read)).await {
        std::panic::resume_unwind(join.into_panic());
    }
    read_process();
    app.recorder.render()
}

fn read_gauges(app: &AppState) {
    let (mut series, mut increasing, mut head, mut quarantined, mut out_of_order) = (0, 0, 0, 0, 0);
    for live in app.shards.locals().iter().filter_map(|s| s.live().ok()) {
        let held = live.storage().statistics();
        series += held.series;
        increasing += held.increasing;
        head += held.head_samples;
        quarantined += held.quarantined;
        out_of_order += held.counters.out_of_order;
    }
    let log = app.log.stats();
    gauge!("plimsoll_series").set(series as f64);
    gauge!("plimsoll_increasing_series").set(increasing as f64);
    gauge!("plimsoll_head_samples").set(head as f64);
    gauge!("plimsoll_out_of_order_samples").set(out_of_order as f64);
    gauge!("plimsoll_quarantined_rows").set(quarantined as f64);
    gauge!("plimsoll_disk_bytes", "part" => "store")
        .set(app.database.disk_bytes().unwrap_or_default() as f64);
    gauge!("plimsoll_disk_bytes", "part" => "log").set(log.disk_bytes as f64);
    counter!("plimsoll_log_syncs_total").absolute(log.syncs);
    counter!("plimsoll_log_entries_total").absolute(log.entries);
    counter!("plimsoll_log_written_bytes_total").absolute(log.written_bytes);
    gauge!("plimsoll_shards_live").set(app.shards.locals().iter().filter(|s| s.is_live()).count() as f64);
    gauge!("plimsoll_shards_under_replicated").set(under_replicated(app) as f64);
    gauge!("plimsoll_shards_leaderless").set(app.shards.leaderless().len() as f64);
    gauge!("plimsoll_ingest_in_flight_bytes").set(app.collector.in_flight_bytes() as f64);
    gauge!("plimsoll_routed_series").set(app.collector.routed_series() as f64);
    gauge!("plimsoll_queries_active").set(app.queries.counts().0 as f64);
    gauge!("process_start_time_seconds").set(app.started_ms as f64 / 1000.0);
    gauge!("plimsoll_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Shards led by this node that have fewer live replicas than they should.
fn under_replicated(app: &AppState) -> usize {
    let (me, view) = (app.cluster.node_id(), app.cluster.view());
    let led = app.shards.locals().into_iter().filter_map(|s| Some((s.id, s.live().ok()?.leader_report()?)));
    let short = led.filter(|(id, report)| {
        let live = report.voters.iter().filter(|node| **node == me || view.is_alive(**node)).count();
        live < app.cluster.place(*id).0.len()
    });
    short.count()
}

/// Memory, CPU time and open files of this process, from /proc; elsewhere these are left out.
fn read_process() {
    /// Clock ticks a second in /proc, the same on every Linux.
    const TICKS: f64 = 100.0;
    /// Bytes of a page, the same on every x86-64.
    const PAGE: f64 = 4096.0;
    if let Ok(stat) = std::fs::read_to_string("/proc/self/stat")
        && let Some(fields) = stat.rsplit(')').next()
    {
        let field =
            |n: usize| fields.split_whitespace().nth(n).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
        // the exporter's counters are whole, and CPU seconds are not
        gauge!("process_cpu_seconds_total").set((field(11) + field(12)) / TICKS);
        gauge!("process_resident_memory_bytes").set(field(21) * PAGE);
        gauge!("process_virtual_memory_bytes").set(field(20));
        gauge!("process_threads").set(field(17));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(files.count() as f64);
    }
}
