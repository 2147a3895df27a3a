//! One queue and the task that empties it. All samples of a series go through one lane, so they arrive in the
//! order in which they were pushed.

use super::deliver::Deliver;
use super::{Limits, Sample};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(super) struct Lane {
    queue: Mutex<Queue>,
    wake: Notify,
    /// Samples of this lane whose fate is known.
    settled: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    samples: VecDeque<Sample>,
    bytes: usize,
    /// When the sample at the front was pushed, or a little earlier.
    oldest: Option<Instant>,
    pushed: u64,
    /// All samples up to this number shall go without waiting for a full batch.
    hurry_to: u64,
    closing: bool,
    /// The task is gone; nothing that is pushed would ever be sent.
    ended: bool,
}

impl Lane {
    pub fn new() -> Self {
        Self { queue: Mutex::default(), wake: Notify::new(), settled: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds the lock half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `sample` into the queue; gives it back when nobody would send it any more.
    pub fn push(&self, sample: Sample, limits: &Limits) -> Result<(), Sample> {
        let mut q = self.lock();
        if q.closing || q.ended {
            return Err(sample);
        }
        q.bytes += sample.size_bytes();
        q.pushed += 1;
        let first = q.samples.is_empty();
        if first {
            q.oldest = Some(Instant::now());
        }
        q.samples.push_back(sample);
        // The task sleeps until the batch is due: wake it to start that clock, and when the batch is full.
        if first || q.is_full(limits) {
            drop(q);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Lets what is pushed by now go without waiting for a full batch; answers how many samples that are.
    pub fn hurry(&self) -> u64 {
        let mut q = self.lock();
        q.hurry_to = q.pushed;
        self.wake.notify_one();
        q.pushed
    }

    /// Returns once the first `target` samples are settled.
    pub async fn settled(&self, target: u64) {
        let mut settled = self.settled.subscribe();
        // The sender lives in `self`; the task's end settles everything.
        let _ = settled.wait_for(|n| *n >= target).await;
    }

    pub fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Sends batch after batch until the lane is closed and empty.
    pub async fn run(self: Arc<Self>, deliver: Arc<Deliver>) {
        let _guard = EndGuard { lane: Arc::clone(&self), deliver: Arc::clone(&deliver) };
        while let Some((batch, bytes)) = self.next_batch(&deliver.limits).await {
            deliver.deliver(batch, &|count| self.settled.send_modify(|n| *n += count)).await;
            deliver.credit.add_permits(bytes);
        }
    }

    async fn next_batch(&self, limits: &Limits) -> Option<(Vec<Sample>, usize)> {
        loop {
            let due = {
                let mut q = self.lock();
                let due = q.oldest.map(|at| at + limits.interval);
                let settled = *self.settled.borrow();
                let hurry = q.closing || q.hurry_to > settled;
                if !q.samples.is_empty()
                    && (hurry || q.is_full(limits) || due.is_some_and(|d| d <= Instant::now()))
                {
                    return Some(q.take(limits));
                }
                if q.closing && q.samples.is_empty() {
                    return None;
                }
                due.filter(|_| !q.samples.is_empty())
            };
            match due {
                Some(due) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(due) => {}
                },
                None => self.wake.notified().await,
            }
        }
    }
}

impl Queue {
    fn is_full(&self, limits: &Limits) -> bool {
        self.samples.len() >= limits.batch_samples || self.bytes >= limits.batch_bytes
    }

    /// Takes a batch off the front: at least one sample, at most what the limits allow.
    fn take(&mut self, limits: &Limits) -> (Vec<Sample>, usize) {
        let (mut count, mut bytes) = (0, 0);
        for sample in self.samples.iter().take(limits.batch_samples) {
            let size = sample.size_bytes();
            if count > 0 && bytes + size > limits.batch_bytes {
                break;
            }
            count += 1;
            bytes += size;
        }
        self.bytes -= bytes;
        // What stays was pushed later; its clock may start now without waiting longer than twice the interval.
        self.oldest = (count < self.samples.len()).then(Instant::now);
        (self.samples.drain(..count).collect(), bytes)
    }
}

/// However the task ends (closed, aborted, panicked), nobody waits for it for ever.
struct EndGuard {
    lane: Arc<Lane>,
    deliver: Arc<Deliver>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let pushed = {
            let mut q = self.lane.lock();
            q.ended = true;
            q.samples.clear();
            q.pushed
        };
        let settled = *self.lane.settled.borrow();
        self.deliver.tally.unsent.fetch_add(pushed - settled, Relaxed);
        self.lane.settled.send_replace(pushed);
    }
}
