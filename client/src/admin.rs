//! Looking after a node: what it is asked, and upkeep ahead of its time.

use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The queries of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queries {
    /// Those that run.
    pub active: Vec<Query>,
    /// The slowest of the last ones.
    pub slow: Vec<Query>,
}

/// One query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Query {
    /// Its number, by which a running one is cancelled.
    pub id: u64,
    /// The expression; a long one is cut.
    pub query: String,
    /// How long it has been running, or ran.
    pub seconds: f64,
    /// How it ended; empty while it runs.
    pub outcome: String,
    /// The dashboard and panel or the program that asked.
    pub origin: String,
    /// First step in milliseconds.
    pub start: i64,
    /// Last step in milliseconds.
    pub end: i64,
    /// Milliseconds between steps; 0 for an instant query.
    pub step: i64,
}

/// What a compaction came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compacted {
    /// How long it took.
    pub took: Duration,
    /// Bytes on disk before.
    pub bytes_before: u64,
    /// Bytes on disk after.
    pub bytes_after: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    seconds: f64,
    bytes_before: u64,
    bytes_after: u64,
}

impl Client {
    /// The queries that run on the node, and the slowest of the last ones.
    pub async fn queries(&self) -> Result<Queries, Error> {
        let request = Request::get("/api/v1/queries".to_owned());
        let answer: Reported<Queries> = self.ask(&request).await?;
        Ok(answer.data)
    }

    /// Cancels a running query. Refused with 404 when it has ended already.
    pub async fn cancel_query(&self, id: u64) -> Result<(), Error> {
        let path = format!("/api/v1/queries/{id}");
        let mut request = Request::get(path);
        request.method = Method::DELETE;
        // Each node numbers its own queries: the next node would cancel another one.
        request.repeatable = false;
        self.transport.send(&request).await.map(|_| ())
    }

    /// Moves the heads of the node's shards into its store and lets the log be cut; answers how long it took.
    pub async fn checkpoint(&self) -> Result<Duration, Error> {
        let wire = self.upkeep("/api/v1/admin/checkpoint").await?;
        Ok(Duration::try_from_secs_f64(wire.seconds).unwrap_or_default())
    }

    /// Merges the small chunks of all buckets. Takes as long as the data is large: give the client time.
    pub async fn compact(&self) -> Result<Compacted, Error> {
        let wire = self.upkeep("/api/v1/admin/compact").await?;
        let took = Duration::try_from_secs_f64(wire.seconds).unwrap_or_default();
        Ok(Compacted { took, bytes_before: wire.bytes_before, bytes_after: wire.bytes_after })
    }

    async fn upkeep(&self, path: &str) -> Result<Wire, Error> {
        Ok(self.ask(&Request::post(path, "application/json", Bytes::new())).await?.data)
    }
}
