//! Client of Plimsoll: writes samples to a node and asks it questions.
//!
#![doc = include_str!("../../docs/client.md")]
//!
//! # The modules, in reading order
//!
//! A question: [`Client`] (`client`) → `query` (parameters, paths) → `transport` (one request to whichever node
//! answers) → `nodes` (whose turn it is; `discover` keeps it up to date) → `answer`, `status` and `report` (JSON as types). Upkeep: `admin`, `cluster`, `token`,
//! `backup`. Streams of lines: `export`, `import`. A sample: [`Writer`]
//! (`writer`): `lane` → `remote_write` → `deliver` → `transport`. The same over gRPC: `grpc`.
//!
//! Absent on purpose: knowledge of shards and of where they are (any node routes), and storage on disk (what
//! must survive a crash of the caller belongs into the caller's own log).

mod admin;
mod answer;
mod backup;
#[cfg(feature = "cli")]
pub mod cli;
mod client;
mod cluster;
mod connector;
mod dashboard;
mod discover;
mod encode;
mod error;
mod export;
mod grpc;
mod histogram;
mod import;
mod nodes;
mod query;
mod report;
mod retry;
mod rules;
mod status;
mod token;
mod transport;
mod writer;

pub use admin::{Compacted, Queries, Query};
pub use answer::{Answer, Bucket, Data, HistogramValue, InstantSeries, RangeSeries, Value};
pub use backup::{BackupInfo, Pieces};
pub use client::{Client, ClientBuilder, Reported};
pub use cluster::{Cluster, ClusterNode, ClusterShard, LogEntry, Move, Rebalance};
pub use dashboard::{Dashboard, DashboardImport, ImportedDashboard, LeftOut};
pub use error::{Error, Outcome};
pub use export::Export;
pub use grpc::{Block, Blocks, GrpcClient};
pub use import::TextFormat;
pub use nodes::KnownNode;
pub use query::{Ready, Selection};
pub use report::{ComparedPeriod, LoopPerformance, Report, ReportOptions, ReportTable, TokenUsage};
pub use retry::{Backoff, parse_retry_after};
pub use rules::{ActiveAlert, RuleGroup, RuleState, Silence, SilenceMatcher, SilenceStatus};
pub use status::{
    BuildInfo, Cardinality, ClusterStatus, IngestStatus, LabelCardinality, Metadata, MetricCardinality,
    NodeStatus, PairCardinality, QueriesStatus, ShardStatus, Status, StorageStatus,
};
pub use token::{NewToken, Token};
pub use writer::{Counters, Lost, PushError, Sample, SampleValue, Writer, WriterBuilder, Written};

pub use plimsoll_model as model;
