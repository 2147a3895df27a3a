//! Samples in: one request at a time with [`Client::write`], or a stream of samples with a [`Writer`].
//!
//! A sample's way: `push` takes credit for its bytes, puts it into the lane of its series, the lane's task
//! takes a batch off the front when it is full or old enough, `remote_write` encodes it, `deliver` brings it to
//! the node and gives the credit back. Memory is bounded by the credit, plus one encoded batch a lane. With a
//! [`Spill`](crate::Spill) a batch that no node takes goes to disk, and so does all that comes after it, until a task of
//! its own has brought everything there to the node.

mod counters;
mod deliver;
mod door;
mod lane;
mod remote_write;
mod sample;

pub use counters::Counters;
pub use sample::{Sample, SampleValue};

use crate::transport::Request;
use crate::{Backoff, Client, Error, GrpcClient, Spill};
use counters::Tally;
use deliver::Deliver;
use door::Door;
use hyper::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use lane::Lane;
use plimsoll_model::Fault;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, TryAcquireError, watch};
use tokio::task::JoinHandle;

/// What became of a write that the node took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Samples that are stored: as the node counted them, or else as many as were sent.
    pub samples: u64,
}

impl Client {
    /// Sends `samples` in one request and without repeats; `Ok` means that all are stored.
    ///
    /// [`Error::outcome`] tells whether a write that failed was surely not done or perhaps done.
    pub async fn write(&self, samples: &[Sample]) -> Result<Written, Error> {
        self.send_write(&Self::write_request(samples), samples.len()).await
    }

    fn write_request(samples: &[Sample]) -> Request {
        let body = remote_write::encode(samples);
        let mut request = Request::post("/api/v1/write", "application/x-protobuf", body.into());
        request.headers.push((CONTENT_ENCODING, HeaderValue::from_static("snappy")));
        let version = HeaderName::from_static("x-prometheus-remote-write-version");
        request.headers.push((version, HeaderValue::from_static("0.1.0")));
        request
    }

    async fn send_write(&self, request: &Request, samples: usize) -> Result<Written, Error> {
        let reply = self.transport.send(request).await?;
        let count = |kind: &str| {
            let name = format!("x-prometheus-remote-write-{kind}-written");
            reply.headers.get(name).and_then(|v| v.to_str().ok()?.parse::<u64>().ok())
        };
        let counted = match (count("samples"), count("histograms")) {
            (None, None) => samples as u64,
            (floats, histograms) => floats.unwrap_or(0) + histograms.unwrap_or(0),
        };
        Ok(Written { samples: counted })
    }
}

/// Why a sample was not taken; it holds the sample.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The writer holds as many bytes as it may: the node is slower than the caller, or away.
    #[error("the writer's memory is full: the node does not keep up, push later or drop the sample")]
    Full(Sample),
    /// The sample alone is larger than the writer's memory.
    #[error("the sample is larger than the writer's memory: raise max_memory_bytes")]
    TooLarge(Sample),
    /// The writer is closed.
    #[error("the writer is closed")]
    Closed(Sample),
}

impl PushError {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Full(_) => Fault::Moment,
            Self::TooLarge(_) | Self::Closed(_) => Fault::Asker,
        }
    }

    /// The sample that was not taken.
    pub fn into_sample(self) -> Sample {
        match self {
            Self::Full(s) | Self::TooLarge(s) | Self::Closed(s) => s,
        }
    }
}

/// Samples pushed before a [`Writer::flush`] that will never be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{samples} samples were not stored: {}", reason.as_deref().unwrap_or("the writer was closed"))]
pub struct Lost {
    /// How many, counted over the time of the flush.
    pub samples: u64,
    /// The last error of the node or the network.
    pub reason: Option<String>,
}

/// Limits of a writer that its lanes look at.
#[derive(Clone, Copy, Debug)]
struct Limits {
    batch_samples: usize,
    batch_bytes: usize,
    interval: Duration,
}

/// Takes samples one by one, sends them in batches, repeats what may be repeated, and bounds its memory.
///
/// Share it by reference or in an `Arc`. Dropped without [`close`](Self::close), it sends what it holds as long
/// as the runtime lives.
#[derive(Debug)]
pub struct Writer {
    lanes: Vec<Arc<Lane>>,
    deliver: Arc<Deliver>,
    max_memory_bytes: usize,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    drain: Mutex<Option<JoinHandle<()>>>,
}

/// Settings of a [`Writer`]; every one has a default.
#[derive(Debug)]
pub struct WriterBuilder {
    door: Door,
    limits: Limits,
    backoff: Backoff,
    max_memory_bytes: usize,
    lanes: usize,
    spill: Option<Spill>,
    spill_after: Duration,
}

/// How long a writer's tasks may take to put what they hold on disk when its time to close is over.
const SPILL_LIMIT: Duration = Duration::from_secs(5);

impl WriterBuilder {
    pub(crate) fn over_http(client: Client) -> Self {
        Self::new(Door::Http(client))
    }

    pub(crate) fn over_grpc(client: GrpcClient) -> Self {
        Self::new(Door::Grpc(client))
    }

    fn new(door: Door) -> Self {
        // Batches: large enough that a request's own cost is lost in them, small enough for any receiver's
        // default limits. Interval: fresh data within a second. Memory: minutes of a busy service.
        let limits =
            Limits { batch_samples: 5_000, batch_bytes: 1 << 20, interval: Duration::from_millis(500) };
        Self {
            door,
            limits,
            backoff: Backoff::default(),
            max_memory_bytes: 64 << 20,
            lanes: 1,
            spill: None,
            // Rides out an election and a short queue; longer than that, memory is better used for what is new.
            spill_after: Duration::from_secs(2),
        }
    }

    /// Samples after which a batch goes (5000).
    pub fn batch_samples(mut self, samples: usize) -> Self {
        self.limits.batch_samples = samples.max(1);
        self
    }

    /// Bytes in memory after which a batch goes (1 MiB).
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.limits.batch_bytes = bytes.max(1);
        self
    }

    /// How long a sample waits at most for its batch to fill (0.5 s).
    pub fn interval(mut self, interval: Duration) -> Self {
        // A day stands for "only when full or flushed", and keeps the clock's arithmetic from overflowing.
        self.limits.interval = interval.min(Duration::from_secs(86_400));
        self
    }

    /// Bytes that waiting samples may take (64 MiB).
    pub fn max_memory_bytes(mut self, bytes: usize) -> Self {
        self.max_memory_bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        self
    }

    /// Waits between repeats, and when they end.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Requests that may be on their way at a time (1). The samples of one series never overtake each other.
    pub fn lanes(mut self, lanes: usize) -> Self {
        // More than this is more than a node handles at a time.
        self.lanes = lanes.clamp(1, 64);
        self
    }

    /// Puts on disk what no node takes, and brings it to the node later, in order. Nothing is given up then.
    pub fn spill(mut self, spill: Spill) -> Self {
        self.spill = Some(spill);
        self
    }

    /// How long a batch is tried before it goes to disk (2 s).
    pub fn spill_after(mut self, after: Duration) -> Self {
        self.spill_after = after;
        self
    }

    /// Starts the writer's tasks on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Writer {
        let deliver = Arc::new(Deliver {
            door: self.door,
            limits: self.limits,
            backoff: self.backoff,
            tally: Tally::default(),
            credit: Semaphore::new(self.max_memory_bytes),
            last_error: Mutex::new(None),
            spill: self.spill.map(Arc::new),
            spill_after: self.spill_after,
            spilled: Notify::new(),
            ending: watch::Sender::new(false),
        });
        let lanes: Vec<_> = (0..self.lanes).map(|_| Arc::new(Lane::new())).collect();
        let start = |lane: &Arc<Lane>| tokio::spawn(Arc::clone(lane).run(Arc::clone(&deliver)));
        let tasks = Mutex::new(lanes.iter().map(start).collect());
        let drain = deliver.spill.is_some().then(|| tokio::spawn(Arc::clone(&deliver).drain()));
        Writer { lanes, deliver, max_memory_bytes: self.max_memory_bytes, tasks, drain: Mutex::new(drain) }
    }
}

impl Writer {
    /// Takes `sample`, or gives it back at once when the memory is full.
    pub fn try_push(&self, sample: Sample) -> Result<(), PushError> {
        let size = sample.size_bytes();
        if size > self.max_memory_bytes {
            return Err(PushError::TooLarge(sample));
        }
        match self.deliver.credit.try_acquire_many(size as u32) {
            Ok(permit) => {
                permit.forget();
                self.enqueue(sample)
            }
            Err(TryAcquireError::NoPermits) => {
                self.deliver.tally.turned_away.fetch_add(1, Relaxed);
                Err(PushError::Full(sample))
            }
            Err(TryAcquireError::Closed) => Err(PushError::Closed(sample)),
        }
    }

    /// Takes `sample`, and waits while the memory is full. Cancelled while it waits, it has taken nothing.
    pub async fn push(&self, sample: Sample) -> Result<(), PushError> {
        let size = sample.size_bytes();
        if size > self.max_memory_bytes {
            return Err(PushError::TooLarge(sample));
        }
        match self.deliver.credit.acquire_many(size as u32).await {
            Ok(permit) => {
                permit.forget();
                self.enqueue(sample)
            }
            Err(_) => Err(PushError::Closed(sample)),
        }
    }

    fn enqueue(&self, sample: Sample) -> Result<(), PushError> {
        let lane = match self.lanes.len() {
            1 => 0,
            n => (sample.labels.fingerprint() % n as u128) as usize,
        };
        let pushed = self.lanes[lane].push(sample, &self.deliver.limits);
        pushed.map_err(PushError::Closed)?;
        self.deliver.tally.pushed.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Sends what was pushed before and returns when the fate of all of it is known; what lies on disk is kept there.
    pub async fn flush(&self) -> Result<(), Lost> {
        let before = self.counters().lost();
        let targets: Vec<u64> = self.lanes.iter().map(|lane| lane.hurry()).collect();
        for (lane, target) in self.lanes.iter().zip(targets) {
            lane.settled(target).await;
        }
        match self.counters().lost() - before {
            0 => Ok(()),
            samples => Err(Lost { samples, reason: self.last_error() }),
        }
    }

    /// Waits until nothing lies on disk any more, for at most `within`; answers whether that is so.
    pub async fn drained(&self, within: Duration) -> bool {
        let Some(spill) = &self.deliver.spill else { return true };
        let empty = async {
            while !spill.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(within, empty).await.is_ok()
    }

    /// Sends what is held, for at most `within`, and ends. Pushes that wait are refused as closed; what could
    /// not be sent in time is put on disk or, without a folder for it, counted as `unsent`.
    pub async fn close(&self, within: Duration) -> Counters {
        self.deliver.credit.close();
        for lane in &self.lanes {
            lane.close();
        }
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let drain = self.drain.lock().unwrap_or_else(PoisonError::into_inner).take();
        let deadline = tokio::time::Instant::now() + within;
        let mut late = Vec::new();
        for mut task in tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                late.push(task);
            }
        }
        if let Some(drain) = drain {
            self.drained(deadline.saturating_duration_since(tokio::time::Instant::now())).await;
            self.deliver.ending.send_replace(true);
            let spilled = tokio::time::Instant::now() + SPILL_LIMIT;
            for task in late.iter_mut().chain([&mut { drain }]) {
                let _ = tokio::time::timeout_at(spilled, task).await;
            }
        }
        for task in late {
            task.abort();
            // The abort takes effect at the task's next await; its guard settles the counters.
            let _ = task.await;
        }
        self.counters()
    }

    /// What became of the samples so far.
    pub fn counters(&self) -> Counters {
        self.deliver.counters()
    }

    /// Bytes that waiting samples take.
    pub fn memory_bytes(&self) -> usize {
        self.max_memory_bytes - self.deliver.credit.available_permits().min(self.max_memory_bytes)
    }

    /// The last error of the node or the network, also when a repeat mended it.
    pub fn last_error(&self) -> Option<String> {
        self.deliver.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.close();
        }
    }
}
