//! Nanoseconds a sample of each step of decoding remote write, on generated requests.
//!
//! `cargo run --release -p plimsoll-proto --example decode [WHAT]`, where WHAT is a part of the step's name

use plimsoll_model::{FloatColumn, Histogram, Labels, Samples, Timestamp};
use plimsoll_proto::exposition;
use plimsoll_proto::ingest::{self, Limits, RawLabels, Refusal, Scratch, Sink, TextDialect};
use plimsoll_proto::prometheus::{v1, v2};
use prost::Message;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const SERIES: usize = 2000;
const REQUESTS: usize = 200;
const JSON_SAMPLES: usize = 100;

/// Adds everything up, so that nothing is optimised away.
#[derive(Default)]
struct Sum(u128, f64);

impl Sink for Sum {
    fn series(&mut self, key: u128, _: &dyn RawLabels) -> Result<(), Refusal> {
        self.0 ^= key;
        Ok(())
    }

    fn float(&mut self, timestamp: Timestamp, value: f64) -> Result<(), Refusal> {
        self.0 ^= timestamp as u128;
        self.1 += value;
        Ok(())
    }

    fn histogram(&mut self, _: Timestamp, _: Histogram) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Parses the labels of every series.
#[derive(Default)]
struct Parse(usize);

impl Sink for Parse {
    fn series(&mut self, _: u128, labels: &dyn RawLabels) -> Result<(), Refusal> {
        self.0 += labels.parse()?.as_bytes().len();
        Ok(())
    }

    fn float(&mut self, _: Timestamp, _: f64) -> Result<(), Refusal> {
        Ok(())
    }

    fn histogram(&mut self, _: Timestamp, _: Histogram) -> Result<(), Refusal> {
        Ok(())
    }
}

fn labels(series: usize) -> Labels {
    let pairs = [
        ("__name__", "node_network_transmit_packets_total".to_owned()),
        ("cluster", "eu-west-1-production".to_owned()),
        ("container", "node-exporter".to_owned()),
        ("device", format!("eth{}", series % 4)),
        ("endpoint", "metrics".to_owned()),
        ("instance", format!("10.12.{}.{}:9100", series / 250, series % 250)),
        ("job", "node".to_owned()),
        ("namespace", "monitoring".to_owned()),
        ("pod", format!("node-exporter-{series:05}")),
        ("service", "node-exporter".to_owned()),
        ("zone", format!("eu-west-1{}", ["a", "b", "c"][series % 3])),
    ];
    Labels::from_pairs(pairs).expect("valid labels")
}

fn request_v1(labels: &[Labels], request: usize) -> v1::WriteRequest {
    let series = |(i, l): (usize, &Labels)| v1::TimeSeries {
        labels: l.iter().map(|(n, v)| v1::Label { name: n.into(), value: v.into() }).collect(),
        samples: vec![v1::Sample {
            value: (i * request) as f64 * 0.37,
            timestamp: 1_760_000_000_000 + request as i64 * 15_000,
        }],
        ..Default::default()
    };
    v1::WriteRequest { timeseries: labels.iter().enumerate().map(series).collect(), metadata: vec![] }
}

fn request_v2(labels: &[Labels], request: usize) -> v2::Request {
    let mut symbols = vec![String::new()];
    let mut known = HashMap::new();
    let mut symbol = |text: &str| {
        *known.entry(text.to_owned()).or_insert_with(|| {
            symbols.push(text.to_owned());
            symbols.len() as u32 - 1
        })
    };
    let mut timeseries = Vec::new();
    for (i, l) in labels.iter().enumerate() {
        timeseries.push(v2::TimeSeries {
            labels_refs: l.iter().flat_map(|(n, v)| [n, v]).map(&mut symbol).collect(),
            samples: vec![v2::Sample {
                value: (i * request) as f64 * 0.37,
                timestamp: 1_760_000_000_000 + request as i64 * 15_000,
                start_timestamp: 0,
            }],
            metadata: Some(v2::Metadata { r#type: 1, help_ref: 0, unit_ref: 0 }),
            ..Default::default()
        });
    }
    v2::Request { symbols, timeseries }
}

fn lines_of_text(labels: &[Labels]) -> String {
    let mut out = String::new();
    for (i, l) in labels.iter().enumerate() {
        exposition::write_sample(&mut out, l, i as f64 * 0.37, Some(1_760_000_000_000));
    }
    out
}

/// As many samples as a request has, in longer series.
fn lines_of_json(labels: &[Labels]) -> Vec<u8> {
    let mut out = Vec::new();
    let times: Vec<_> = (0..JSON_SAMPLES as i64).map(|i| 1_760_000_000_000 + i * 15_000).collect();
    let values: Vec<_> = (0..JSON_SAMPLES).map(|i| i as f64 * 0.37).collect();
    let samples =
        Samples { floats: FloatColumn { timestamps: Arc::new(times), values }, histograms: Vec::new() };
    for l in &labels[..SERIES / JSON_SAMPLES] {
        ingest::write_json_line(&mut out, l, &samples);
    }
    out
}

/// Best request of many rounds: on a shared machine the others measure the neighbours.
fn time(what: &str, mut each: impl FnMut(usize)) {
    if std::env::args().nth(1).is_some_and(|only| !what.contains(&only)) {
        return;
    }
    let mut best = f64::MAX;
    for _ in 0..7 {
        for request in 0..REQUESTS {
            let start = Instant::now();
            each(request);
            best = best.min(start.elapsed().as_nanos() as f64 / SERIES as f64);
        }
    }
    println!("{what:36} {best:7.1} ns/sample");
}

fn main() {
    let labels: Vec<_> = (0..SERIES).map(labels).collect();
    let messages: Vec<_> = (0..REQUESTS).map(|r| request_v1(&labels, r).encode_to_vec()).collect();
    let messages_v2: Vec<_> = (0..REQUESTS).map(|r| request_v2(&labels, r).encode_to_vec()).collect();
    let compress = |m: &Vec<u8>| snap::raw::Encoder::new().compress_vec(m).expect("short enough");
    let bodies: Vec<_> = messages.iter().map(compress).collect();
    let bodies_v2: Vec<_> = messages_v2.iter().map(compress).collect();
    println!("v1: {} bytes a sample, {} in snappy", messages[1].len() / SERIES, bodies[1].len() / SERIES);
    println!(
        "v2: {} bytes a sample, {} in snappy",
        messages_v2[1].len() / SERIES,
        bodies_v2[1].len() / SERIES
    );

    let limits = Limits::default();
    let (mut scratch, mut sum, mut parse) = (Scratch::default(), Sum::default(), Parse::default());
    let mut buffer = vec![0; messages[REQUESTS - 1].len() + 4096];
    time("snappy, v1", |r| {
        black_box(snap::raw::Decoder::new().decompress(&bodies[r], &mut buffer).expect("valid"));
    });
    time("v1, walk and hash", |r| {
        ingest::remote_write_v1_message(&messages[r], &limits, 1, &mut scratch, &mut sum).expect("valid");
    });
    time("v1, snappy, walk and hash", |r| {
        ingest::remote_write_v1(&bodies[r], &limits, 1, &mut scratch, &mut sum).expect("valid");
    });
    time("v1, walk, hash and parse all labels", |r| {
        ingest::remote_write_v1_message(&messages[r], &limits, 1, &mut scratch, &mut parse).expect("valid");
    });
    time("v2, walk and hash", |r| {
        ingest::remote_write_v2_message(&messages_v2[r], &limits, 1, &mut scratch, &mut sum).expect("valid");
    });
    time("v2, snappy, walk and hash", |r| {
        ingest::remote_write_v2(&bodies_v2[r], &limits, 1, &mut scratch, &mut sum).expect("valid");
    });
    let text = lines_of_text(&labels);
    println!("text: {} bytes a sample", text.len() / SERIES);
    time("text", |_| {
        ingest::text(text.as_bytes(), TextDialect::Prometheus, 0, 1, &limits, 1, &mut sum).expect("valid");
    });
    let json = lines_of_json(&labels);
    println!("JSON lines, {JSON_SAMPLES} samples a line: {} bytes a sample", json.len() / SERIES);
    time("JSON lines", |_| {
        ingest::json_lines(&json, 1, &limits, 1, &mut sum).expect("valid");
    });
    time("v1 by prost, for comparison", |r| {
        black_box(v1::WriteRequest::decode(&messages[r][..]).expect("valid"));
    });
    black_box((sum.0, sum.1, parse.0));
}
