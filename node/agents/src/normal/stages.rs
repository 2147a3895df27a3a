//! Tokens, then what they cost, then what budgets are spent, then second names: each from the one before.

use super::increase::{Increase, Increases, Steps};
use super::tokens::{Told, exclusive};
use super::{Config, Curves, Lacks, State};
use crate::mapping::Shape;
use crate::money::Pico;
use crate::prices::Asked;
use crate::{Book, COST, Kind, OWN_SOURCE, SOURCE_LABEL, SPENT, TOKENS, UNPRICED};
use plimsoll_model::{Labels, LabelsBuilder, METRIC_NAME, Timestamp};
use std::collections::BTreeMap;

pub(super) fn run(
    config: &Config,
    state: &State,
    increases: &Increases,
    curves: &mut Curves,
    lacks: &mut Lacks,
) {
    for (labels, steps) in &increases.starts {
        curves.gauge(labels, steps);
    }
    let mut told: BTreeMap<(usize, &Labels), Told> = BTreeMap::new();
    for Increase { source, labels, shape, steps } in &increases.all {
        match shape {
            Shape::Tokens { kind, part_of } => {
                let told = told.entry((*source, labels)).or_default();
                add(told.own.entry(*kind).or_default(), steps);
                if let Some(parent) = part_of {
                    add(told.parts.entry(*parent).or_default(), steps);
                }
            }
            Shape::Gauge(_) => curves.gauge(labels, steps),
            Shape::Counter(_) => {
                if !config.mapping.is_canonical(*source) {
                    curves.count(labels, steps);
                }
                alias(config, *source, labels, steps, curves);
            }
            Shape::Nothing => {}
        }
    }
    for ((source, labels), told) in told {
        for (series, steps) in exclusive(config, state, (source, labels), &told, lacks) {
            if !config.mapping.is_canonical(source) {
                curves.count(&series, &steps);
            }
            if series.metric_name() == Some(TOKENS) {
                price(config, &series, &steps, curves);
                alias(config, source, &series, &steps, curves);
            }
        }
    }
}

fn add(to: &mut Steps, steps: &Steps) {
    for (at, amount) in steps {
        *to.entry(*at).or_default() += amount;
    }
}

/// What tokens cost, and which budgets that is part of; tokens without a price are counted.
fn price(config: &Config, tokens: &Labels, steps: &Steps, curves: &mut Curves) {
    let costs = Costs::of(&config.book, tokens, steps);
    if !costs.unpriced.is_empty() {
        let kept = ["provider", "model", "tenant", SOURCE_LABEL];
        let labels = tokens.filter(|name| kept.contains(&name)).with(METRIC_NAME, UNPRICED);
        curves.count(&labels, &costs.unpriced);
    }
    if costs.priced.is_empty() {
        return;
    }
    let labels = tokens.with(METRIC_NAME, COST).with("price_rev", config.book.revision());
    curves.spend(&labels, &costs.priced);
    for budget in config.budgets.iter().filter(|budget| budget.takes(&labels)) {
        let mut spent = LabelsBuilder::default();
        spent.push(METRIC_NAME, SPENT);
        spent.push(SOURCE_LABEL, OWN_SOURCE);
        spent.push("budget", budget.name());
        for label in budget.group() {
            spent.push(label, labels.get(label).unwrap_or(""));
        }
        // a group cannot be one of the three labels above, which a budget checks
        if let Ok(spent) = spent.finish() {
            curves.spend(&spent, &costs.priced);
        }
    }
}

/// What tokens cost by a book, by step, and tokens that it has no price for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// The cost of each step.
    pub priced: BTreeMap<Timestamp, Pico>,
    /// Tokens of each step without a price.
    pub unpriced: Steps,
}

impl Costs {
    /// What `steps` of the canonical series `tokens` cost: rises by the end of the step in which they were seen.
    pub fn of(book: &Book, tokens: &Labels, steps: &Steps) -> Self {
        let get = |name: &str| tokens.get(name).unwrap_or("");
        let mut costs = Self::default();
        let Some(kind) = Kind::from_name(get("token_type")) else { return costs };
        let asked = Asked {
            provider: get("provider"),
            model: get("model"),
            kind,
            tier: get("tier"),
            cache_ttl: get("cache_ttl"),
        };
        for (at, amount) in steps {
            if let Some(price) = book.price(asked, *at) {
                costs.priced.insert(*at, price.times(*amount));
            } else {
                costs.unpriced.insert(*at, *amount);
            }
        }
        costs
    }
}

fn alias(config: &Config, source: usize, labels: &Labels, steps: &Steps, curves: &mut Curves) {
    let Some(metric) = labels.metric_name() else { return };
    for alias in config.mapping.aliases_of(source, metric) {
        let kept = |name: &str| name == SOURCE_LABEL || alias.by.iter().any(|by| by == name);
        curves.count(&labels.filter(kept).with(METRIC_NAME, &alias.name), steps);
    }
}
