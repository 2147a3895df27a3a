//! Where the query engine and storage meet: a shard's storage as a source of series.

use plimsoll_model::{Labels, Matcher, Samples, TimeRange};
use plimsoll_promql::{Grouping, Selection, Source, SourceError};
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

    fn read(&self, which: Range<usize>, out: &mut Vec<Samples>) -> Result<(), SourceError> {
        self.0.read(which, out).map_err(to_source_error)
    }
}

fn to_source_error(e: plimsoll_storage::Error) -> SourceError {
    SourceError { message: e.to_string(), fault: e.fault() }
}
