//! A batch to the node: repeats with growing waits, cuts what is too large, counts what became of it.

use super::counters::Tally;
use super::door::Door;
use super::{Limits, Sample};
use crate::{Backoff, Error};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

#[derive(Debug)]
pub(super) struct Deliver {
    pub door: Door,
    pub limits: Limits,
    pub backoff: Backoff,
    pub tally: Tally,
    /// Bytes that samples may still take; closed when the writer is.
    pub credit: Semaphore,
    pub last_error: Mutex<Option<String>>,
}

enum Fate {
    Written,
    Refused { written: u64 },
    TooLarge,
    GivenUp,
}

impl Deliver {
    /// Brings `batch` to its end, whatever that is; tells `settle` of each part whose fate is known.
    pub async fn deliver(&self, batch: &[Sample], settle: &(impl Fn(u64) + Sync)) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let count = part.len() as u64;
            match self.send(part).await {
                Fate::Written => {
                    self.tally.written.fetch_add(count, Relaxed);
                }
                Fate::TooLarge if part.len() > 1 => {
                    self.tally.splits.fetch_add(1, Relaxed);
                    let (first, second) = part.split_at(part.len() / 2);
                    // The first half is on top, so the order of the samples stays.
                    parts.extend([second, first]);
                    continue;
                }
                Fate::TooLarge => {
                    self.tally.refused.fetch_add(1, Relaxed);
                }
                Fate::Refused { written } => {
                    let written = written.min(count);
                    self.tally.written.fetch_add(written, Relaxed);
                    self.tally.refused.fetch_add(count - written, Relaxed);
                }
                Fate::GivenUp => {
                    self.tally.given_up.fetch_add(count, Relaxed);
                }
            }
            settle(count);
        }
    }

    async fn send(&self, part: &[Sample]) -> Fate {
        let request = self.door.prepare(part);
        let began = Instant::now();
        let mut repeat = 0;
        loop {
            self.tally.requests.fetch_add(1, Relaxed);
            let error = match self.door.send(&request, part).await {
                Ok(_) => return Fate::Written,
                Err(e) => e,
            };
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            if !error.is_worth_repeating() {
                return match error {
                    Error::Refused { status: 413, .. } => Fate::TooLarge,
                    Error::Refused { written, .. } => Fate::Refused { written: written.unwrap_or(0) },
                    _ => Fate::GivenUp,
                };
            }
            let retry_after = match &error {
                Error::Busy { retry_after, .. } => *retry_after,
                _ => None,
            };
            let wait = self.backoff.wait(repeat, retry_after, rand::random());
            if began.elapsed() + wait > self.backoff.give_up_after {
                return Fate::GivenUp;
            }
            sleep(wait).await;
            repeat += 1;
            self.tally.retries.fetch_add(1, Relaxed);
        }
    }
}
