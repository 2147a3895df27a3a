//! The seam between the engine and a storage.

use crate::error::SourceError;
use crate::plan::Grouping;
use plimsoll_model::{Labels, METRIC_NAME, Matcher, Samples, TimeRange, Timestamp};
use std::collections::HashMap;
use std::ops::Range;

/// Series that can be read: one shard.
pub trait Source: Send + Sync {
    /// The series that fit all `matchers` and may have samples in `range`.
    fn select(&self, matchers: &[Matcher], range: TimeRange) -> Result<Box<dyn Selection + '_>, SourceError>;
}

/// Start timestamps of samples, in the order in which [`Selection::read`] gives the samples; 0 where unknown.
#[derive(Clone, Debug, Default)]
pub struct StartTimes {
    /// Of the floats.
    pub floats: Vec<Timestamp>,
    /// Of the histograms.
    pub histograms: Vec<Timestamp>,
}

/// What is asked of the samples of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The sum.
    Sum,
    /// How many there are.
    Count,
    /// The oldest.
    First,
    /// The newest.
    Last,
}

/// Selected series, numbered from 0.
pub trait Selection: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of a series.
    fn labels(&self, series: usize) -> Labels;

    /// Decoded samples of the series in `which`, in order, restricted to the range of the selection; stale markers
    /// are kept. One entry a series is pushed to `out`, empty where there is no sample.
    fn read(&self, which: Range<usize>, out: &mut Vec<Samples>) -> Result<(), SourceError>;

    /// As [`Selection::read`], but one sample an hour in which there are any: the time of the end of the hour, and what
    /// `fold` says of its samples. Hours are open at their start and closed at their end; stale markers count as nothing;
    /// hours that reach out of the range of the selection may be told too. `false` where the storage cannot tell.
    fn read_folded(
        &self,
        which: Range<usize>,
        fold: Fold,
        out: &mut Vec<Samples>,
    ) -> Result<bool, SourceError> {
        let _ = (which, fold, out);
        Ok(false)
    }

    /// Start timestamps of a series, where the storage keeps them.
    fn start_times(&self, series: usize) -> Option<StartTimes> {
        let _ = series;
        None
    }

    /// The group of each series and the labels of the groups. A storage that can tell groups without building
    /// the labels of every series should do so.
    fn groups(&self, grouping: &Grouping) -> (Vec<u32>, Vec<Labels>) {
        grouping.of((0..self.len()).map(|i| self.labels(i)))
    }
}

impl Grouping {
    /// The group of each of these series and the labels of the groups.
    pub fn of(&self, series: impl Iterator<Item = Labels>) -> (Vec<u32>, Vec<Labels>) {
        let mut keys: HashMap<Labels, u32> = HashMap::new();
        let mut groups = Vec::new();
        let of_series = series.map(|labels| {
            let key = self.key(&labels);
            *keys.entry(key).or_insert_with_key(|key| {
                groups.push(key.clone());
                groups.len() as u32 - 1
            })
        });
        (of_series.collect(), groups)
    }

    /// The labels of the group that `labels` belong to.
    pub fn key(&self, labels: &Labels) -> Labels {
        if self.without {
            labels
                .filter(|n| n != METRIC_NAME && self.labels.binary_search_by(|l| l.as_str().cmp(n)).is_err())
        } else {
            labels.filter(|n| self.labels.binary_search_by(|l| l.as_str().cmp(n)).is_ok())
        }
    }
}

/// Labels that describe the metric and go with its name.
pub(crate) fn is_metadata(label: &str) -> bool {
    label == METRIC_NAME || label == "__type__" || label == "__unit__"
}
