//! Which operators a shard can carry out on its own series.

use super::{Join, Node, RangeSource};
use plimsoll_model::METRIC_NAME;

/// How the rows of an operator lie on the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locality {
    /// The same everywhere: numbers and times, no series.
    Constant,
    /// Each shard has its rows; rows with equal labels apart from the name, `le` and `quantile` meet on one shard.
    Placed,
    /// Each shard has its rows, wherever they are.
    Scattered,
    /// Needs all series together.
    Global,
}

use Locality::{Constant, Global, Placed, Scattered};

/// Labels that do not take part in placing a series (see `Labels::shard_hash`).
fn is_placement_free(label: &str) -> bool {
    label == METRIC_NAME || label == "le" || label == "quantile"
}

impl Node {
    pub(super) fn locality(&self) -> Locality {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Time | Self::Date(_, None) => Constant,
            Self::Select(_) | Self::Timestamp(..) => Placed,
            Self::Range(call) => {
                if call.args.iter().any(|a| a.locality() != Constant) {
                    return Global;
                }
                match &call.source {
                    RangeSource::Select(_) => Placed,
                    RangeSource::Subquery(s) => s.input.rows(),
                    RangeSource::Leaf(..) => Global,
                }
            }
            Self::Once(n) | Self::Negate(n) => n.locality(),
            Self::Math(_, n, args) => {
                if args.iter().all(|a| a.locality() == Constant) {
                    n.rows()
                } else {
                    Global
                }
            }
            Self::Date(_, Some(n)) | Self::EvalTime(n) | Self::Nothing(n) | Self::HistogramStat(_, n) => {
                n.rows()
            }
            Self::Extreme(_, a, b) | Self::Scalars(_, a, b) => match (a.locality(), b.locality()) {
                (Constant, Constant) => Constant,
                _ => Global,
            },
            Self::VectorScalar(v) => {
                if v.scalar.locality() == Constant {
                    v.vector.rows()
                } else {
                    Global
                }
            }
            Self::LabelReplace(r) => r.input.scattered(),
            Self::LabelJoin(j) => j.input.scattered(),
            Self::Quantiles(q) => {
                let constant = q.quantiles.iter().all(|(n, _)| n.locality() == Constant);
                match q.input.locality() {
                    Placed if constant && q.label.is_none() => Placed,
                    _ => Global,
                }
            }
            Self::Fraction(f) => {
                let constant = f.lower.locality() == Constant && f.upper.locality() == Constant;
                if constant && f.input.locality() == Placed { Placed } else { Global }
            }
            Self::Join(j) => join(j),
            _ => Global,
        }
    }

    /// The locality as rows: a constant has none, so it stays where the answer is made.
    fn rows(&self) -> Locality {
        match self.locality() {
            Constant => Global,
            other => other,
        }
    }

    fn scattered(&self) -> Locality {
        match self.rows() {
            Placed => Scattered,
            other => other,
        }
    }
}

/// A join is local when rows that meet lie on one shard: both sides keep their labels, and what is ignored takes
/// no part in placing.
fn join(j: &Join) -> Locality {
    let m = &j.matching;
    let plain = !m.on && m.include.is_empty() && m.labels.iter().all(|l| is_placement_free(l));
    let both = j.left.locality() == Placed && j.right.locality() == Placed;
    if plain && both { Placed } else { Global }
}
