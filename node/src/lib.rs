//! A Plimsoll node.
//!
//! A sample's way in: [`http`] (bytes) → [`collector`] (decode, route, split) → [`shard`] (the leader here, or by
//! [`peer`] on another node; raft log, storage) → ack.
//!
//! A query's way out: [`http`] (parse, limits) → [`query`] (admission, deadline, list of running queries) →
//! [`aggregator`] (one a query: joins what the shards answer, here or by [`peer`] elsewhere) → [`shard::source`] (a
//! shared snapshot of storage) → JSON.
//!
//! A report: [`http`] → [`analytics`] → [`query`] (every shard counts what its series grew by) → text.
//!
//! A change of the cluster: [`http`] → [`cluster`] (the ownership group) → [`placement`] (who should hold what) →
//! [`shard::walk`] (each leader moves its own group).
//!
//! A target's metrics: [`scraper`] (asks targets, wherever they are) → [`collector`].
//!
//! Modules in that order; [`access`] stands at the door of both ways, [`boot`] starts all and stops it in reverse.
//! Somebody who looks on: [`http`] → [`hub`] (one evaluation a step for all) → [`query`].
//!
//! [`agents`] makes canonical series and their cost of what agents send.
//! [`telemetry`] stands beside: what the node tells about itself. [`demo`] runs several nodes as processes and is no
//! part of one. [`backup`] makes files of a cluster, and a data folder of them. [`retention`] says what goes and when.

pub mod access;
pub mod agents;
pub mod aggregator;
pub mod analytics;
pub mod backup;
pub mod boot;
pub mod cluster;
pub mod collector;
pub mod demo;
pub mod disk;
pub mod http;
pub mod hub;
pub mod peer;
pub mod placement;
pub mod query;
pub mod repair;
pub mod retention;
pub mod rules;
pub mod scraper;
pub mod shard;
pub mod telemetry;

/// Milliseconds since the Unix epoch by this host's clock. The edges read it; engines get it as an argument.
pub fn now_ms() -> plimsoll_model::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
