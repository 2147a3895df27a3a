//! What the examples share: a machine that only counts, CPU time, arguments.

use bytes::Bytes;
use plimsoll_consensus::{Machine, MachineError, SnapshotSource, Staged};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Applies by counting; what is measured is everything else.
#[derive(Default)]
pub struct Counter {
    position: parking_lot::Mutex<Vec<u8>>,
    saved: parking_lot::Mutex<Option<Vec<u8>>>,
    /// Calls of `apply`.
    pub calls: AtomicU64,
}

impl Machine for Counter {
    fn position(&self) -> Option<Vec<u8>> {
        self.saved.lock().clone()
    }

    fn apply(&self, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError> {
        *self.position.lock() = position.to_vec();
        self.calls.fetch_add(1, Relaxed);
        Ok(vec![Bytes::new(); commands.len()])
    }

    fn checkpoint(&self) -> Result<Vec<u8>, MachineError> {
        let position = self.position.lock().clone();
        *self.saved.lock() = Some(position.clone());
        Ok(position)
    }

    fn snapshot(&self) -> Result<Box<dyn SnapshotSource>, MachineError> {
        Err(MachineError::new("a counter has no peers"))
    }

    fn stage(&self, _: &[u8], _: &mut dyn SnapshotSource) -> Result<Box<dyn Staged>, MachineError> {
        Err(MachineError::new("a counter has no peers"))
    }
}

/// User and system time of this process.
pub fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // Fields 14 and 15 of the whole line; the kernel counts in hundredths of a second here.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The argument of this place, or its default.
pub fn argument(index: usize, default: u64) -> u64 {
    std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(default)
}
