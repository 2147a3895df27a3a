//! The same promises over gRPC.

use plimsoll_client::model::{Histogram, Labels, Span};
use plimsoll_client::{Backoff, Client, Data, Error, GrpcClient, Outcome, Sample, Value};
use plimsoll_proto::v1;
use plimsoll_proto::v1::query_server::{Query, QueryServer};
use plimsoll_proto::v1::write_server::{Write, WriteServer};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

#[derive(Clone, Default)]
struct FakeNode {
    says: Arc<Mutex<VecDeque<Status>>>,
    writes: Arc<Mutex<Vec<v1::WriteRequest>>>,
    tokens: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl Write for FakeNode {
    async fn write(&self, request: Request<v1::WriteRequest>) -> Result<Response<v1::WriteResponse>, Status> {
        let token = request.metadata().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("");
        self.tokens.lock().expect("a list").push(token.to_owned());
        if let Some(status) = self.says.lock().expect("a list").pop_front() {
            return Err(status);
        }
        let request = request.into_inner();
        let floats = request.series.iter().map(|s| s.values.len() as u64).sum();
        let histograms = request.series.iter().map(|s| s.histograms.len() as u64).sum();
        self.writes.lock().expect("a list").push(request);
        let accepted = v1::Accepted { series: 0, floats, histograms };
        Ok(Response::new(v1::WriteResponse { accepted: Some(accepted), refused: vec![] }))
    }

    async fn write_stream(
        &self,
        _: Request<Streaming<v1::WriteRequest>>,
    ) -> Result<Response<v1::WriteResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

fn series(value: f64) -> v1::Series {
    v1::Series {
        labels: vec![v1::Label { name: "job".into(), value: "j".into() }],
        timestamps: vec![1_000],
        values: vec![value],
        histograms: vec![],
    }
}

#[tonic::async_trait]
impl Query for FakeNode {
    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<v1::QueryResponse>, Status> {
        if request.into_inner().query == "bad(" {
            return Err(Status::invalid_argument("1:5: unclosed parenthesis"));
        }
        let h = Histogram {
            count: 3.0,
            positive_spans: vec![Span { offset: 1, length: 1 }],
            positive_buckets: vec![3.0],
            ..Histogram::default()
        };
        let sample = v1::HistogramSample { timestamp: 2_000, histogram: Some(v1::Histogram::from(&h)) };
        let with_histogram = v1::Series { histograms: vec![sample], ..Default::default() };
        let vector = v1::Vector { series: vec![series(f64::INFINITY), with_histogram] };
        Ok(Response::new(v1::QueryResponse {
            value: Some(v1::query_response::Value::Vector(vector)),
            warnings: vec!["shard 3 is missing".into()],
            ..Default::default()
        }))
    }

    async fn query_range(
        &self,
        _: Request<v1::QueryRangeRequest>,
    ) -> Result<Response<v1::QueryResponse>, Status> {
        let matrix = v1::Vector { series: vec![series(2.0)] };
        let value = Some(v1::query_response::Value::Matrix(matrix));
        Ok(Response::new(v1::QueryResponse { value, ..Default::default() }))
    }

    type QueryStreamStream = tokio_stream::Iter<std::vec::IntoIter<Result<v1::QueryBlock, Status>>>;

    async fn query_stream(
        &self,
        _: Request<v1::QueryRangeRequest>,
    ) -> Result<Response<Self::QueryStreamStream>, Status> {
        let block = |v| Ok(v1::QueryBlock { series: vec![series(v)], ..Default::default() });
        Ok(Response::new(tokio_stream::iter(vec![block(1.0), block(2.0), Err(Status::unavailable("gone"))])))
    }

    async fn labels(&self, _: Request<v1::LabelsRequest>) -> Result<Response<v1::LabelsResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn label_values(
        &self,
        _: Request<v1::LabelValuesRequest>,
    ) -> Result<Response<v1::LabelsResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn series(&self, _: Request<v1::SeriesRequest>) -> Result<Response<v1::SeriesResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

async fn start(says: impl IntoIterator<Item = Status>) -> (FakeNode, GrpcClient) {
    let node = FakeNode { says: Arc::new(Mutex::new(says.into_iter().collect())), ..FakeNode::default() };
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let url = format!("http://{}", incoming.local_addr().expect("an address"));
    let server = tonic::transport::Server::builder()
        .add_service(WriteServer::new(node.clone()))
        .add_service(QueryServer::new(node.clone()));
    tokio::spawn(server.serve_with_incoming(incoming));
    let client = Client::builder().url(url).token("s3cret").build().expect("a client");
    (node, client.grpc().expect("a client over gRPC"))
}

fn sample(timestamp: i64) -> Sample {
    let labels = Labels::from_pairs([("__name__", "up")]).expect("labels");
    Sample::float(labels, timestamp, 1.5)
}

#[tokio::test]
async fn a_write_arrives_in_columns_with_the_token() {
    let (node, client) = start([]).await;
    let written = client.write(&[sample(1), sample(2)]).await.expect("stored");
    assert_eq!(written.samples, 2);
    let writes = node.writes.lock().expect("a list");
    assert_eq!((writes[0].series.len(), &writes[0].series[0].timestamps), (1, &vec![1, 2]));
    assert_eq!(node.tokens.lock().expect("a list")[0], "Bearer s3cret");
    assert!(!format!("{client:?}").contains("s3cret"), "the token shows in Debug");
}

#[tokio::test]
async fn a_writer_over_grpc_repeats_and_splits_as_over_http() {
    let says = [Status::resource_exhausted("busy"), Status::out_of_range("message too large")];
    let (node, client) = start(says).await;
    let backoff = Backoff { first: Duration::from_millis(1), ..Backoff::default() };
    let writer = client.writer().batch_samples(2).backoff(backoff).start();
    writer.push(sample(1)).await.expect("room");
    writer.push(sample(2)).await.expect("room");
    writer.flush().await.expect("stored");
    let c = writer.counters();
    assert_eq!((c.written, c.retries, c.splits, c.requests), (2, 1, 1, 4));
    assert_eq!(node.writes.lock().expect("a list").len(), 2);
}

#[tokio::test]
async fn answers_are_the_same_types_as_over_http() {
    let (_node, client) = start([]).await;
    let answer = client.query("up", None).await.expect("an answer");
    assert_eq!(answer.warnings, ["shard 3 is missing"]);
    let Data::Vector(all) = answer.data else { panic!("not a vector") };
    assert_eq!((all[0].timestamp, &all[0].value), (1_000, &Value::Float(f64::INFINITY)));
    let Value::Histogram(h) = &all[1].value else { panic!("not a histogram") };
    assert_eq!((h.count, h.buckets[0].lower, h.buckets[0].upper), (3.0, 1.0, 2.0));
    let answer = client.query_range("up", 0, 1, Duration::from_secs(1)).await.expect("an answer");
    assert!(matches!(answer.data, Data::Matrix(m) if m[0].floats == [(1_000, 2.0)]));
}

#[tokio::test]
async fn a_stream_of_blocks_ends_with_the_error_that_cut_it() {
    let (_node, client) = start([]).await;
    let mut blocks = client.query_stream("up", 0, 1, Duration::from_secs(1)).await.expect("a stream");
    for value in [1.0, 2.0] {
        let block = blocks.next().await.expect("no error yet").expect("a block");
        assert_eq!(block.series[0].floats, [(1_000, value)]);
    }
    assert!(matches!(blocks.next().await, Err(Error::Busy { status: 503, .. })));
}

#[tokio::test]
async fn a_wrong_expression_is_the_askers_and_a_node_that_is_away_unreachable() {
    let (_node, client) = start([]).await;
    let e = client.query("bad(", None).await.expect_err("refused");
    assert!(matches!(&e, Error::Refused { message, .. } if message.contains("unclosed")), "{e:?}");
    let gone = crate::fake::Gone::new();
    let away = Client::new(&gone.url).expect("a client").grpc().expect("a client over gRPC");
    let e = away.write(&[sample(1)]).await.expect_err("nobody is there");
    assert!(matches!(e, Error::Unreachable { .. }), "{e:?}");
    assert_eq!(e.outcome(), Outcome::NotDone);
}
