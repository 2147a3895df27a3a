//! The same node over gRPC: samples as columns, answers without a detour through JSON, and answers in blocks
//! that never stand in memory as a whole.
//!
//! Owns: channels, messages from and to the types of this crate.
//! Does not own: whose turn it is (`nodes`), batching and repeats (`writer`).

mod fault;
mod messages;
mod report;

use crate::transport::{BaseUrl, Settings, Transport, Turn};
use crate::{Answer, Client, Error, RangeSeries, Sample, Written, writer::WriterBuilder};
use fault::Asked;
use plimsoll_model::Timestamp;
use plimsoll_proto::v1;
use plimsoll_proto::v1::{query_client::QueryClient, write_client::WriteClient};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A handle to a node over gRPC; made by [`Client::grpc`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GrpcClient {
    nodes: Arc<Nodes>,
}

#[derive(Debug)]
struct Nodes {
    /// Knows the nodes and whose turn it is; shared with the client that this handle was made from.
    transport: Arc<Transport>,
    /// A channel a node, made when it is first asked; at most as many as there are nodes.
    channels: Mutex<HashMap<String, Channel>>,
    metadata: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
    timeout: Duration,
    max_answer_bytes: usize,
}

impl Client {
    /// The same nodes over gRPC, with the same token, headers and timeouts. Connects to nothing yet.
    ///
    /// Needs a tokio runtime around it.
    pub fn grpc(&self) -> Result<GrpcClient, Error> {
        let settings = self.transport.settings();
        for url in &settings.urls {
            endpoint(url, settings)?;
        }
        let mut metadata = Vec::new();
        let token = settings.token.as_ref().map(|t| ("authorization", format!("Bearer {}", t.0)));
        let headers = settings.headers.iter().map(|(name, value)| (name.as_str(), value.0.clone()));
        for (name, value) in headers.chain(token) {
            let bad = || Error::Config(format!("header {name:?} cannot be sent"));
            let key = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| bad())?;
            let mut value: MetadataValue<Ascii> = value.parse().map_err(|_| bad())?;
            value.set_sensitive(true);
            metadata.push((key, value));
        }
        let nodes = Nodes {
            transport: Arc::clone(&self.transport),
            channels: Mutex::default(),
            metadata,
            timeout: settings.timeout,
            max_answer_bytes: settings.max_answer_bytes,
        };
        Ok(GrpcClient { nodes: Arc::new(nodes) })
    }
}

fn endpoint(url: &BaseUrl, settings: &Settings) -> Result<Endpoint, Error> {
    let bad = |e: &dyn std::fmt::Display| Error::Config(format!("url {}: {e}", url.text));
    let mut endpoint = Endpoint::from_shared(url.text.clone()).map_err(|e| bad(&e))?;
    endpoint = endpoint.connect_timeout(settings.connect_timeout).tcp_nodelay(true);
    // A peer that vanished without a word is noticed within half a minute.
    endpoint = endpoint.http2_keep_alive_interval(Duration::from_secs(20));
    endpoint = endpoint.keep_alive_timeout(Duration::from_secs(10));
    #[cfg(feature = "tls")]
    if url.https {
        endpoint = endpoint.tls_config(tls(settings.ca_pem.as_deref())).map_err(|e| bad(&e))?;
    }
    Ok(endpoint)
}

#[cfg(feature = "tls")]
fn tls(ca_pem: Option<&[u8]>) -> tonic::transport::ClientTlsConfig {
    let config = tonic::transport::ClientTlsConfig::new();
    match ca_pem {
        Some(pem) => config.ca_certificate(tonic::transport::Certificate::from_pem(pem)),
        None => config.with_native_roots(),
    }
}

impl GrpcClient {
    /// Begins the settings of a [`Writer`](crate::Writer) that sends over gRPC.
    pub fn writer(&self) -> WriterBuilder {
        WriterBuilder::over_grpc(self.clone())
    }

    /// Sends `samples` in one request and without repeats; `Ok` means that all are stored.
    pub async fn write(&self, samples: &[Sample]) -> Result<Written, Error> {
        let mut turn = Turn::new(&self.nodes.transport);
        loop {
            let url = turn.url()?;
            let url = url.text.as_str();
            let channel = self.nodes.channel(url)?;
            let mut client = WriteClient::new(channel);
            let answer = self
                .in_time(url, Asked::Write, client.write(self.nodes.dress(messages::write_request(samples))))
                .await;
            // Only what was surely not sent is tried on the next node; the rest is the writer's decision.
            if turn.is_final(&answer, false) {
                return messages::written(answer?.into_inner());
            }
        }
    }

    /// Evaluates `expr` at `time` (milliseconds), or now.
    pub async fn query(&self, expr: &str, time: Option<Timestamp>) -> Result<Answer, Error> {
        let request = v1::QueryRequest {
            query: expr.to_owned(),
            time,
            limits: Some(self.limits()),
            ..Default::default()
        };
        let mut turn = Turn::new(&self.nodes.transport);
        loop {
            let url = turn.url()?;
            let url = url.text.as_str();
            let channel = self.nodes.channel(url)?;
            let mut client = self.query_client(channel);
            let answer =
                self.in_time(url, self.answer(), client.query(self.nodes.dress(request.clone()))).await;
            if turn.is_final(&answer, true) {
                return messages::answer(url, answer?.into_inner());
            }
        }
    }

    /// Evaluates `expr` at every `step` from `start` to `end`, both included.
    pub async fn query_range(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Answer, Error> {
        let request = self.range_request(expr, start, end, step)?;
        let mut turn = Turn::new(&self.nodes.transport);
        loop {
            let url = turn.url()?;
            let url = url.text.as_str();
            let channel = self.nodes.channel(url)?;
            let mut client = self.query_client(channel);
            let answer =
                self.in_time(url, self.answer(), client.query_range(self.nodes.dress(request.clone()))).await;
            if turn.is_final(&answer, true) {
                return messages::answer(url, answer?.into_inner());
            }
        }
    }

    /// As [`query_range`](Self::query_range), block by block as the node has them ready.
    pub async fn query_stream(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Blocks, Error> {
        let request = self.range_request(expr, start, end, step)?;
        let mut turn = Turn::new(&self.nodes.transport);
        loop {
            let url = turn.url()?;
            let url = url.text.as_str();
            let channel = self.nodes.channel(url)?;
            let mut client = self.query_client(channel);
            let answer = self
                .in_time(url, self.answer(), client.query_stream(self.nodes.dress(request.clone())))
                .await;
            if turn.is_final(&answer, true) {
                let stream = answer?.into_inner();
                return Ok(Blocks {
                    url: url.to_owned(),
                    stream,
                    idle: self.nodes.timeout,
                    asked: self.answer(),
                });
            }
        }
    }

    fn query_client(&self, channel: Channel) -> QueryClient<Channel> {
        QueryClient::new(channel).max_decoding_message_size(self.nodes.max_answer_bytes)
    }

    fn answer(&self) -> Asked {
        Asked::Answer { limit_bytes: self.nodes.max_answer_bytes }
    }

    fn limits(&self) -> v1::Limits {
        // The node gives up when nobody would read its answer any more.
        v1::Limits { timeout_ms: self.nodes.timeout.as_millis() as u64, ..Default::default() }
    }

    fn range_request(
        &self,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<v1::QueryRangeRequest, Error> {
        let step_ms = step.as_millis() as u64;
        if step_ms == 0 {
            return Err(Error::Config("a step is at least a millisecond".into()));
        }
        let (query, limits) = (expr.to_owned(), Some(self.limits()));
        Ok(v1::QueryRangeRequest { query, start, end, step_ms, limits, ..Default::default() })
    }

    async fn in_time<T>(
        &self,
        url: &str,
        asked: Asked,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<tonic::Response<T>, Error> {
        match tokio::time::timeout(self.nodes.timeout, call).await {
            Ok(answer) => answer.map_err(|status| fault::error(url, status, asked)),
            Err(_) => Err(Error::Timeout { url: url.to_owned(), after: self.nodes.timeout }),
        }
    }
}

/// A range query's answer as it comes.
#[derive(Debug)]
pub struct Blocks {
    url: String,
    stream: tonic::Streaming<v1::QueryBlock>,
    idle: Duration,
    asked: Asked,
}

/// Some series of a range query's answer; a long one goes on in the next block under the same labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The series.
    pub series: Vec<RangeSeries>,
    /// What makes the answer less than whole; in the last block.
    pub warnings: Vec<String>,
    /// Remarks; in the last block.
    pub infos: Vec<String>,
}

impl Blocks {
    /// The next block; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Block>, Error> {
        let timeout = |_| Error::Timeout { url: self.url.clone(), after: self.idle };
        let message = tokio::time::timeout(self.idle, self.stream.message()).await.map_err(timeout)?;
        match message.map_err(|status| fault::error(&self.url, status, self.asked))? {
            Some(block) => messages::block(&self.url, block).map(Some),
            None => Ok(None),
        }
    }
}

impl Nodes {
    fn channel(&self, url: &str) -> Result<Channel, Error> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(url) {
            return Ok(channel.clone());
        }
        // A node that was forgotten needs no channel any more.
        let known = self.transport.nodes().known(std::time::Instant::now());
        channels.retain(|url, _| known.iter().any(|node| node.url == *url));
        let channel = endpoint(&BaseUrl::parse(url)?, self.transport.settings())?.connect_lazy();
        channels.insert(url.to_owned(), channel.clone());
        Ok(channel)
    }

    fn dress<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (key, value) in &self.metadata {
            request.metadata_mut().insert(key.clone(), value.clone());
        }
        request.set_timeout(self.timeout);
        request
    }
}
