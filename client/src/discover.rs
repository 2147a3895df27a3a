//! A look at the cluster: where its nodes are, and which of the addresses it names lead there.
//!
//! Runs beside the caller's requests, never before one: a request does not wait for a look.

use crate::answer::Envelope;
use crate::cluster::Cluster;
use crate::status::without_nulls;
use crate::transport::{BaseUrl, Request, Transport};
use crate::{Error, cluster::CLUSTER_PATH};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a node may take to tell about its cluster. The answer is small and comes from its memory.
const PATIENCE: Duration = Duration::from_secs(5);

impl Transport {
    /// Starts a look when it is time for one.
    pub(crate) fn look_around(self: &Arc<Self>) {
        if self.nodes().begin_look(Instant::now()) {
            let me = Arc::clone(self);
            tokio::spawn(async move {
                let guard = Looking { transport: &me };
                let seen = me.look().await;
                std::mem::forget(guard);
                me.nodes().looked(seen.err().as_ref(), Instant::now());
            });
        }
    }

    async fn look(&self) -> Result<(), Error> {
        let mut failure = None;
        for url in self.nodes().order(Instant::now()) {
            match self.ask_cluster(&url).await {
                Ok(cluster) => {
                    self.nodes().learn(&cluster, &url, Instant::now());
                    self.try_candidates(&cluster.id).await;
                    return Ok(());
                }
                Err(e) => failure = Some(e),
            }
        }
        Err(failure.unwrap_or_else(|| Error::Config("a client needs at least one url".into())))
    }

    async fn try_candidates(&self, cluster: &str) {
        for url in self.nodes().candidates(Instant::now()) {
            let same = matches!(self.ask_cluster(&url).await, Ok(answer) if answer.id == cluster);
            self.nodes().tried(&url, same, Instant::now());
        }
    }

    async fn ask_cluster(&self, url: &BaseUrl) -> Result<Cluster, Error> {
        let request = Request::get(CLUSTER_PATH.to_owned());
        let asked = tokio::time::timeout(PATIENCE, self.send_to(url, &request));
        let timeout = |_| Error::Timeout { url: url.text.clone(), after: PATIENCE };
        let reply = asked.await.map_err(timeout)??;
        let read = serde_json::from_slice::<Envelope<serde_json::Value>>(&reply.body);
        read.and_then(|envelope| serde_json::from_value(without_nulls(envelope.data)))
            .map_err(|e| Error::Answer { url: url.text.clone(), reason: e.to_string() })
    }
}

/// A look that is dropped half-way, with its runtime, leaves the way free for the next.
struct Looking<'a> {
    transport: &'a Transport,
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        let timeout = Error::Timeout { url: String::new(), after: PATIENCE };
        self.transport.nodes().looked(Some(&timeout), Instant::now());
    }
}
