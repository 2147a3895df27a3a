//! How fast this machine writes to a node, and what the writer costs it.
//!
//!     cargo run --release -p plimsoll-client --example write_rate -- http://127.0.0.1:7777 http 1000 2000000
//!
//! Arguments: url, `http` or `grpc`, series, samples.

use plimsoll_client::model::Labels;
use plimsoll_client::{Client, Sample};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, way, series, samples] = arguments.as_slice() else {
        return Err("arguments: URL http|grpc SERIES SAMPLES".into());
    };
    let (series, samples): (usize, usize) = (series.parse()?, samples.parse()?);
    let client = Client::new(url)?;
    let builder = if way == "grpc" { client.grpc()?.writer() } else { client.writer() };
    let writer = builder.lanes(4).start();
    let labels: Vec<Labels> = (0..series)
        .map(|i| {
            Labels::from_pairs([
                ("__name__", "write_rate_example_total".to_owned()),
                ("instance", format!("10.0.{}.{}:9100", i / 250, i % 250)),
                ("job", "example".to_owned()),
                ("series", i.to_string()),
            ])
        })
        .collect::<Result<_, _>>()?;
    let first_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64 - 3_600_000;
    let began = Instant::now();
    for i in 0..samples {
        let timestamp = first_ms + (i / series) as i64 * 1_000;
        writer.push(Sample::float(labels[i % series].clone(), timestamp, i as f64)).await?;
    }
    let counters = writer.close(Duration::from_secs(60)).await;
    let seconds = began.elapsed().as_secs_f64();
    println!("{counters:?}");
    println!("{:.0} samples/s over {way}", counters.written as f64 / seconds);
    if let Some(e) = writer.last_error() {
        println!("last error: {e}");
    }
    Ok(())
}
