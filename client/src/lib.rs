//! Client of Plimsoll: writes samples to a node and asks it questions.
//!
#![doc = include_str!("../../docs/client.md")]
//!
//! # The modules, in reading order
//!
//! A question: [`Client`] (`client`) → `query` (parameters, paths) → `transport` (one request to whichever node
//! answers) → `nodes` (whose turn it is; `discover` keeps it up to date) → `answer`, `status` and `report` (JSON as types). Upkeep: `admin`, `cluster`, `token`,
//! answers) → `nodes` (whose turn it is; `discover` keeps it up to date) → `answer` and `status` (JSON as types). Upkeep: `admin`, `agents`, `cluster`, `token`,
//! `backup`. Streams of lines: `export`, `import`. A sample: [`Writer`]
//! (`writer`): `lane` → `remote_write` → `deliver` → `transport`, by way of `spill` while no node takes it. The same
//! over gRPC: `grpc`. A metric: [`Registry`] (`registry`), filled by the program, by `agent`, `system` or `recorder` →
//! [`Collector`] (`collector`), which tells it to a writer at every flush.
//!
//! Absent on purpose: knowledge of shards and of where they are (any node routes).

mod admin;
mod agent;
mod agents;
mod anomaly;
mod answer;
mod backup;
#[cfg(feature = "cli")]
pub mod cli;
mod client;
mod cluster;
mod collector;
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
#[cfg(feature = "metrics")]
mod recorder;
mod registry;
mod report;
mod retention;
mod retry;
mod rules;
mod scrape;
mod spill;
mod status;
#[cfg(feature = "system")]
mod system;
mod token;
mod transport;
mod webhook;
mod writer;

pub use admin::{Compacted, Queries, Query};
pub use agent::{LlmCall, LoopExecution, LoopGuard, LoopNames, LoopStatus, Tokens, ToolCall};
pub use agents::{
    AgentMapping, AgentSource, AgentStatus, Budget, BudgetGroup, CostQuestion, PriceBook, PriceRow,
    TokenCost, TokenCostGroup,
};
pub use anomaly::{
    Anomalies, Anomaly, ForecastPoint, Forecasts, Schedule, ScheduleRun, SeriesForecast, Watch,
};
pub use answer::{Answer, Bucket, Data, HistogramValue, InstantSeries, RangeSeries, Value};
pub use backup::{BackupInfo, Pieces};
pub use client::{Client, ClientBuilder, Reported};
pub use cluster::{Cluster, ClusterNode, ClusterShard, LogEntry, Move, Rebalance};
pub use collector::{Collector, CollectorBuilder};
pub use dashboard::{Dashboard, DashboardImport, ImportedDashboard, LeftOut};
pub use error::{Error, Outcome};
pub use export::Export;
pub use grpc::{Block, Blocks, GrpcClient};
pub use import::TextFormat;
pub use nodes::KnownNode;
pub use query::{Ready, Selection};
#[cfg(feature = "metrics")]
pub use recorder::Recorder;
pub use registry::{
    Buckets, Combine, Counter, DURATION_BUCKETS, Gauge, Histogram, OTHER, OVERFLOW_LABEL, Registry,
    RegistryError, Rule, Summary, SummaryOptions,
};
pub use report::{ComparedPeriod, LoopPerformance, Report, ReportOptions, ReportTable, TokenUsage};
pub use retention::{DeletionJob, Retention, RetentionEffect, RetentionRule, WouldDelete};
pub use retry::{Backoff, parse_retry_after};
pub use rules::{ActiveAlert, RuleGroup, RuleState, Silence, SilenceMatcher, SilenceStatus};
pub use scrape::{ScrapeApplied, ScrapeDocument, ScrapeTarget};
pub use spill::{Spill, SpillError, SpillTotals};
pub use status::{
    BuildInfo, Cardinality, ClusterStatus, IngestStatus, LabelCardinality, Metadata, MetricCardinality,
    NodeStatus, PairCardinality, QueriesStatus, ShardStatus, Status, StorageStatus,
};
pub use token::{NewToken, Token};
pub use webhook::post;
pub use writer::{Counters, Lost, PushError, Sample, SampleValue, Writer, WriterBuilder, Written};

pub use plimsoll_model as model;
