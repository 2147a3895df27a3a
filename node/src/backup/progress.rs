use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use plimsoll_storage::backup::Progress;
use std::sync::Arc;
use std::time::Duration;

/// What is shown of work on several shards at a time. Without a terminal nothing is.
#[derive(Clone)]
pub struct Meter {
    bar: ProgressBar,
    shards: Arc<Mutex<Vec<Progress>>>,
}

impl Meter {
    /// One that shows nothing yet.
    pub fn new() -> Self {
        let style =
            ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left");
        let bar = ProgressBar::new(0);
        // Four times a second: a terminal over a slow line must not slow the work.
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
        Self {
            bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
            shards: Arc::default(),
        }
    }

    /// Begins to count anew: `sizes` are those of the shards as far as they are known.
    pub(super) fn begin(&self, doing: &'static str, sizes: impl IntoIterator<Item = u64>) {
        *self.shards.lock() = sizes.into_iter().map(|of| Progress { bytes: 0, of }).collect();
        self.bar.reset();
        self.bar.set_message(doing);
        self.show();
    }

    /// How far the work on a shard is.
    pub(super) fn set(&self, shard: u16, progress: Progress) {
        if let Some(at) = self.shards.lock().get_mut(usize::from(shard)) {
            *at = progress;
        }
        self.show();
    }

    fn show(&self) {
        let (done, of) = {
            let shards = self.shards.lock();
            (shards.iter().map(|p| p.bytes).sum(), shards.iter().map(|p| p.of).sum())
        };
        self.bar.set_length(of);
        self.bar.set_position(done);
    }

    /// Takes it off the terminal.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

/// `12.3 MB in 1.5 s (8.2 MB/s)`, where MB are 10^6 bytes.
pub(super) fn megabytes(bytes: u64, took: Duration) -> String {
    let (megabytes, seconds) = (bytes as f64 / 1e6, took.as_secs_f64());
    format!("{megabytes:.1} MB in {seconds:.1} s ({:.1} MB/s)", megabytes / seconds.max(0.001))
}
