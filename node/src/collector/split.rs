use super::late;
use super::routes::{Place, Route, Table};
use super::{Row, msg::RowValue};
use crate::retention::Retention;
use crate::shard::Shards;
use crate::telemetry::Metadata;
use bytes::Bytes;
use plimsoll_model::{BatchBuilder, Histogram, Increase, Interval, Labels, ShardId, Target, Timestamp};
use plimsoll_proto::ingest::{self, Decoded, Limits, OtlpOptions, RawLabels, Refusal, Sink};
use std::collections::HashMap;

/// What a sample must fulfil to be taken.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Caps on sizes and counts.
    pub limits: Limits,
    /// Secret of the raw-label hash, so that nobody can craft collisions.
    pub seed: u64,
    /// Samples older than what anything is kept for are refused.
    pub retention: Retention,
    /// Samples further in the future than this are refused.
    pub future_ms: i64,
    /// Series that the node may hold.
    pub max_series: u64,
    /// How OTLP is translated.
    pub otlp: OtlpOptions,
}

/// One request on its way to being split by shard: a sink for the decoders.
pub(super) struct Split<'a> {
    rules: &'a Rules,
    shards: &'a Shards,
    metadata: &'a Metadata,
    routes: &'a Table,
    /// The series before in this request: a guess where the next one is.
    place: Place,
    oldest: Timestamp,
    newest: Timestamp,
    /// Samples before this one are late.
    late: Timestamp,
    /// The oldest of the late ones that are marked.
    late_from: Option<Timestamp>,
    marks_late: bool,
    /// New series that there is room for; counted when the first one comes.
    room: Option<u64>,
    parts: &'a mut [Part],
    /// Series that this request defines and that may come again in it.
    defined: HashMap<u128, (ShardId, Target)>,
    current: (ShardId, Target),
    /// The shard of the last increase.
    increasing: Option<ShardId>,
}

/// What one shard gets of a request; kept by the decoder, for its memory.
#[derive(Default)]
pub(super) struct Part {
    builder: BatchBuilder,
    /// Raw-label hash of each definition, in order.
    keys: Vec<u128>,
}

/// What one shard gets of a request, ready to go.
pub(super) struct Parcel {
    pub shard: ShardId,
    pub batch: Bytes,
    /// Raw-label hash of each definition, in order.
    pub keys: Vec<u128>,
}

/// Takes what was split; the parts are empty afterwards.
pub(super) fn take(parts: &mut [Part]) -> Vec<Parcel> {
    let filled = parts.iter_mut().enumerate().filter(|(_, p)| !p.builder.is_empty());
    filled
        .map(|(i, p)| Parcel {
            shard: ShardId(i as u16),
            batch: p.builder.finish().into(),
            keys: std::mem::take(&mut p.keys),
        })
        .collect()
}

impl<'a> Split<'a> {
    pub fn new(
        rules: &'a Rules,
        shards: &'a Shards,
        metadata: &'a Metadata,
        routes: &'a Table,
        parts: &'a mut [Part],
        now: Timestamp,
    ) -> Self {
        Self {
            rules,
            shards,
            metadata,
            routes,
            place: Place::default(),
            oldest: rules.retention.policy().oldest(now),
            newest: now.saturating_add(rules.future_ms),
            late: now.saturating_sub(late::LATE_MS.min(rules.retention.default_ms())),
            late_from: None,
            marks_late: late::is_watched(),
            room: None,
            parts,
            defined: HashMap::new(),
            current: (ShardId(0), Target::Defined(0)),
            increasing: None,
        }
    }

    /// Takes rows; the fingerprint stands in for the raw-label hash.
    pub fn rows(&mut self, rows: &[Row]) -> Decoded {
        let mut decoded = Decoded::default();
        for row in rows {
            let raw = Parsed { labels: &row.labels, limits: &self.rules.limits };
            // what is derived from late samples is late itself, and calls for no more work
            self.marks_late = late::is_watched() && row.labels.get(plimsoll_agents::SOURCE_LABEL).is_none();
            let taken = self.series(row.labels.fingerprint(), &raw).and_then(|()| match &row.value {
                RowValue::Float(v) => self.float(row.timestamp, *v),
                RowValue::Histogram(h) => self.histogram(row.timestamp, Histogram::clone(h)),
            });
            match (taken, &row.value) {
                (Err(refusal), _) => decoded.refused.add(refusal, 1, || row.labels.to_string()),
                (Ok(()), RowValue::Float(_)) => decoded.floats += 1,
                (Ok(()), RowValue::Histogram(_)) => decoded.histograms += 1,
            }
        }
        decoded
    }

    /// A series whose raw label bytes were not seen before: now the labels are read.
    #[cold]
    fn define(&mut self, key: u128, raw: &dyn RawLabels) -> Result<(), Refusal> {
        if let Some(known) = self.defined.get(&key) {
            self.current = *known;
            return Ok(());
        }
        let labels = raw.parse()?;
        let room = self.room.get_or_insert_with(|| {
            let there: u64 = self
                .shards
                .locals()
                .iter()
                .filter_map(|s| s.live().ok())
                .map(|l| l.storage().series_count())
                .sum();
            self.rules.max_series.saturating_sub(there)
        });
        if *room == 0 {
            return Err(Refusal::SeriesLimit);
        }
        *room -= 1;
        let shard = self.shards.owner(labels.shard_hash());
        let part = &mut self.parts[shard.0 as usize];
        let target = Target::Defined(part.builder.define(&labels));
        part.keys.push(key);
        self.defined.insert(key, (shard, target));
        self.current = (shard, target);
        Ok(())
    }

    fn check(&mut self, timestamp: Timestamp) -> Result<(), Refusal> {
        if timestamp < self.late {
            return self.check_late(timestamp);
        }
        if timestamp > self.newest {
            return Err(Refusal::TooFarInFuture);
        }
        Ok(())
    }
}

impl Split<'_> {
    #[cold]
    fn check_late(&mut self, timestamp: Timestamp) -> Result<(), Refusal> {
        if timestamp < self.oldest {
            return Err(Refusal::TooOld);
        }
        if self.marks_late {
            self.late_from = Some(self.late_from.map_or(timestamp, |from| from.min(timestamp)));
        }
        Ok(())
    }

    /// Adds the mark to a request with late samples.
    pub fn mark_late(&mut self) {
        let Some(from) = self.late_from.take() else { return };
        let labels = late::series(self.shards.node());
        let raw = Parsed { labels: &labels, limits: &self.rules.limits };
        if self.series(labels.fingerprint(), &raw).is_ok() {
            let (shard, target) = self.current;
            self.parts[shard.0 as usize].builder.float(target, late::next_time(), from as f64 / 1000.0);
        } else {
            metrics::counter!("plimsoll_late_marks_refused_total").increment(1);
        }
    }
}

impl Sink for Split<'_> {
    #[inline]
    fn series(&mut self, key: u128, labels: &dyn RawLabels) -> Result<(), Refusal> {
        match self.routes.get(key, &mut self.place) {
            Some(Route { shard, series }) => {
                self.current = (shard, Target::Known(series));
                Ok(())
            }
            None => self.define(key, labels),
        }
    }

    #[inline]
    fn float(&mut self, timestamp: Timestamp, value: f64) -> Result<(), Refusal> {
        self.check(timestamp)?;
        let (shard, target) = self.current;
        self.parts[shard.0 as usize].builder.float(target, timestamp, value);
        Ok(())
    }

    fn increase(&mut self, interval: Interval, increase: Increase, leads: bool) -> Result<(), Refusal> {
        self.check(interval.end())?;
        let (shard, target) = self.current;
        // all series of a data point have one hash; were that to change, each shard would count its own part
        let leads = self.increasing.replace(shard) != Some(shard) || leads;
        self.parts[shard.0 as usize].builder.increase(target, interval, &increase, leads);
        Ok(())
    }

    fn metadata(&mut self, m: ingest::Metadata<'_>) {
        self.metadata.put(m.name, m.metric_type.name(), m.help, m.unit);
    }

    fn histogram(&mut self, timestamp: Timestamp, histogram: Histogram) -> Result<(), Refusal> {
        self.check(timestamp)?;
        let (shard, target) = self.current;
        self.parts[shard.0 as usize].builder.histogram(target, timestamp, &histogram);
        Ok(())
    }
}

/// Labels that were parsed before.
struct Parsed<'a> {
    labels: &'a Labels,
    limits: &'a Limits,
}

impl RawLabels for Parsed<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        self.labels.iter().for_each(|(n, v)| visit(n.as_bytes(), v.as_bytes()));
        Ok(())
    }

    fn limits(&self) -> &Limits {
        self.limits
    }
}
