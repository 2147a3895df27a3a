//! What a query may use, and how it is stopped.

use crate::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Stops a query from outside: the engine has no clock, so a deadline is somebody who calls [`Stop::timeout`].
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

const RUNNING: u8 = 0;
const CANCELED: u8 = 1;
const TIMED_OUT: u8 = 2;

impl Stop {
    /// Somebody no longer wants the answer.
    pub fn cancel(&self) {
        self.end(CANCELED);
    }

    /// The query's time is over.
    pub fn timeout(&self) {
        self.end(TIMED_OUT);
    }

    fn end(&self, state: u8) {
        // The first reason stays; a failed exchange means that there was one.
        let _ = self.0.compare_exchange(RUNNING, state, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// An error when the query should end.
    pub fn check(&self) -> Result<(), Error> {
        match self.0.load(Ordering::Relaxed) {
            RUNNING => Ok(()),
            TIMED_OUT => Err(Error::Timeout),
            _ => Err(Error::Canceled),
        }
    }
}

/// Limits of one query.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Samples held at a time: those read for the series in work, and the points of intermediate results.
    pub max_samples: u64,
    /// Bytes held at a time for them.
    pub memory_bytes: u64,
    /// Series that all selectors together may match.
    pub max_series: u64,
    /// Ends the query early; polled for each block of series.
    pub stop: Stop,
    pub(crate) used: Arc<Used>,
}

#[derive(Debug, Default)]
pub(crate) struct Used {
    samples: AtomicU64,
    bytes: AtomicU64,
    series: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_samples: 50_000_000,
            memory_bytes: 2 << 30,
            max_series: 2_000_000,
            stop: Stop::default(),
            used: Arc::default(),
        }
    }
}

/// Samples and bytes that are given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    used: Option<Arc<Used>>,
    samples: u64,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(used) = &self.used {
            used.samples.fetch_sub(self.samples, Ordering::Relaxed);
            used.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Budget {
    /// Takes `samples` of `bytes` each from the budget.
    pub(crate) fn hold(&self, samples: usize, bytes: usize) -> Result<Held, Error> {
        let (samples, bytes) = (samples as u64, (samples as u64).saturating_mul(bytes as u64));
        let held = Held { used: Some(Arc::clone(&self.used)), samples, bytes };
        let before = self.used.samples.fetch_add(samples, Ordering::Relaxed);
        let bytes_before = self.used.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(samples) > self.max_samples {
            return Err(Error::Samples { limit: self.max_samples });
        }
        if bytes_before.saturating_add(bytes) > self.memory_bytes {
            return Err(Error::Memory { limit: self.memory_bytes });
        }
        Ok(held)
    }

    pub(crate) fn count_series(&self, series: usize) -> Result<(), Error> {
        let before = self.used.series.fetch_add(series as u64, Ordering::Relaxed);
        if before + series as u64 > self.max_series {
            return Err(Error::Series { limit: self.max_series });
        }
        Ok(())
    }
}
