use super::Error;
use bytes::Bytes;
use plimsoll_model::{Histogram, Labels, Timestamp};
use plimsoll_proto::ingest::{Decoded, Encoding, TextDialect};
use plimsoll_proto::v1;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// In which form samples came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus remote write 1.0: snappy, `prometheus.WriteRequest`.
    RemoteWriteV1,
    /// Prometheus remote write 2.0: snappy, `io.prometheus.write.v2.Request`.
    RemoteWriteV2,
    /// Prometheus text exposition; samples without a time get the time of arrival.
    Text(TextDialect, Encoding),
    /// JSON lines as VictoriaMetrics' export writes them.
    JsonLines(Encoding),
    /// OTLP metrics, binary or as JSON.
    Otlp {
        /// How the body is compressed.
        encoding: Encoding,
        /// Whether it is JSON.
        json: bool,
    },
}

/// A sample that is already in the words of the model: what the node itself measures.
#[derive(Clone, Debug)]
pub struct Row {
    /// The series.
    pub labels: Labels,
    /// When.
    pub timestamp: Timestamp,
    /// What.
    pub value: RowValue,
}

/// Value of a [`Row`].
#[derive(Clone, Debug)]
pub enum RowValue {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

impl What {
    /// The value of the label `format` in this node's own metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Body(Format::RemoteWriteV1, _) => "remote_write_1",
            Self::Body(Format::RemoteWriteV2, _) => "remote_write_2",
            Self::Body(Format::Text(..), _) => "text",
            Self::Body(Format::JsonLines(_), _) => "json_lines",
            Self::Body(Format::Otlp { json: false, .. }, _) => "otlp",
            Self::Body(Format::Otlp { json: true, .. }, _) => "otlp_json",
            Self::Native(_) => "grpc",
            Self::Rows(_) => "own",
        }
    }
}

/// What became of a request whose samples were taken.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    /// Counts of what was taken, and refusals by reason.
    pub decoded: Decoded,
    /// Samples equal to one that was there.
    pub duplicates: u64,
    /// Samples that replaced a different value at the same time.
    pub replaced: u64,
}

/// All that a collector actor can be asked.
pub(super) enum Msg {
    /// Take these samples; the reply comes after they are durable.
    Ingest { what: What, credit: OwnedSemaphorePermit, reply: oneshot::Sender<Result<Receipt, Error>> },
}

/// Samples in one of the forms in which they arrive. Cheap to clone: a request is decoded again when a shard
/// asks for definitions.
#[derive(Clone)]
pub(super) enum What {
    /// A request body.
    Body(Format, Bytes),
    /// A request of the gRPC API.
    Native(Arc<v1::WriteRequest>),
    /// Rows.
    Rows(Arc<Vec<Row>>),
}
