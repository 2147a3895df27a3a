//! Kinds of tokens that exclude one another, from a source that counts some kinds in others as well.

use super::increase::Steps;
use super::{Config, Lacks, State};
use crate::mapping::Kind;
use crate::{GROSS, TOKENS};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What one set of labels counted of each kind, as the source tells it.
#[derive(Default)]
pub(super) struct Told {
    pub own: BTreeMap<Kind, Steps>,
    /// By the kind that they are counted in too.
    pub parts: BTreeMap<Kind, Steps>,
}

/// Series of this kind of tokens.
pub(super) fn of_kind(labels: &Labels, kind: Kind) -> Labels {
    labels.with("token_type", kind.as_str())
}

/// What `told` comes to for kinds that exclude one another; also, where a kind holds others, its gross figure. Its
/// own figure is the gross one less the parts. The two may arrive in different steps; so that it never falls it rises only
/// to what it will not have to give back in this window, and what was given too early is made up for by what comes later.
pub(super) fn exclusive(
    config: &Config,
    state: &State,
    (source, labels): (usize, &Labels),
    told: &Told,
    lacks: &mut Lacks,
) -> BTreeMap<Labels, Steps> {
    let mut out = BTreeMap::new();
    let kinds: BTreeSet<Kind> = told.own.keys().chain(told.parts.keys()).copied().collect();
    for kind in kinds {
        let parts = config.mapping.parts_of(source, kind);
        let none = Steps::new();
        let own = told.own.get(&kind).unwrap_or(&none);
        if parts.is_empty() {
            out.insert(of_kind(labels, kind), own.clone());
            continue;
        }
        let gross_labels = of_kind(&labels.with(METRIC_NAME, GROSS), kind);
        let gross = state.total(&gross_labels, lacks).value;
        let mut held = 0.0;
        for part in parts {
            held += state.total(&of_kind(labels, part), lacks).value;
        }
        let present = state.total(&of_kind(labels, kind), lacks).value;
        let taken = told.parts.get(&kind).unwrap_or(&none);
        out.insert(of_kind(labels, kind), rises(present, gross - held, own, taken));
        if !own.is_empty() {
            out.insert(gross_labels, own.clone());
        }
    }
    debug_assert!(labels.metric_name() == Some(TOKENS));
    out
}

/// The rises of a figure that stands at `present` and should be at `true_total`.
fn rises(present: f64, true_total: f64, own: &Steps, taken: &Steps) -> Steps {
    let times: BTreeSet<Timestamp> = own.keys().chain(taken.keys()).copied().collect();
    let mut total = true_total;
    let mut totals: Vec<(Timestamp, f64)> = Vec::with_capacity(times.len());
    for at in times {
        total += own.get(&at).unwrap_or(&0.0) - taken.get(&at).unwrap_or(&0.0);
        totals.push((at, total));
    }
    let mut least = f64::INFINITY;
    for (_, total) in totals.iter_mut().rev() {
        least = least.min(*total);
        *total = least;
    }
    let mut before = present;
    let mut rise = |(at, total): (Timestamp, f64)| {
        let rise = (total - before).max(0.0);
        before += rise;
        (at, rise)
    };
    totals.into_iter().map(&mut rise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(of: &[(Timestamp, f64)]) -> Steps {
        of.iter().copied().collect()
    }

    #[test]
    fn a_part_that_arrives_a_step_later_is_never_counted_twice() {
        let risen = rises(0.0, 0.0, &steps(&[(10, 1000.0)]), &steps(&[(20, 800.0)]));
        assert_eq!(risen, steps(&[(10, 200.0), (20, 0.0)]));
    }

    #[test]
    fn what_was_settled_too_high_is_made_up_for_later() {
        // 1000 were settled before the 800 that were cached came in; then 900 more without a cache
        let risen = rises(1000.0, 1000.0, &steps(&[(20, 900.0)]), &steps(&[(10, 800.0)]));
        assert_eq!(risen, steps(&[(10, 0.0), (20, 100.0)]));
    }

    proptest! {
        #[test]
        fn the_sum_of_rises_is_the_true_difference_and_none_is_negative(
            amounts in prop::collection::vec((1i64..50, 0u32..1000, 0u32..=100), 1..60),
        ) {
            let (mut own, mut taken) = (Steps::new(), Steps::new());
            let mut truth = 0.0;
            for (at, gross, percent) in amounts {
                let part = f64::from(gross * percent / 100);
                *own.entry(at).or_default() += f64::from(gross);
                // the part comes up to three steps later
                *taken.entry(at + i64::from(percent % 4)).or_default() += part;
                truth += f64::from(gross) - part;
            }
            let risen = rises(0.0, 0.0, &own, &taken);
            prop_assert!(risen.values().all(|v| *v >= 0.0));
            prop_assert_eq!(risen.values().sum::<f64>(), truth);
        }
    }
}
