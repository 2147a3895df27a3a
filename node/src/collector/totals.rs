use super::{Error, Receipt};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since the start.
#[derive(Default)]
pub struct Totals {
    /// Write requests that were taken, at least in part.
    pub requests: AtomicU64,
    /// Samples taken.
    pub samples: AtomicU64,
    /// Samples refused one by one.
    pub refused: AtomicU64,
}

impl Totals {
    /// Counts what became of a request, here and in the node's own metrics.
    pub(super) fn count(&self, format: &'static str, outcome: &Result<Receipt, Error>) {
        metrics::counter!("plimsoll_ingest_requests_total", "format" => format).increment(1);
        match outcome {
            Ok(receipt) => self.count_taken(format, receipt),
            Err(e) => {
                let reason = if e.is_busy() { "busy" } else { "request" };
                metrics::counter!("plimsoll_ingest_failed_requests_total", "format" => format, "reason" => reason)
                    .increment(1);
            }
        }
    }

    fn count_taken(&self, format: &'static str, receipt: &Receipt) {
        let d = &receipt.decoded;
        self.requests.fetch_add(1, Relaxed);
        self.samples.fetch_add(d.samples(), Relaxed);
        self.refused.fetch_add(d.refused.total(), Relaxed);
        metrics::counter!("plimsoll_ingest_samples_total", "format" => format).increment(d.samples());
        for (refusal, samples, _) in d.refused.iter() {
            metrics::counter!("plimsoll_ingest_refused_samples_total", "reason" => refusal.name())
                .increment(samples);
        }
        for (name, n) in [
            ("plimsoll_ingest_duplicate_samples_total", receipt.duplicates),
            ("plimsoll_ingest_replaced_samples_total", receipt.replaced),
            ("plimsoll_ingest_ignored_exemplars_total", d.exemplars_ignored),
        ] {
            if n > 0 {
                metrics::counter!(name).increment(n);
            }
        }
    }
}
