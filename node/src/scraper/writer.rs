//! Hands samples of many targets to the collector together: a scrape of its own each would make a small batch for every
//! shard.

use super::Parts;
use crate::collector::{Row, RowValue};
use plimsoll_model::Fault;
use plimsoll_scrape::{Sample, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How long the first of a batch waits for others; samples are that much later to be seen.
const GATHER: Duration = Duration::from_millis(50);
/// Samples of a batch.
const BATCH: usize = 20_000;
/// Scrapes that wait, and their samples: a million are about 100 MB.
const SCRAPES: usize = 1024;
const SAMPLES: usize = 1_000_000;
/// Batches under way.
const AT_A_TIME: usize = 4;
/// How long a batch is offered again while the cluster takes none: longer than a fail-over.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

/// Where scraped samples go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    scrapes: mpsc::Sender<(Vec<Row>, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl Writer {
    /// A writer, and the task that does its work.
    pub fn start(parts: Arc<Parts>) -> Self {
        let (scrapes, waiting) = mpsc::channel(SCRAPES);
        tokio::spawn(work(parts, waiting));
        Self { scrapes, room: Arc::new(Semaphore::new(SAMPLES)) }
    }

    /// Takes the samples of a scrape; waits while too many are on their way.
    pub async fn write(&self, samples: Vec<Sample>) {
        if samples.is_empty() {
            return;
        }
        let many = samples.len().min(SAMPLES) as u32;
        let Ok(room) = self.room.clone().acquire_many_owned(many).await else { return };
        let rows = samples.into_iter().map(row).collect();
        // the other side is there as long as any writer is
        let _ = self.scrapes.send((rows, room)).await;
    }
}

fn row(sample: Sample) -> Row {
    let Sample { labels, timestamp, value } = sample;
    let value = match value {
        Value::Float(v) => RowValue::Float(v),
        Value::Histogram(h) => RowValue::Histogram(h),
    };
    Row { labels, timestamp, value }
}

async fn work(parts: Arc<Parts>, mut waiting: mpsc::Receiver<(Vec<Row>, OwnedSemaphorePermit)>) {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    while let Some((mut rows, mut room)) = waiting.recv().await {
        tokio::time::sleep(GATHER).await;
        while rows.len() < BATCH
            && let Ok((more, permit)) = waiting.try_recv()
        {
            rows.extend(more);
            room.merge(permit);
        }
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        let parts = parts.clone();
        tokio::spawn(async move {
            send(&parts, rows).await;
            drop((room, turn));
        });
    }
}

/// Samples may be sent again: the same one twice changes nothing.
async fn send(parts: &Parts, rows: Vec<Row>) {
    let began = Instant::now();
    let count = rows.len() as u64;
    loop {
        let error = match parts.collector.rows(rows.clone()).await {
            Ok(receipt) => {
                metrics::counter!("plimsoll_scrape_samples_total").increment(receipt.decoded.samples());
                let refused = receipt.decoded.refused;
                for (reason, samples, example) in refused.iter() {
                    metrics::counter!("plimsoll_scrape_refused_samples_total", "reason" => reason.name())
                        .increment(samples);
                    tracing::debug!(reason = reason.name(), samples, example, "scraped samples were refused");
                }
                return;
            }
            Err(e) => e,
        };
        if error.fault() != Fault::Moment || began.elapsed() > PATIENCE {
            metrics::counter!("plimsoll_scrape_lost_samples_total").increment(count);
            tracing::warn!(%error, samples = count, "scraped samples could not be written");
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
