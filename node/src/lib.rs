//! A Plimsoll node.
//!
//! A sample's way in: [`http`] (bytes) → [`collector`] (decode, route, split) → [`shard`] (raft log, storage) → ack.
//!
//! A query's way out: [`http`] (parse, limits) → [`query`] (admission, deadline, list of running queries) →
//! [`aggregator`] (one a query: joins what the shards answer) → [`shard::source`] (a shared snapshot of storage)
//! → JSON.
//!
//! Modules in that order; [`boot`] starts them and stops them in reverse. [`telemetry`] stands beside:
//! what the node tells about itself. [`demo`] runs several nodes as processes and is no part of one.

pub mod aggregator;
pub mod boot;
pub mod cluster;
pub mod collector;
pub mod demo;
pub mod http;
pub mod query;
pub mod shard;
pub mod telemetry;

/// Milliseconds since the Unix epoch by this host's clock. The edges read it; engines get it as an argument.
pub fn now_ms() -> plimsoll_model::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
