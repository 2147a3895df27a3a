//! A client that writes without pause, keeps its books, and repeats what was not answered.

use plimsoll_chaos_tests::{Fate, Ledger};
use plimsoll_tests::http::Http;
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Series of one writer, each with one sample in a request.
pub const SERIES_PER_WRITER: usize = 25;

/// Between two requests of a writer: enough to leave the processor to the node.
const PAUSE: Duration = Duration::from_millis(2);

/// A client that got no answer tries again after this.
const RETRY: Duration = Duration::from_millis(10);

/// In which order a writer walks through time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From now on, as collectors do.
    Forward,
    /// From an hour ago back, a second a request: every sample is out of order.
    Backward,
}

/// One writer.
pub struct Writer {
    pub number: usize,
    pub order: Order,
    pub http: Http,
}

impl Writer {
    /// Writes until `stop`; what is open then is repeated until it is acknowledged. Returns its books.
    pub fn run(&self, stop: &AtomicBool) -> Ledger {
        let numbers = self.number * SERIES_PER_WRITER..(self.number + 1) * SERIES_PER_WRITER;
        let series: Vec<_> = numbers.clone().map(|number| (number, bytes_of(number))).collect();
        let mut ledger = Ledger::default();
        let mut at_ms = match self.order {
            Order::Forward => now_ms(),
            Order::Backward => now_ms() - 3_600_000,
        };
        let mut request = WriteRequest::new();
        let mut count = 0u32;
        while !stop.load(Ordering::Relaxed) {
            at_ms = match self.order {
                Order::Forward => now_ms().max(at_ms + 1),
                Order::Backward => at_ms - 1000,
            };
            count += 1;
            // Distinct for every sample, and with a fraction, so that a mix-up of samples shows.
            let value = |number: usize| f64::from(count) + number as f64 / 1024.0;
            request.clear();
            for (number, bytes) in &series {
                request.series(bytes, &[(at_ms, value(*number))]);
            }
            loop {
                let acknowledged = request.send(&self.http).is_ok_and(|answer| answer.status / 100 == 2);
                let fate = if acknowledged { Fate::Acknowledged } else { Fate::Perhaps };
                for number in numbers.clone() {
                    ledger.note(number, at_ms, value(number), fate);
                }
                if acknowledged {
                    break;
                }
                thread::sleep(RETRY);
            }
            thread::sleep(PAUSE);
        }
        ledger
    }
}

/// The name of all series of this program.
pub const METRIC: &str = "chaos_ledger_value";

fn bytes_of(number: usize) -> SeriesBytes {
    let number = number.to_string();
    SeriesBytes::new(&[("__name__", METRIC), ("series", &number), ("job", "chaos")])
}

/// Unix time in ms.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_millis() as i64
}
