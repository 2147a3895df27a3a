//! The macros of the `metrics` crate, told to a node: `metrics_recorder URL [JOBS]`, built with the feature `metrics`.

use metrics::{counter, gauge, histogram};
use plimsoll_client::{Buckets, Client, Recorder};
use std::error::Error;
use std::time::{Duration, Instant};

/// Does `jobs` jobs and tells the node at `url` of them; answers how many samples it took.
pub async fn run(url: &str, jobs: u32) -> Result<u64, Box<dyn Error>> {
    let collector = Client::new(url)?.collector().label("job", "metrics_recorder").start();
    // Native histograms by default; those that classic dashboards ask for get buckets of their own.
    Recorder::new(collector.registry()).buckets("job_seconds", Buckets::durations()).install()?;

    for n in 0..jobs {
        let began = Instant::now();
        gauge!("jobs_running").increment(1.0);
        tokio::time::sleep(Duration::from_millis(1)).await;
        counter!("jobs_done_total", "queue" => if n % 2 == 0 { "mail" } else { "print" }).increment(1);
        histogram!("job_seconds").record(began.elapsed());
        histogram!("job_size_bytes").record(f64::from(n * 100));
        gauge!("jobs_running").decrement(1.0);
    }

    let counters = collector.close(Duration::from_secs(30)).await;
    println!("{} written, {} lost", counters.written, counters.lost());
    Ok(counters.written)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| Client::DEFAULT_URL.to_owned());
    let jobs: u32 = args.next().map_or(Ok(100), |n| n.parse())?;
    run(&url, jobs).await.map(|_| ())
}
