//! A batch to the node: repeats with growing waits, cuts what is too large, counts what became of it; puts on disk
//! what no node takes at the moment.

use super::counters::{Counters, Tally};
use super::door::Door;
use super::{Limits, Sample};
use crate::{Backoff, Error, Spill};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
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
    pub spill: Option<Arc<Spill>>,
    /// How long a batch is tried before it goes to disk.
    pub spill_after: Duration,
    /// Something lies on disk.
    pub spilled: Notify,
    /// The writer's time to close is over: what can go to disk goes there now.
    pub ending: watch::Sender<bool>,
}

enum Fate {
    Written,
    Refused { written: u64 },
    TooLarge,
    GivenUp,
}

impl Deliver {
    /// Brings `batch` to its end, whatever that is; tells `settle` of each part whose fate is known.
    pub async fn deliver(&self, batch: Vec<Sample>, settle: &(impl Fn(u64) + Sync)) {
        let patience = if self.spill.is_some() { self.spill_after } else { self.backoff.give_up_after };
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let count = part.len() as u64;
            // What was pushed earlier lies on disk: behind it, so that the order stays.
            let wait_turn =
                self.spill.as_ref().is_some_and(|spill| *self.ending.borrow() || !spill.is_empty());
            let fate = if wait_turn { Fate::GivenUp } else { self.send(&part, patience).await };
            match fate {
                Fate::TooLarge if part.len() > 1 => {
                    parts.extend(self.split(part));
                    continue;
                }
                Fate::GivenUp => self.give_up(part).await,
                fate => self.settled(&fate, count),
            }
            settle(count);
        }
    }

    /// Brings what lies on disk to the node, oldest first, until the writer's time is over.
    pub async fn drain(self: Arc<Self>) {
        let Some(spill) = self.spill.clone() else { return };
        let mut ending = self.ending.subscribe();
        loop {
            let from = Arc::clone(&spill);
            let oldest = tokio::task::spawn_blocking(move || from.oldest()).await;
            match oldest {
                Ok(Ok(Some(oldest))) => {
                    if !self.drain_one(oldest.samples.clone()).await {
                        return;
                    }
                    if let Err(e) = spill.done(&oldest) {
                        self.remember(format!("the spill folder {}: {e}", spill.folder().display()));
                    }
                }
                Ok(Ok(None)) => tokio::select! {
                    () = self.spilled.notified() => {}
                    _ = ending.wait_for(|ending| *ending) => return,
                },
                Ok(Err(e)) => {
                    self.remember(format!("the spill folder {}: {e}", spill.folder().display()));
                    tokio::select! {
                        () = sleep(self.backoff.longest) => {}
                        _ = ending.wait_for(|ending| *ending) => return,
                    }
                }
                // The blocking pool is gone, and so is the runtime.
                Err(_) => return,
            }
        }
    }

    /// Answers whether the whole record met its fate.
    async fn drain_one(&self, record: Vec<Sample>) -> bool {
        let mut parts = vec![record];
        while let Some(part) = parts.pop() {
            match self.send(&part, Duration::MAX).await {
                Fate::TooLarge if part.len() > 1 => parts.extend(self.split(part)),
                Fate::GivenUp if *self.ending.borrow() => return false,
                Fate::GivenUp => {
                    // An error that no repeat mends, such as a wrong token: the samples wait for a right one.
                    let mut ending = self.ending.subscribe();
                    tokio::select! {
                        () = sleep(self.backoff.longest) => parts.push(part),
                        _ = ending.wait_for(|ending| *ending) => return false,
                    }
                }
                fate => self.settled(&fate, part.len() as u64),
            }
        }
        true
    }

    /// The halves of `part`, the first on top, so that the order of the samples stays.
    fn split(&self, mut part: Vec<Sample>) -> [Vec<Sample>; 2] {
        self.tally.splits.fetch_add(1, Relaxed);
        let second = part.split_off(part.len() / 2);
        [second, part]
    }

    fn settled(&self, fate: &Fate, count: u64) {
        let (written, refused) = match fate {
            Fate::Written => (count, 0),
            Fate::Refused { written } => (*written.min(&count), count - written.min(&count)),
            Fate::TooLarge => (0, count),
            Fate::GivenUp => (0, 0),
        };
        self.tally.written.fetch_add(written, Relaxed);
        self.tally.refused.fetch_add(refused, Relaxed);
    }

    async fn give_up(&self, part: Vec<Sample>) {
        let count = part.len() as u64;
        let Some(spill) = self.spill.clone() else {
            self.tally.given_up.fetch_add(count, Relaxed);
            return;
        };
        let folder = spill.folder().to_owned();
        let kept = tokio::task::spawn_blocking(move || spill.append(&part)).await;
        match kept {
            Ok(Ok(())) => self.tally.spilled.fetch_add(count, Relaxed),
            // The folder has counted them as dropped.
            Ok(Err(e)) => {
                self.remember(format!("the spill folder {}: {e}", folder.display()));
                0
            }
            Err(_) => self.tally.given_up.fetch_add(count, Relaxed),
        };
        self.spilled.notify_one();
    }

    pub fn counters(&self) -> Counters {
        self.tally.read(self.spill.as_ref().map(|spill| spill.totals()).unwrap_or_default())
    }

    fn remember(&self, error: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Sends `part`, and repeats it for `patience` or until the writer's time is over.
    async fn send(&self, part: &[Sample], patience: Duration) -> Fate {
        let request = self.door.prepare(part);
        let began = Instant::now();
        let mut ending = self.ending.subscribe();
        let mut repeat = 0;
        loop {
            self.tally.requests.fetch_add(1, Relaxed);
            let sent = tokio::select! {
                sent = self.door.send(&request, part) => sent,
                _ = ending.wait_for(|ending| *ending) => return Fate::GivenUp,
            };
            let error = match sent {
                Ok(_) => return Fate::Written,
                Err(e) => e,
            };
            self.remember(error.to_string());
            if !error.is_worth_repeating() {
                return self.fate_of(&error);
            }
            let retry_after = match &error {
                Error::Busy { retry_after, .. } => *retry_after,
                _ => None,
            };
            let wait = self.backoff.wait(repeat, retry_after, rand::random());
            if began.elapsed() + wait > patience {
                return Fate::GivenUp;
            }
            tokio::select! {
                () = sleep(wait) => {}
                _ = ending.wait_for(|ending| *ending) => return Fate::GivenUp,
            }
            repeat += 1;
            self.tally.retries.fetch_add(1, Relaxed);
        }
    }

    fn fate_of(&self, error: &Error) -> Fate {
        match error {
            Error::Refused { status: 413, .. } => Fate::TooLarge,
            // The samples are not what is wrong, and with a folder there is time for somebody to mend it.
            Error::Refused { status: 401 | 403 | 404, .. } if self.spill.is_some() => Fate::GivenUp,
            Error::Refused { written, .. } => Fate::Refused { written: written.unwrap_or(0) },
            _ => Fate::GivenUp,
        }
    }
}
