use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that threads add to without a lock: the bits of an `f64`.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub fn add(&self, value: f64) {
        // The update never refuses, so it cannot fail.
        let _ = self.0.fetch_update(Relaxed, Relaxed, |bits| Some((f64::from_bits(bits) + value).to_bits()));
    }

    /// Raises to `value`; both must not be negative.
    fn raise(&self, value: f64) {
        // Floats that are not negative are ordered as their bits.
        self.0.fetch_max(value.to_bits(), Relaxed);
    }
}

/// A sum that only grows: requests, tokens, errors. Clones count into the same series.
#[derive(Clone, Debug)]
pub struct Counter(pub(super) Arc<Cell>);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.add(1.0);
    }

    /// Adds `value`. What is negative or no finite number is passed over: a counter cannot go back.
    pub fn add(&self, value: f64) {
        if value.is_finite() && value > 0.0 {
            self.0.add(value);
        }
    }

    /// Raises the counter to `value`, for counts that somebody else keeps; a smaller value changes nothing.
    pub fn raise_to(&self, value: f64) {
        if value.is_finite() && value > 0.0 {
            self.0.raise(value);
        }
    }

    /// The sum so far.
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// A figure that rises and falls: queue length, memory. Clones set the same series.
#[derive(Clone, Debug)]
pub struct Gauge(pub(super) Arc<Cell>);

impl Gauge {
    /// Sets the figure.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Adds `value`, which may be negative.
    pub fn add(&self, value: f64) {
        self.0.add(value);
    }

    /// Subtracts `value`.
    pub fn sub(&self, value: f64) {
        self.0.add(-value);
    }

    /// The figure now.
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_never_goes_back() {
        let counter = Counter(Arc::default());
        counter.add(2.5);
        for wrong in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            counter.add(wrong);
            counter.raise_to(wrong);
        }
        counter.raise_to(2.0);
        assert_eq!(counter.get(), 2.5);
        counter.raise_to(7.0);
        counter.inc();
        assert_eq!(counter.get(), 8.0);
    }

    #[test]
    fn threads_lose_no_count() {
        let counter = Counter(Arc::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.inc()));
            }
        });
        assert_eq!(counter.get(), 40_000.0);
    }
}
