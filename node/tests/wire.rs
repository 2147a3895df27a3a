//! What peers of other kinds see: gRPC, remote write 2.0, and a node under pressure. One test, because a process
//! has one node: its own metrics are global.

use bytes::Bytes;
use plimsoll_client::{Client, Sample};
use plimsoll_cluster_config::{LoadArgs, Settings};
use plimsoll_model::{Histogram, Labels, METRIC_NAME, Span};
use plimsoll_node::boot::Node;
use plimsoll_proto::prometheus::v2;
use prost::Message;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn labels(name: &str, series: usize) -> Labels {
    Labels::from_pairs([(METRIC_NAME, name), ("series", &series.to_string())]).expect("labels")
}

/// Sends one request on a connection of its own; answers the head and the body.
async fn send(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let length = body.len();
    let head = format!("{head}\r\nHost: node\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("the head goes out");
    stream.write_all(body).await.expect("the body goes out");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(address: SocketAddr, query: &str) -> String {
    send(address, &format!("GET /api/v1/query?query={query} HTTP/1.1"), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_remote_write_2_and_pressure() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let load = LoadArgs::new()
        .flag("--data-dir", "node.data_dir", Some(dir.path().display()))
        .flag("--listen", "node.listen", Some("127.0.0.1:0"))
        .flag("--test", "ingest.decoded_bytes", Some("256KiB"))
        .flag("--test", "ingest.in_flight_bytes", Some("256KiB"));
    let node = Node::start(Settings::load(load).expect("settings")).await.expect("a node");
    let address = node.address();
    grpc(address).await;
    remote_write_2(address).await;
    pressure(address).await;
    node.stop(Duration::from_secs(5)).await;
}

async fn grpc(address: SocketAddr) {
    let client = Client::builder().urls([format!("http://{address}")]).build().expect("a client");
    let grpc = client.grpc().expect("gRPC");
    let now = plimsoll_node::now_ms();
    let native = Histogram {
        count: 3.0,
        sum: 4.5,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_buckets: vec![3.0],
        ..Histogram::default()
    };
    let mut samples: Vec<Sample> =
        (0..50).map(|i| Sample::float(labels("over_grpc", i), now, i as f64)).collect();
    samples.push(Sample::histogram(labels("native_over_grpc", 0), now, native));
    grpc.write(&samples).await.expect("all samples are taken");
    let sum = format!("{:?}", grpc.query("sum(over_grpc)", None).await.expect("an answer"));
    assert!(sum.contains("1225"), "{sum}");
    let count = ask(address, "histogram_count(native_over_grpc)").await;
    assert!(count.contains("\"3\"]"), "{count}");
    let options = plimsoll_client::ReportOptions::default();
    let report = grpc.report("loops", &options).await.expect("a report");
    assert_eq!((report.kind.as_str(), report.tables.len()), ("loops", 1), "{report:?}");
    let csv = grpc.report_text("tokens", &options, "csv").await.expect("a report");
    assert!(csv.starts_with("loop_type,model,total,"), "{csv}");
    let bad = plimsoll_client::ReportOptions { compare: Some("yesterday".to_owned()), ..options };
    let error = grpc.report("loops", &bad).await.expect_err("that is no comparison");
    assert!(error.to_string().contains("previous, week"), "{error}");
    let error = grpc.query("sum((", None).await.expect_err("that is no PromQL");
    assert!(error.to_string().contains("parse error"), "{error}");
}

async fn remote_write_2(address: SocketAddr) {
    let now = plimsoll_node::now_ms();
    let symbols = ["", METRIC_NAME, "over_v2", "series", "a"].map(String::from).to_vec();
    let sample = |timestamp| v2::Sample { value: 7.0, timestamp, ..Default::default() };
    let good =
        v2::TimeSeries { labels_refs: vec![1, 2, 3, 4], samples: vec![sample(now)], ..Default::default() };
    let bad = v2::TimeSeries { labels_refs: vec![1, 99], samples: vec![sample(now)], ..Default::default() };
    let head = "POST /api/v1/write HTTP/1.1\r\nContent-Encoding: snappy\r\n\
                Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request";
    let body = |timeseries| {
        let message = v2::Request { symbols: symbols.clone(), timeseries }.encode_to_vec();
        snap::raw::Encoder::new().compress_vec(&message).expect("snappy")
    };
    let whole = send(address, head, &body(vec![good.clone()])).await;
    assert!(whole.starts_with("HTTP/1.1 204"), "{whole}");
    assert!(whole.contains("x-prometheus-remote-write-samples-written: 1"), "{whole}");
    let part = send(address, head, &body(vec![bad, good])).await;
    assert!(part.starts_with("HTTP/1.1 400") && part.contains("bad_reference"), "{part}");
    assert!(part.contains("x-prometheus-remote-write-samples-written: 1"), "{part}");
    assert!(ask(address, "over_v2").await.contains("\"7\"]"));
}

/// More bytes at once than the node may hold: some requests are told to come back, and when they do, all is there.
async fn pressure(address: SocketAddr) {
    let request = |i: usize| {
        let line = |j: usize| format!("under_pressure{{request=\"{i}\",line=\"{j}\"}} 1\n");
        Bytes::from((0..1500).map(line).collect::<String>())
    };
    let sends = (0..24).map(|i| async move {
        let (body, mut refused) = (request(i), 0);
        loop {
            let answer = send(address, "POST /api/v1/import/prometheus HTTP/1.1", &body).await;
            if answer.starts_with("HTTP/1.1 204") {
                return refused;
            }
            assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1"), "{answer}");
            refused += 1;
            assert!(refused < 10_000, "the node never took it");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let refused: usize = futures::future::join_all(sends).await.into_iter().sum();
    assert!(refused > 0, "two requests fill the node, twenty-four came at once");
    let count = ask(address, "count(under_pressure)").await;
    assert!(count.contains("\"36000\"]"), "{count}");
}
