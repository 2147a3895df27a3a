use super::{Error, Format, Receipt, Routes, Row, Rules, Totals, actor::CollectorActor, msg::Msg, msg::What};
use crate::shard::Shards;
use crate::telemetry::Metadata;
use bytes::Bytes;
use plimsoll_proto::v1;
use ractor::{Actor, ActorRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::{Semaphore, oneshot};

/// What a small request costs beside its bytes, so that a flood of tiny ones is bounded too.
const REQUEST_BYTES: usize = 1024;

/// Handle of the collector pool.
#[derive(Clone)]
pub struct Collector {
    pool: Arc<Vec<ActorRef<Msg>>>,
    next: Arc<AtomicUsize>,
    credit: Arc<Semaphore>,
    in_flight_bytes: usize,
    routes: Arc<Routes>,
    totals: Arc<Totals>,
}

impl Collector {
    /// Starts `actors` collectors; `in_flight_bytes` bounds the request bodies that are under way.
    pub async fn start(
        actors: usize,
        in_flight_bytes: usize,
        rules: Rules,
        shards: Shards,
        metadata: Arc<Metadata>,
    ) -> anyhow::Result<Self> {
        let routes = Arc::new(Routes::new(rules.max_series));
        let mut pool = Vec::with_capacity(actors);
        for _ in 0..actors {
            let args = (rules.clone(), shards.clone(), routes.clone(), metadata.clone());
            pool.push(CollectorActor::spawn(None, CollectorActor, args).await?.0);
        }
        let credit = Arc::new(Semaphore::new(in_flight_bytes));
        Ok(Self {
            pool: Arc::new(pool),
            next: Arc::default(),
            credit,
            in_flight_bytes,
            routes,
            totals: Arc::default(),
        })
    }

    /// Takes a request body. Fails at once with [`Error::Busy`] when too much is in flight.
    pub async fn ingest(&self, format: Format, body: Bytes) -> Result<Receipt, Error> {
        let bytes = body.len();
        self.ask(bytes, What::Body(format, body)).await
    }

    /// Takes a request of the gRPC API, of `bytes` as it came in.
    pub async fn native(&self, request: v1::WriteRequest, bytes: usize) -> Result<Receipt, Error> {
        self.ask(bytes, What::Native(Arc::new(request))).await
    }

    /// Takes rows.
    pub async fn rows(&self, rows: Vec<Row>) -> Result<Receipt, Error> {
        let bytes = rows.iter().map(|r| r.labels.as_bytes().len() + 16).sum();
        self.ask(bytes, What::Rows(Arc::new(rows))).await
    }

    /// Bytes of request bodies under way.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes.saturating_sub(self.credit.available_permits())
    }

    /// Series that are found without reading their labels.
    pub fn routed_series(&self) -> usize {
        self.routes.len()
    }

    /// Counts since the start.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    async fn ask(&self, bytes: usize, what: What) -> Result<Receipt, Error> {
        let format = what.label();
        let outcome = self.hand_over(bytes, what).await;
        self.totals.count(format, &outcome);
        outcome
    }

    async fn hand_over(&self, bytes: usize, what: What) -> Result<Receipt, Error> {
        let cost =
            u32::try_from((bytes + REQUEST_BYTES).min(self.in_flight_bytes)).map_err(|_| Error::Busy)?;
        let credit = self.credit.clone().try_acquire_many_owned(cost).map_err(|_| Error::Busy)?;
        let (reply, answer) = oneshot::channel();
        let actor = &self.pool[self.next.fetch_add(1, Relaxed) % self.pool.len()];
        actor.cast(Msg::Ingest { what, credit, reply }).map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}
