//! The node's own metrics as series of the cluster, for its dashboards and rules.

use crate::collector::Format;
use crate::http::{AppState, exposition};
use plimsoll_proto::ingest::{Encoding, TextDialect};
use std::sync::atomic::Ordering::Acquire;
use std::time::Duration;

/// Writes what `/metrics` tells into the cluster every `every`, for ever. What does not go in is not sent again: the
/// next one is newer.
pub async fn write_own(app: AppState, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if !app.ready.load(Acquire) {
            continue;
        }
        let me = app.cluster.node_id();
        let address = app.cluster.read(|s| s.node(me).map(|n| n.address.clone())).unwrap_or_default();
        let text = labelled(&exposition(&app).await, &format!("job=\"plimsoll\",instance={address:?}"));
        let format = Format::Text(TextDialect::Prometheus, Encoding::Identity);
        if let Err(e) = app.collector.ingest(format, text.into()).await {
            metrics::counter!("plimsoll_self_metrics_failed_total").increment(1);
            tracing::debug!(error = %e, "this node's own metrics were not written");
        }
    }
}

/// The exposition with `labels` on every sample. Its names are ours, so the first `{` or space ends one.
fn labelled(text: &str, labels: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.find(['{', ' ']).filter(|_| !line.starts_with('#')) {
            Some(end) if line[end..].starts_with('{') => {
                out.extend([&line[..end], "{", labels, ",", &line[end + 1..], "\n"]);
            }
            Some(end) => out.extend([&line[..end], "{", labels, "}", &line[end..], "\n"]),
            None => out.extend([line, "\n"]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_gets_the_labels_and_comments_stay() {
        let text = "# TYPE a counter\na 1\n\n# TYPE b histogram\nb_bucket{le=\"0.5\"} 2\n";
        let expected = "# TYPE a counter\na{job=\"p\"} 1\n# TYPE b histogram\nb_bucket{job=\"p\",le=\"0.5\"} 2\n";
        assert_eq!(labelled(text, "job=\"p\""), expected);
    }
}
