use super::{
    Error, Format, Receipt, Routes, Rules,
    msg::Msg,
    msg::What,
    settle,
    split::{Parcel, Part, Split, take},
};
use crate::shard::Shards;
use crate::telemetry::Metadata;
use plimsoll_proto::ingest::{self, DecodeError, Decoded, Scratch};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;

/// How often a request is decoded again because a shard asked for definitions.
const ROUNDS: usize = 3;

pub(super) struct CollectorActor;

pub(super) struct State {
    decoder: Decoder,
}

impl Actor for CollectorActor {
    type Msg = Msg;
    type State = State;
    type Arguments = (Rules, Shards, Arc<Routes>, Arc<Metadata>);

    async fn pre_start(
        &self,
        _: ActorRef<Msg>,
        (rules, shards, routes, metadata): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { decoder: Decoder::new(rules, shards, routes, metadata) })
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        let Msg::Ingest { what, credit, reply } = msg;
        let first = state.decoder.decode(&what);
        let shared = state.decoder.shared.clone();
        tokio::spawn(async move {
            let outcome = finish(first, what, shared).await;
            drop(credit);
            // whoever asked may have hung up; the samples are in all the same
            let _ = reply.send(outcome);
        });
        Ok(())
    }
}

/// Waits for the acks, and sends what a shard did not know once more with its labels.
async fn finish(
    first: Result<(Decoded, Vec<Parcel>), Error>,
    what: What,
    shared: Arc<Shared>,
) -> Result<Receipt, Error> {
    let (mut decoded, mut parcels) = first?;
    for _ in 0..ROUNDS {
        let settled = settle::settle(parcels, &shared.shards, &shared.routes).await?;
        if !settled.unknown {
            settled.refuse(&mut decoded);
            return Ok(Receipt { decoded, duplicates: settled.duplicates, replaced: settled.replaced });
        }
        (decoded, parcels) = Decoder::of(shared.clone()).decode(&what)?;
    }
    Err(Error::Stopping)
}

/// Turns what came into one batch a shard.
struct Decoder {
    shared: Arc<Shared>,
    scratch: Scratch,
    parts: Vec<Part>,
}

/// What all decoders use.
struct Shared {
    rules: Rules,
    shards: Shards,
    routes: Arc<Routes>,
    metadata: Arc<Metadata>,
}

impl Decoder {
    fn new(rules: Rules, shards: Shards, routes: Arc<Routes>, metadata: Arc<Metadata>) -> Self {
        Self::of(Arc::new(Shared { rules, shards, routes, metadata }))
    }

    fn of(shared: Arc<Shared>) -> Self {
        let parts = (0..shared.shards.count()).map(|_| Part::default()).collect();
        Self { shared, scratch: Scratch::default(), parts }
    }

    fn decode(&mut self, what: &What) -> Result<(Decoded, Vec<Parcel>), Error> {
        let now = crate::now_ms();
        let Shared { rules, shards, routes, metadata } = &*self.shared;
        let table = routes.read();
        let mut sink = Split::new(rules, shards, metadata, &table, &mut self.parts, now);
        let decoded = match what {
            What::Body(format, body) => read_body(rules, *format, body, now, &mut self.scratch, &mut sink),
            What::Native(request) => {
                ingest::native(request, &rules.limits, rules.seed, &mut self.scratch, &mut sink)
            }
            What::Rows(rows) => Ok(sink.rows(rows)),
        };
        sink.mark_late();
        // also after an error: nothing of this request may stay for the next one
        let parcels = take(&mut self.parts);
        Ok((decoded?, parcels))
    }
}

fn read_body(
    rules: &Rules,
    format: Format,
    body: &[u8],
    now: i64,
    scratch: &mut Scratch,
    sink: &mut Split,
) -> Result<Decoded, DecodeError> {
    let (limits, seed) = (&rules.limits, rules.seed);
    let mut unpacked = Vec::new();
    match format {
        Format::RemoteWriteV1 => ingest::remote_write_v1(body, limits, seed, scratch, sink),
        Format::RemoteWriteV2 => ingest::remote_write_v2(body, limits, seed, scratch, sink),
        Format::Text(dialect, encoding) => {
            let body = ingest::decompress(encoding, body, limits, &mut unpacked)?;
            ingest::text(body, dialect, now, 1, limits, seed, sink)
        }
        Format::JsonLines(encoding) => {
            let body = ingest::decompress(encoding, body, limits, &mut unpacked)?;
            ingest::json_lines(body, 1, limits, seed, sink)
        }
        Format::Otlp { encoding, json } => {
            ingest::otlp(body, (encoding, json), &rules.otlp, (limits, seed), scratch, sink)
        }
    }
}
