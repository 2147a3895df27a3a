use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Spreads bytes over time: moves of shards leave room for what clients wait for.
pub(super) struct Throttle {
    bytes_per_second: u64,
    /// When what was let through so far is paid for.
    paid: Mutex<Option<Instant>>,
}

impl Throttle {
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid: Mutex::default() }
    }

    /// Waits until `bytes` may go.
    pub async fn pass(&self, bytes: usize) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let until = {
            let mut paid = self.paid.lock();
            let now = Instant::now();
            let begins = paid.unwrap_or(now).max(now);
            *paid = Some(begins + cost);
            begins
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_the_time_that_the_rate_gives_them() {
        let throttle = Throttle::new(1000);
        let began = Instant::now();
        for _ in 0..5 {
            throttle.pass(500).await;
        }
        assert_eq!(began.elapsed(), Duration::from_secs(2), "the first one goes at once");
    }
}
