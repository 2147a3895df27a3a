//! What happened, in order: a running hash of it always, the text on demand.

use parking_lot::Mutex;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// The record of a run.
pub struct Trace {
    inner: Mutex<Inner>,
}

struct Inner {
    hash: u64,
    lines: u64,
    show: bool,
    now: Duration,
    text: String,
}

impl Trace {
    /// An empty record; with `show`, every line is printed as it comes.
    pub fn new(show: bool) -> Self {
        // FNV-1a, 64 bits (Fowler, Noll and Vo): small, and the same for ever.
        Self {
            inner: Mutex::new(Inner {
                hash: 0xcbf2_9ce4_8422_2325,
                lines: 0,
                show,
                now: Duration::ZERO,
                text: String::new(),
            }),
        }
    }

    /// Adds a line of `who`, at the simulated time.
    pub fn say(&self, who: &str, what: fmt::Arguments<'_>) {
        self.add(who, what, true);
    }

    /// Adds something that happens too often to be printed.
    pub fn note(&self, who: &str, what: fmt::Arguments<'_>) {
        self.add(who, what, false);
    }

    fn add(&self, who: &str, what: fmt::Arguments<'_>, print: bool) {
        let mut inner = self.inner.lock();
        // Between the hosts' turns there is no time; that of the last one is near enough.
        let at = turmoil::sim_elapsed().unwrap_or(inner.now);
        inner.now = at;
        let mut text = std::mem::take(&mut inner.text);
        text.clear();
        write!(text, "{:>9.3} {who:<6} {what}", at.as_secs_f64()).expect("a string takes any text");
        for byte in text.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        inner.lines += 1;
        if inner.show && print {
            println!("{text}");
        }
        inner.text = text;
    }

    /// The hash of all lines so far, and how many there were.
    pub fn hash(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.hash, inner.lines)
    }
}
