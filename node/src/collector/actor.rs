use super::{Error, Format, Receipt, Routes, Rules, msg::Msg, msg::What, settle, split::Split};
use crate::shard::Shards;
use crate::telemetry::Metadata;
use plimsoll_proto::ingest::{self, Decoded, Scratch};
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
        Ok(State { decoder: Decoder { rules, shards, routes, metadata, scratch: Scratch::default() } })
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        let Msg::Ingest { what, credit, reply } = msg;
        let first = state.decoder.decode(&what);
        let again = state.decoder.clone_for_retry();
        tokio::spawn(async move {
            let outcome = finish(first, what, again).await;
            drop(credit);
            // whoever asked may have hung up; the samples are in all the same
            let _ = reply.send(outcome);
        });
        Ok(())
    }
}

/// Waits for the acks, and sends what a shard did not know once more with its labels.
async fn finish(
    first: Result<(Decoded, Split), Error>,
    what: What,
    mut decoder: Decoder,
) -> Result<Receipt, Error> {
    let (mut decoded, mut split) = first?;
    for _ in 0..ROUNDS {
        let settled = settle::settle(split, &decoder.shards, &decoder.routes).await?;
        if !settled.unknown {
            return Ok(Receipt { decoded, duplicates: settled.duplicates, replaced: settled.replaced });
        }
        (decoded, split) = decoder.decode(&what)?;
    }
    Err(Error::Stopping)
}

/// Turns what came into one batch a shard.
struct Decoder {
    rules: Rules,
    shards: Shards,
    routes: Arc<Routes>,
    metadata: Arc<Metadata>,
    scratch: Scratch,
}

impl Decoder {
    fn decode(&mut self, what: &What) -> Result<(Decoded, Split), Error> {
        let now = crate::now_ms();
        let mut split = Split::new(&self.rules, &self.shards, &self.routes, &self.metadata, now);
        let decoded = match what {
            What::Body(format, body) => self.body(*format, body, now, &mut split)?,
            What::Native(request) => {
                ingest::native(request, &self.rules.limits, self.rules.seed, &mut self.scratch, &mut split)?
            }
            What::Rows(rows) => split.rows(rows),
        };
        Ok((decoded, split))
    }

    fn body(
        &mut self,
        format: Format,
        body: &[u8],
        now: i64,
        sink: &mut Split,
    ) -> Result<Decoded, Error> {
        let (limits, seed) = (&self.rules.limits, self.rules.seed);
        let mut unpacked = Vec::new();
        Ok(match format {
            Format::RemoteWriteV1 => ingest::remote_write_v1(body, limits, seed, &mut self.scratch, sink)?,
            Format::RemoteWriteV2 => ingest::remote_write_v2(body, limits, seed, &mut self.scratch, sink)?,
            Format::Text(dialect, encoding) => {
                let body = ingest::decompress(encoding, body, limits, &mut unpacked)?;
                ingest::text(body, dialect, now, 1, limits, seed, sink)?
            }
            Format::JsonLines(encoding) => {
                let body = ingest::decompress(encoding, body, limits, &mut unpacked)?;
                ingest::json_lines(body, 1, limits, seed, sink)?
            }
        })
    }

    fn clone_for_retry(&self) -> Self {
        Self {
            rules: self.rules.clone(),
            shards: self.shards.clone(),
            routes: self.routes.clone(),
            metadata: self.metadata.clone(),
            scratch: Scratch::default(),
        }
    }
}
