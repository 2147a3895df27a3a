//! What a shard can be asked, here or on another node, and what it answers.

use super::{Error, Kind};
use crate::shard::source::ShardSource;
use plimsoll_analytics::increase::{self, Ask, Group, increase};
use plimsoll_model::{Fault, Labels, Matcher, TimeRange};
use plimsoll_promql::{Budget, Partial, Plan};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A question to every shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Question {
    /// The leaf part of a query.
    Leaf(Box<Plan>),
    /// The series of selectors.
    Series {
        /// A series has to fulfil one of them.
        selectors: Vec<Vec<Matcher>>,
        /// With samples in this range.
        range: TimeRange,
        /// At most so many a selector.
        limit: u64,
    },
    /// The names of labels.
    LabelNames {
        /// Of the series that fulfil one of them.
        selectors: Vec<Vec<Matcher>>,
        /// With samples in this range.
        range: TimeRange,
    },
    /// The values of a label.
    LabelValues {
        /// The label.
        name: String,
        /// Of the series that fulfil one of them.
        selectors: Vec<Vec<Matcher>>,
        /// With samples in this range.
        range: TimeRange,
    },
    /// What has the most series, and how many entries of each list.
    Cardinality(u64),
    /// What counters grew by, exactly.
    Increase(Box<Ask>),
    /// What each of these deletions would hit, as their bytes.
    WouldDelete(Vec<Vec<u8>>),
}

/// The answer of one shard.
#[derive(Debug, Serialize, Deserialize)]
pub enum Part {
    /// To [`Question::Leaf`].
    Leaf(Partial),
    /// Labels of series, as their canonical bytes.
    Series(Vec<Vec<u8>>),
    /// Names or values.
    Texts(Vec<String>),
    /// To [`Question::Cardinality`].
    Cardinality(Counts),
    /// To [`Question::Increase`].
    Increase(Vec<Group>),
    /// To [`Question::WouldDelete`]: series and bytes.
    WouldDelete(Vec<(u64, u64)>),
}

/// `plimsoll_storage::Cardinality` between nodes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Counts {
    series: u64,
    values_by_name: Vec<(String, u64)>,
    series_by_metric: Vec<(String, u64)>,
    series_by_pair: Vec<(String, String, u64)>,
}

impl From<plimsoll_storage::Cardinality> for Counts {
    fn from(c: plimsoll_storage::Cardinality) -> Self {
        let plimsoll_storage::Cardinality { series, values_by_name, series_by_metric, series_by_pair } = c;
        Self { series, values_by_name, series_by_metric, series_by_pair }
    }
}

impl From<Counts> for plimsoll_storage::Cardinality {
    fn from(c: Counts) -> Self {
        let Counts { series, values_by_name, series_by_metric, series_by_pair } = c;
        Self { series, values_by_name, series_by_metric, series_by_pair }
    }
}

/// What a query may use on the node that answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Samples held.
    pub samples: u64,
    /// Bytes held.
    pub memory_bytes: u64,
    /// Series selected.
    pub series: u64,
}

impl From<&Budget> for Limits {
    fn from(b: &Budget) -> Self {
        Self { samples: b.max_samples, memory_bytes: b.memory_bytes, series: b.max_series }
    }
}

impl Limits {
    /// A budget of its own for the part that one node answers.
    pub fn budget(&self) -> Budget {
        let mut budget = Budget::default();
        budget.max_samples = self.samples;
        budget.memory_bytes = self.memory_bytes;
        budget.max_series = self.series;
        budget
    }
}

/// Why a shard has no answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Trouble {
    /// Another replica may have one: this one does not lead, or is not there.
    Elsewhere {
        /// The leader, if it is known.
        leader: Option<u64>,
        /// Why.
        reason: String,
    },
    /// No replica would answer otherwise.
    Final {
        /// The kind of failure.
        kind: Kind,
        /// What is told.
        text: String,
    },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Elsewhere { reason, .. } => f.write_str(reason),
            Self::Final { text, .. } => f.write_str(text),
        }
    }
}

impl From<plimsoll_promql::Error> for Trouble {
    fn from(e: plimsoll_promql::Error) -> Self {
        let e = Error::from(e);
        Self::Final { kind: e.kind(), text: e.to_string() }
    }
}

impl From<increase::Error> for Trouble {
    fn from(e: increase::Error) -> Self {
        let text = e.to_string();
        match e {
            increase::Error::Stopped(e) => e.into(),
            increase::Error::Groups { .. } => Self::Final { kind: Kind::Execution, text },
            increase::Error::Source(e) => match e.fault {
                Fault::Asker => Self::Final { kind: Kind::BadData, text },
                Fault::Moment => Self::Elsewhere { leader: None, reason: text },
                Fault::Ours => Self::Final { kind: Kind::Internal, text },
            },
        }
    }
}

impl From<plimsoll_storage::Error> for Trouble {
    fn from(e: plimsoll_storage::Error) -> Self {
        let text = e.to_string();
        match e.fault() {
            Fault::Asker => Self::Final { kind: Kind::BadData, text },
            Fault::Moment => Self::Elsewhere { leader: None, reason: text },
            Fault::Ours => Self::Final { kind: Kind::Internal, text },
        }
    }
}

impl Question {
    /// The answer of one shard. Takes as long as it takes: for the blocking pool.
    pub fn answer(&self, shard: &Arc<plimsoll_storage::Shard>, budget: &Budget) -> Result<Part, Trouble> {
        match self {
            Self::Leaf(plan) => Ok(Part::Leaf(plan.leaf(&ShardSource(shard.clone()), budget)?)),
            Self::Series { selectors, range, limit } => {
                let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
                let found = each(selectors, |s| shard.series(s, *range, limit))?;
                Ok(Part::Series(found.iter().map(|labels: &Labels| labels.as_bytes().to_vec()).collect()))
            }
            Self::LabelNames { selectors, range } => {
                Ok(Part::Texts(each(selectors, |s| shard.label_names(s, *range))?))
            }
            Self::LabelValues { name, selectors, range } => {
                Ok(Part::Texts(each(selectors, |s| shard.label_values(name, s, *range))?))
            }
            Self::Cardinality(each) => {
                let each = usize::try_from(*each).unwrap_or(usize::MAX);
                Ok(Part::Cardinality(shard.cardinality(each).into()))
            }
            Self::Increase(ask) => Ok(Part::Increase(increase(&ShardSource(shard.clone()), ask, budget)?)),
            Self::WouldDelete(deletions) => {
                let text = || "a deletion that this version of plimsoll cannot read".to_owned();
                let weigh = |bytes: &Vec<u8>| match plimsoll_storage::Deletion::decode(bytes) {
                    Some(deletion) => Ok(shard.would_delete(&deletion)?),
                    None => Err(Trouble::Final { kind: Kind::BadData, text: text() }),
                };
                Ok(Part::WouldDelete(deletions.iter().map(weigh).collect::<Result<_, _>>()?))
            }
        }
    }
}

fn each<T>(
    selectors: &[Vec<Matcher>],
    ask: impl Fn(&[Matcher]) -> Result<Vec<T>, plimsoll_storage::Error>,
) -> Result<Vec<T>, plimsoll_storage::Error> {
    let mut all = Vec::new();
    for matchers in selectors {
        all.extend(ask(matchers)?);
    }
    Ok(all)
}
