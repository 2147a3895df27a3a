//! What budgets come to, as series.

use super::Error;
use super::store::{Store, quoted, row};
use crate::collector::Row;
use crate::query::Times;
use plimsoll_agents::{Budget, COST, Figures, OWN_SOURCE, Pico, SOURCE_LABEL, SPENT, Standing};
use plimsoll_model::{Labels, LabelsBuilder, METRIC_NAME, Timestamp};
use plimsoll_promql::Value;
use std::collections::{BTreeMap, BTreeSet};

const HOUR_MS: i64 = 3_600_000;
/// Longer than any period: what is older belongs to no budget.
const LOOK_BACK_MS: i64 = 32 * 24 * HOUR_MS;

/// What a group of a budget has spent.
#[derive(Clone, Debug)]
pub struct Spent {
    /// The budget.
    pub budget: Budget,
    /// Labels of the group; empty for a budget without one.
    pub group: Labels,
    /// How it stands.
    pub standing: Standing,
}

/// Spent totals by labels at a time.
type Totals = BTreeMap<Labels, Pico>;

/// How all groups of all budgets stand.
pub async fn standings(store: &Store, budgets: &[Budget], now: Timestamp) -> Result<Vec<Spent>, Error> {
    if budgets.is_empty() {
        return Ok(Vec::new());
    }
    let totals = totals_at(store, now).await?;
    let [hour, six, day] = [1, 6, 24].map(|hours| now - hours * HOUR_MS);
    let (hour, six, day) =
        (totals_at(store, hour).await?, totals_at(store, six).await?, totals_at(store, day).await?);
    let mut periods: BTreeMap<Timestamp, Totals> = BTreeMap::new();
    for budget in budgets {
        let first = budget.period().around(now).0;
        if let std::collections::btree_map::Entry::Vacant(e) = periods.entry(first) {
            e.insert(totals_at(store, first).await?);
        }
    }
    let begun = first_samples(store, now).await?;
    let mut out = Vec::new();
    for budget in budgets {
        let groups = totals.iter().filter(|(labels, _)| labels.get("budget") == Some(budget.name()));
        let before = out.len();
        let first = &periods[&budget.period().around(now).0];
        for (labels, total) in groups {
            let since = |earlier: &Totals| *total - earlier.get(labels).copied().unwrap_or_default();
            let whole_day = day.contains_key(labels);
            let figures = Figures {
                period: since(first),
                hour: since(&hour),
                six_hours: since(&six),
                day: since(&day),
                since: if whole_day { now - 24 * HOUR_MS } else { begun.get(labels).copied().unwrap_or(now) },
            };
            let group = labels.filter(|name| budget.group().iter().any(|g| g == name));
            out.push(Spent { budget: budget.clone(), group, standing: Standing::of(budget, figures, now) });
        }
        if out.len() == before {
            let standing = Standing::of(budget, Figures { since: now, ..Figures::default() }, now);
            out.push(Spent { budget: budget.clone(), group: Labels::default(), standing });
        }
    }
    Ok(out)
}

/// Writes how budgets stand.
pub(super) async fn write(store: &Store, budgets: &[Budget], now: Timestamp) -> Result<(), Error> {
    let mut rows: Vec<Row> = Vec::new();
    for Spent { budget, group, standing } in standings(store, budgets, now).await? {
        let labels = group.with("budget", budget.name()).with("period", budget.period().as_str());
        let mut add = |name: &str, window: &str, value: f64| {
            rows.push(row(labels.with(METRIC_NAME, name).with("window", window), now, value));
        };
        add("budget_limit_usd", "", budget.limit().dollars());
        add("budget_spent_usd", "", standing.spent.dollars());
        add("budget_burn_rate", "1h", standing.burn_1h);
        add("budget_burn_rate", "6h", standing.burn_6h);
        add("budget_forecast_usd", "", standing.forecast_usd);
        add("budget_days_left", "", standing.days_left);
    }
    store.write(rows).await
}

/// Gives a budget that has no series yet what was spent since its period began, by the hour. Answers whether there was
/// any.
pub(super) async fn begin(
    store: &Store,
    budgets: &[Budget],
    settled: Timestamp,
    now: Timestamp,
) -> Result<bool, Error> {
    let known = if budgets.is_empty() { BTreeSet::new() } else { known(store, now).await? };
    let new: Vec<&Budget> = budgets.iter().filter(|b| !known.contains(b.name())).collect();
    let Some(start) = new.iter().map(|b| b.period().around(now).0).min() else { return Ok(false) };
    let start = start.max(now - store.retention_ms + HOUR_MS);
    if start >= settled {
        return Ok(false);
    }
    let cost = format!("last_over_time({COST}{{{SOURCE_LABEL}=~\".+\"}}[{LOOK_BACK_MS}ms])");
    let times = Times::Range { start, end: settled, step: HOUR_MS };
    let Value::Matrix(series) = store.ask(cost.clone(), times).await? else { return Ok(false) };
    let mut curves: BTreeMap<Labels, BTreeMap<Timestamp, f64>> =
        series.into_iter().map(|s| (s.labels, s.floats.into_iter().collect())).collect();
    // the end, which is no whole hour after the start
    for (labels, value) in store.vector(cost, settled).await? {
        curves.entry(labels).or_default().insert(settled, value);
    }
    let mut spent: BTreeMap<Labels, BTreeMap<Timestamp, Pico>> = BTreeMap::new();
    for (labels, curve) in &curves {
        for budget in new.iter().filter(|budget| budget.takes(labels)) {
            let to = spent.entry(spent_labels(budget, labels)).or_default();
            // a series that begins later has spent nothing before
            let mut last = curve.get(&start).map_or(Pico(0), |value| Pico::of_dollars(*value));
            for (at, value) in curve {
                let value = Pico::of_dollars(*value);
                *to.entry(*at).or_default() += value - last;
                last = value;
            }
        }
    }
    let mut rows = Vec::new();
    for (labels, steps) in &spent {
        rows.push(row(labels.clone(), start, 0.0));
        let mut total = Pico(0);
        for (at, more) in steps {
            total += *more;
            rows.push(row(labels.clone(), *at, total.dollars()));
        }
    }
    store.write(rows).await?;
    Ok(!spent.is_empty())
}

/// The series of what the group of `cost` has spent.
fn spent_labels(budget: &Budget, cost: &Labels) -> Labels {
    let mut labels = LabelsBuilder::default();
    labels.push(METRIC_NAME, SPENT);
    labels.push(SOURCE_LABEL, OWN_SOURCE);
    labels.push("budget", budget.name());
    for label in budget.group() {
        labels.push(label, cost.get(label).unwrap_or(""));
    }
    labels.finish().unwrap_or_default()
}

async fn known(store: &Store, now: Timestamp) -> Result<BTreeSet<String>, Error> {
    let expr = format!("count by (budget) (last_over_time({}[{}ms]))", own_spent(), store.retention_ms);
    let found = store.vector(expr, now).await?;
    Ok(found.iter().filter_map(|(labels, _)| labels.get("budget")).map(str::to_owned).collect())
}

async fn totals_at(store: &Store, at: Timestamp) -> Result<Totals, Error> {
    let expr = format!("last_over_time({}[{LOOK_BACK_MS}ms])", own_spent());
    let found = store.vector(expr, at).await?;
    Ok(found.into_iter().map(|(labels, value)| (labels, Pico::of_dollars(value))).collect())
}

/// When series of the last day began, in steps of ten minutes.
async fn first_samples(store: &Store, now: Timestamp) -> Result<BTreeMap<Labels, Timestamp>, Error> {
    let expr = format!("min_over_time(timestamp({})[1d:10m])", own_spent());
    let found = store.vector(expr, now).await?;
    let named = |labels: Labels| labels.with(METRIC_NAME, SPENT);
    Ok(found.into_iter().map(|(labels, seconds)| (named(labels), (seconds * 1000.0) as i64)).collect())
}

fn own_spent() -> String {
    format!("{SPENT}{{{SOURCE_LABEL}={}}}", quoted(OWN_SOURCE))
}
