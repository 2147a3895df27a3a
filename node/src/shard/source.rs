//! Where the query engine and storage meet: a shard's storage as a source of series.

use plimsoll_model::{Labels, Matcher, Samples, TimeRange};
use plimsoll_promql::{Fold, Grouping, Selection, Source, SourceError};
use std::ops::Range;
use std::sync::Arc;

/// A shard as the query engine sees it.
pub struct ShardSource(pub Arc<plimsoll_storage::Shard>);

struct Selected(plimsoll_storage::Selection);

impl Source for ShardSource {
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Result<Box<dyn Selection + '_>, SourceError> {
        let selection = self.0.select(matchers, range).map_err(to_source_error)?;
        Ok(Box::new(Selected(selection)))
    }
}

impl Selection for Selected {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, series: usize) -> Labels {
        self.0.labels(series)
    }

    fn groups(&self, grouping: &Grouping) -> (Vec<u32>, Vec<Labels>) {
        if !grouping.without {
            let names: Vec<&str> = grouping.labels.iter().map(String::as_str).collect();
            return self.0.group_by(&names);
        }
        grouping.of((0..self.len()).map(|i| self.labels(i)))
    }

    fn read_folded(
        &self,
        which: Range<usize>,
        fold: Fold,
        out: &mut Vec<Samples>,
    ) -> Result<bool, SourceError> {
        let fold = match fold {
            Fold::Min => plimsoll_storage::Fold::Min,
            Fold::Max => plimsoll_storage::Fold::Max,
            Fold::Sum => plimsoll_storage::Fold::Sum,
            Fold::Count => plimsoll_storage::Fold::Count,
            Fold::First => plimsoll_storage::Fold::First,
            Fold::Last => plimsoll_storage::Fold::Last,
        };
        self.0.read_folded(which, fold, out).map_err(to_source_error)
    }

    fn read(&self, which: Range<usize>, out: &mut Vec<Samples>) -> Result<(), SourceError> {
        self.0.read(which, out).map_err(to_source_error)
    }
}

fn to_source_error(e: plimsoll_storage::Error) -> SourceError {
    SourceError { message: e.to_string(), fault: e.fault() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::{BatchBuilder, ShardId, Target, varint};
    use plimsoll_promql::{Budget, Options, Plan, Rollups, execute};
    use plimsoll_storage::{Database, Shard};
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    const MIDNIGHT: i64 = 20_000 * 24 * HOUR;

    fn apply(shard: &Shard, position: u8, series: &[Vec<(i64, f64)>]) {
        let mut builder = BatchBuilder::default();
        for (number, samples) in series.iter().enumerate() {
            let labels = Labels::from_pairs([("__name__", "load"), ("host", &*number.to_string())]);
            let target = Target::Defined(builder.define(&labels.expect("labels")));
            samples.iter().for_each(|(at, v)| builder.float(target, *at, *v));
        }
        let (batch, mut command) = (builder.finish(), Vec::new());
        varint::put(&mut command, batch.len() as u64);
        command.extend_from_slice(&batch);
        shard.apply(&[position], &[&command]).expect("applied");
    }

    fn answer(shard: &Arc<Shard>, query: &str, rollups: Rollups) -> String {
        let options = Options { rollups, ..Options::default() };
        let (start, end) = (MIDNIGHT, MIDNIGHT + 72 * HOUR);
        let plan = Plan::range(query, start, end, HOUR, options).expect("a plan");
        let answer = execute(&plan, &[&ShardSource(shard.clone())], &Budget::default()).expect("an answer");
        format!("{:?}", answer.value)
    }

    fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
        let at = prop_oneof![
            4 => 0i64..72 * HOUR,
            1 => (0i64..72).prop_map(|h| h * HOUR),
            1 => (0i64..72).prop_map(|h| h * HOUR + 1),
        ];
        let v = prop_oneof![
            6 => (-50i32..50).prop_map(|n| f64::from(n) / 10.0 + 0.01),
            1 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => Just(f64::from_bits(plimsoll_model::STALE_NAN_BITS)),
        ];
        proptest::collection::btree_map(at, v, 0..120)
            .prop_map(|all| all.into_iter().map(|(at, v)| (MIDNIGHT + at, v)).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn hours_and_samples_give_the_same_answer(
            before in proptest::collection::vec(samples(), 1..4),
            after in proptest::collection::vec(samples(), 1..4),
            late in any::<bool>(),
        ) {
            let dir = tempfile::tempdir().expect("a directory");
            let database = Database::open(dir.path(), plimsoll_storage::Options::default()).expect("opens");
            let shard = database.shard(ShardId(0)).expect("a shard");
            apply(&shard, 1, &before);
            shard.compact(MIDNIGHT + 100 * HOUR, true).expect("a compaction");
            if late {
                apply(&shard, 2, &after);
            }
            for function in ["min", "max", "count", "last", "first", "present"] {
                for query in [
                    format!("{function}_over_time(load[3h])"),
                    format!("sum by (host) ({function}_over_time(load[1d] offset 2h))"),
                ] {
                    prop_assert_eq!(
                        answer(&shard, &query, Rollups::Exact),
                        answer(&shard, &query, Rollups::Off),
                        "{}", query
                    );
                }
            }
        }
    }
}
