//! What the evaluator before knew, read back from the series that it wrote.

use super::{Rules, Spec};
use crate::query::{Consistency, Error};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use plimsoll_promql::{Point, Series, Value};
use plimsoll_rules::evaluate::State;
use plimsoll_rules::rule::Kind;
use plimsoll_rules::series::{GROUP_LABEL, Kept, Owner, STATE_METRIC, of_alerts, read_back};
use std::collections::HashMap;
use std::time::Duration;

/// How far back the state of an alert is looked for: a cluster that was down for longer begins anew.
const LOOK_BACK: Duration = Duration::from_secs(3600);

/// The states of a group's rules as they were left, and when they were written last.
pub(super) async fn restore(
    rules: &Rules,
    spec: &Spec,
    now: Timestamp,
) -> Result<(Vec<State>, Timestamp), Error> {
    let mut states = vec![State::default(); spec.rules.len()];
    let mut newest = 0;
    if spec.rules.iter().any(|r| r.rule.alerting().is_some()) {
        let mut kept = kept(rules, spec, now).await?;
        newest = kept.newest;
        kept.resume(now, rules.interval_ms(spec));
        take_alerts(spec, kept, &mut states);
    }
    restore_recorded(rules, spec, now, &mut states).await?;
    Ok((states, newest))
}

async fn kept(rules: &Rules, spec: &Spec, now: Timestamp) -> Result<Kept, Error> {
    let mut group = String::new();
    for c in spec.key.chars() {
        match c {
            '"' | '\\' => group.extend(['\\', c]),
            '\n' => group.push_str("\\n"),
            c => group.push(c),
        }
    }
    let selector = format!("{STATE_METRIC}{{{GROUP_LABEL}=\"{group}\"}}");
    let origin = format!("rules {}", spec.key);
    let ask = |text: String| rules.ask(text, now, Some(LOOK_BACK), Consistency::Strong, &origin);
    let values = floats(ask(selector.clone()).await?.value);
    if values.is_empty() {
        return Ok(Kept::default());
    }
    let bare = |labels: &Labels| labels.filter(|n| n != METRIC_NAME);
    let times: HashMap<Labels, f64> =
        floats(ask(format!("timestamp({selector})")).await?.value).into_iter().collect();
    let timed = values.into_iter().map(|(labels, v)| {
        let at = times.get(&bare(&labels)).map_or(0, |seconds| (seconds * 1000.0) as Timestamp);
        (labels, at, v)
    });
    Ok(read_back(timed))
}

fn floats(value: Value) -> Vec<(Labels, f64)> {
    let Value::Vector(_, series) = value else { return Vec::new() };
    let float = |s: Series| match s.point {
        Point::Float(v) => Some((s.labels, v)),
        Point::Histogram(_) => None,
    };
    series.into_iter().filter_map(float).collect()
}

/// How many rules of the same name stand before rule `at`.
pub(super) fn number(spec: &Spec, at: usize) -> usize {
    let name = spec.rules[at].rule.name();
    spec.rules[..at].iter().filter(|r| r.rule.name() == name).count()
}

fn take_alerts(spec: &Spec, kept: Kept, states: &mut [State]) {
    let mut of_rule: HashMap<(String, usize), usize> = HashMap::new();
    for (at, compiled) in spec.rules.iter().enumerate().filter(|(_, r)| r.rule.alerting().is_some()) {
        of_rule.insert((compiled.rule.name().to_owned(), number(spec, at)), at);
    }
    let find = |labels: &Labels, number: usize| {
        let name = labels.get("alertname").unwrap_or_default().to_owned();
        of_rule.get(&(name, number)).copied()
    };
    for (number, alert) in kept.alerts {
        if let Some(at) = find(&alert.labels, number) {
            states[at].alerts.restore(alert);
        }
    }
    for (number, labels, end) in kept.ended {
        if let Some(at) = find(&labels, number) {
            states[at].alerts.restore_end(labels, end);
        }
    }
    for (at, state) in states.iter_mut().enumerate() {
        if spec.rules[at].rule.alerting().is_some() {
            let owner = Owner { group: spec.key.clone(), number: number(spec, at) };
            state.series = of_alerts(&state.alerts, &owner).into_iter().map(|(labels, _)| labels).collect();
        }
    }
}

/// The series that recording rules wrote last, so that those that are gone get stale markers. Series that two rules could
/// have written are left to the look-back.
async fn restore_recorded(
    rules: &Rules,
    spec: &Spec,
    now: Timestamp,
    states: &mut [State],
) -> Result<(), Error> {
    let all = rules.specs();
    let mut writers: HashMap<&str, usize> = HashMap::new();
    for rule in all.values().flat_map(|spec| spec.group.rules.iter()).filter(|r| r.alerting().is_none()) {
        *writers.entry(rule.name()).or_default() += 1;
    }
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let alone: Vec<(usize, &str)> = spec
        .rules
        .iter()
        .enumerate()
        .filter_map(|(at, r)| match &r.rule.kind {
            Kind::Recording { record } if plain(record) && writers.get(record.as_str()) == Some(&1) => {
                Some((at, record.as_str()))
            }
            _ => None,
        })
        .collect();
    let origin = format!("rules {}", spec.key);
    for part in alone.chunks(200) {
        let names: Vec<&str> = part.iter().map(|(_, name)| *name).collect();
        let text = format!("{{__name__=~\"{}\"}}", names.join("|"));
        let answer = rules.ask(text, now, None, Consistency::Lease, &origin).await?;
        let Value::Vector(_, series) = answer.value else { continue };
        for found in series {
            let Some((at, _)) = part.iter().find(|(_, name)| found.labels.metric_name() == Some(name)) else {
                continue;
            };
            let labels = &spec.rules[*at].rule.labels;
            if labels.iter().all(|(n, v)| found.labels.get(n).unwrap_or_default() == v) {
                states[*at].series.push(found.labels);
            }
        }
    }
    Ok(())
}
