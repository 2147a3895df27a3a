//! The series that rules write: `ALERTS` and `ALERTS_FOR_STATE` as Prometheus writes them, and beside them what
//! another evaluator needs to go on in the middle of things. A series that ends gets a stale marker.
//!
//! Own series, one a field and alert, with all labels of the alert:
//! `plimsoll_alert_state{plimsoll_rule_group="<group>",plimsoll_rule_number="<n>",
//! plimsoll_rule_field="active|fired|kept|over|value|ended"}`; times are milliseconds since 1970, the number counts the
//! group's rules of the same name.

use crate::alert::{Alert, Alerts, Stage};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::BTreeMap;

/// Name of the own series.
pub const STATE_METRIC: &str = "plimsoll_alert_state";
/// Label with the group that an own series belongs to.
pub const GROUP_LABEL: &str = "plimsoll_rule_group";
const FIELD_LABEL: &str = "plimsoll_rule_field";
const NUMBER_LABEL: &str = "plimsoll_rule_number";

/// A silence of evaluators that is shorter is a fail-over.
const FAIL_OVER_MS: i64 = 60_000;

/// Whose alerts they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The group, as the cluster names it.
    pub group: String,
    /// How many rules of the same name stand before it in the group.
    pub number: usize,
}

impl Owner {
    fn own(&self, labels: &Labels) -> Labels {
        let named = labels.with(METRIC_NAME, STATE_METRIC).with(GROUP_LABEL, &self.group);
        named.with(NUMBER_LABEL, &self.number.to_string())
    }
}

/// The series of all alerts of a rule after an evaluation.
pub fn of_alerts(alerts: &Alerts, owner: &Owner) -> Vec<(Labels, f64)> {
    let mut out = Vec::new();
    for alert in alerts.iter() {
        if alert.stage != Stage::Over {
            let named = alert.labels.with(METRIC_NAME, "ALERTS").with("alertstate", alert.stage.name());
            out.push((named, 1.0));
            let since = alert.labels.with(METRIC_NAME, "ALERTS_FOR_STATE");
            out.push((since, alert.active_at.div_euclid(1000) as f64));
        }
        let own = owner.own(&alert.labels);
        let mut field = |name: &str, value: f64| out.push((own.with(FIELD_LABEL, name), value));
        field("active", alert.active_at as f64);
        field("value", alert.value);
        for (name, time) in [("fired", alert.fired_at), ("kept", alert.kept_since), ("over", alert.over_at)] {
            if time != 0 {
                field(name, time as f64);
            }
        }
    }
    for (labels, at) in alerts.ended() {
        let own = owner.own(labels);
        out.push((own.with(FIELD_LABEL, "ended"), at as f64));
    }
    out
}

/// What the own series of a group said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Alerts, without annotations, by the number of their rule.
    pub alerts: Vec<(usize, Alert)>,
    /// When alerts were over that may not fire again yet, by the number of their rule.
    pub ended: Vec<(usize, Labels, Timestamp)>,
    /// The newest time of all.
    pub newest: Timestamp,
}

/// Reads own series back: their labels, times and values.
pub fn read_back(series: impl IntoIterator<Item = (Labels, Timestamp, f64)>) -> Kept {
    let mut fields: BTreeMap<(usize, Labels), BTreeMap<String, f64>> = BTreeMap::new();
    let mut kept = Kept::default();
    for (labels, at, value) in series {
        let field = labels.get(FIELD_LABEL).unwrap_or_default().to_owned();
        let number = labels.get(NUMBER_LABEL).and_then(|n| n.parse().ok()).unwrap_or(0);
        let alert = labels.filter(|n| ![METRIC_NAME, GROUP_LABEL, FIELD_LABEL, NUMBER_LABEL].contains(&n));
        fields.entry((number, alert)).or_default().insert(field, value);
        kept.newest = kept.newest.max(at);
    }
    for ((number, labels), fields) in fields {
        let time = |name: &str| fields.get(name).map_or(0, |v| *v as Timestamp);
        if time("ended") != 0 {
            kept.ended.push((number, labels.clone(), time("ended")));
        }
        if time("active") == 0 {
            continue;
        }
        let stage = match (time("over"), time("fired")) {
            (0, 0) => Stage::Pending,
            (0, _) => Stage::Firing,
            _ => Stage::Over,
        };
        let alert = Alert {
            labels,
            annotations: BTreeMap::new(),
            stage,
            active_at: time("active"),
            fired_at: time("fired"),
            kept_since: time("kept"),
            over_at: time("over"),
            value: fields.get("value").copied().unwrap_or(0.0),
        };
        kept.alerts.push((number, alert));
    }
    kept
}

impl Kept {
    /// Counts the time in which nobody evaluated as no part of `for`: what was pending then is pending for longer.
    /// A fail-over takes a few intervals and changes nothing; whether an expression held for the hours in which
    /// all nodes were down nobody knows.
    pub fn resume(&mut self, at: Timestamp, interval_ms: i64) {
        let gap = at - self.newest;
        if gap <= (3 * interval_ms).max(FAIL_OVER_MS) {
            return;
        }
        for (_, alert) in self.alerts.iter_mut().filter(|(_, alert)| alert.stage == Stage::Pending) {
            alert.active_at += gap;
        }
    }
}

/// The series of `before` that are not in `now`, which get stale markers.
pub fn gone<'a>(before: &'a [Labels], now: &'a [Labels]) -> impl Iterator<Item = &'a Labels> {
    let now: std::collections::HashSet<&Labels> = now.iter().collect();
    before.iter().filter(move |labels| !now.contains(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Held, Phases};

    #[test]
    fn what_is_written_of_alerts_can_be_read_back() {
        let labels = |x: &str| Labels::from_pairs([("alertname", "A"), ("x", x)]).expect("labels");
        let held = |x: &str| Held { labels: labels(x), annotations: BTreeMap::new(), value: 2.5 };
        let phases = Phases { for_ms: 2000, keep_firing_for_ms: 5000, cooldown_ms: 60_000 };
        let mut alerts = Alerts::default();
        let steps: [(i64, &[&str]); 5] =
            [(1500, &["a", "b"]), (3500, &["a", "b"]), (4500, &["a"]), (9500, &["a"]), (10_500, &["a", "c"])];
        for (at, names) in steps {
            alerts.advance(at, names.iter().map(|x| held(x)).collect(), phases);
        }
        let series = of_alerts(&alerts, &Owner { group: "f;g".to_owned(), number: 1 });
        let find = |name: &str| series.iter().filter(|(l, _)| l.metric_name() == Some(name)).count();
        assert_eq!(
            (find("ALERTS"), find("ALERTS_FOR_STATE")),
            (2, 2),
            "one fires, one is pending, one is over"
        );
        let firing = labels("a").with(METRIC_NAME, "ALERTS").with("alertstate", "firing");
        assert!(series.contains(&(firing, 1.0)));
        let since = labels("a").with(METRIC_NAME, "ALERTS_FOR_STATE");
        assert!(series.contains(&(since, 1.0)), "whole seconds, as Prometheus");

        let own = series.iter().filter(|(l, _)| l.metric_name() == Some(STATE_METRIC));
        let kept = read_back(own.map(|(l, v)| (l.clone(), 10_500, *v)));
        let mut back = Alerts::default();
        assert!(kept.alerts.iter().all(|(number, _)| *number == 1));
        kept.alerts.into_iter().for_each(|(_, alert)| back.restore(alert));
        kept.ended.into_iter().for_each(|(_, labels, at)| back.restore_end(labels, at));
        assert_eq!(back, alerts);
        assert_eq!(kept.newest, 10_500);
    }

    #[test]
    fn a_long_silence_is_no_part_of_for_and_a_fail_over_is() {
        let labels = Labels::from_pairs([("alertname", "A")]).expect("labels");
        let mut alerts = Alerts::default();
        let held = Held { labels, annotations: BTreeMap::new(), value: 1.0 };
        alerts.advance(10_000, vec![held], Phases { for_ms: 60_000, ..Phases::default() });
        let begun = |at: i64| {
            let series = of_alerts(&alerts, &Owner::default()).into_iter().map(|(l, v)| (l, 20_000, v));
            let own = series.filter(|(l, ..)| l.metric_name() == Some(STATE_METRIC));
            let mut kept = read_back(own);
            kept.resume(at, 15_000);
            kept.alerts[0].1.active_at
        };
        assert_eq!((begun(30_000), begun(80_000), begun(3_620_000)), (10_000, 10_000, 3_610_000));
    }

    #[test]
    fn series_that_are_no_more_are_found() {
        let one = |x: &str| Labels::from_pairs([("x", x)]).expect("labels");
        let (before, now) = ([one("a"), one("b")], [one("b"), one("c")]);
        assert_eq!(gone(&before, &now).collect::<Vec<_>>(), [&one("a")]);
    }
}
