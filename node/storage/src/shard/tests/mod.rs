//! Tests of a whole shard.

mod backup;
mod damage;
mod delete;
mod increases;
mod journeys;
mod model;
mod rollups;
mod together;
mod transfer;

use crate::{Applied, Database, Options, Shard};
use plimsoll_model::{BatchBuilder, Labels, Matcher, Samples, SeriesRef, ShardId, Target, TimeRange, varint};
use std::sync::Arc;

/// A database in a directory of its own.
pub(super) struct Place {
    pub(super) dir: tempfile::TempDir,
    pub(super) database: Database,
    pub(super) shard: Arc<Shard>,
}

impl Place {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (database, shard) = open(dir.path(), options);
        Self { dir, database, shard }
    }

    /// Closes the database and opens it again.
    pub(super) fn reopen(self) -> Self {
        self.reopen_with(Options::default())
    }

    pub(super) fn reopen_with(self, options: Options) -> Self {
        let Self { dir, database, shard } = self;
        drop((shard, database));
        let (database, shard) = open(dir.path(), options);
        Self { dir, database, shard }
    }
}

pub(super) fn open(dir: &std::path::Path, options: Options) -> (Database, Arc<Shard>) {
    let database = Database::open(dir, options).expect("the database opens");
    let shard = database.shard(ShardId(3)).expect("the shard opens");
    (database, shard)
}

pub(super) fn labels(name: &str, host: &str) -> Labels {
    Labels::from_pairs([("__name__", name), ("host", host)]).expect("labels")
}

/// A command of one batch.
pub(super) fn command(fill: impl FnOnce(&mut BatchBuilder)) -> Vec<u8> {
    let mut builder = BatchBuilder::default();
    fill(&mut builder);
    let batch = builder.finish();
    let mut out = Vec::new();
    varint::put(&mut out, batch.len() as u64);
    out.extend_from_slice(&batch);
    out
}

/// A command that defines one series with these samples.
pub(super) fn floats(labels: &Labels, samples: &[(i64, f64)]) -> Vec<u8> {
    command(|b| {
        let d = Target::Defined(b.define(labels));
        samples.iter().for_each(|(at, v)| b.float(d, *at, *v));
    })
}

pub(super) fn apply(shard: &Shard, position: u64, command: &[u8]) -> Applied {
    let mut answers = shard.apply(&position.to_be_bytes(), &[command]).expect("applied");
    answers.pop().and_then(|mut a| a.pop()).expect("one batch was applied")
}

/// All samples of all series that match.
pub(super) fn read_all(shard: &Arc<Shard>, matchers: &[Matcher], range: TimeRange) -> Vec<(Labels, Samples)> {
    let selection = shard.select(matchers, range).expect("a selection");
    let mut samples = Vec::new();
    selection.read(0..selection.len(), &mut samples).expect("samples");
    assert_eq!(selection.warnings(), Vec::<String>::new());
    samples.into_iter().enumerate().map(|(i, s)| (selection.labels(i), s)).collect()
}

/// Float samples of the one series with these labels.
pub(super) fn read(shard: &Arc<Shard>, labels: &Labels) -> Vec<(i64, f64)> {
    let matchers: Vec<Matcher> = labels.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
    let all = read_all(shard, &matchers, TimeRange::ALL);
    let Some((_, samples)) = all.into_iter().next() else { return Vec::new() };
    samples.floats.timestamps.iter().copied().zip(samples.floats.values).collect()
}

pub(super) fn known(r: SeriesRef, samples: &[(i64, f64)]) -> Vec<u8> {
    command(|b| samples.iter().for_each(|(at, v)| b.float(Target::Known(r), *at, *v)))
}
