//! What becomes of one alerting rule's alerts from one evaluation to the next.
//!
//! An alert is pending while its expression holds and `for` has not passed, fires then, goes on firing for
//! `keep_firing_for` after its end, and is kept for [`KEPT_MS`] when it is over, so that its end is told. With
//! `cooldown` it does not fire again before that time has passed since its end; it stays pending meanwhile.

use plimsoll_model::{Labels, Timestamp};
use std::collections::BTreeMap;

/// How long an alert that is over is kept.
pub const KEPT_MS: i64 = 15 * 60_000;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its expression holds, not for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It is over.
    Over,
}

impl Stage {
    /// As Prometheus writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Over => "inactive",
        }
    }
}

/// An alert: one series of a rule's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its labels, with `alertname`.
    pub labels: Labels,
    /// Texts for people, of the last evaluation in which its expression held.
    pub annotations: BTreeMap<String, String>,
    /// Where it stands.
    pub stage: Stage,
    /// Since when its expression holds.
    pub active_at: Timestamp,
    /// Since when it fires; 0 where it does not.
    pub fired_at: Timestamp,
    /// Since when it fires although its expression has ended; 0 where it does not.
    pub kept_since: Timestamp,
    /// When it was over; 0 where it is not.
    pub over_at: Timestamp,
    /// The value of its expression when that held last.
    pub value: f64,
}

/// How long the phases of a rule's alerts last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Pending before it fires.
    pub for_ms: i64,
    /// Firing after its end.
    pub keep_firing_for_ms: i64,
    /// Not firing again after its end.
    pub cooldown_ms: i64,
}

/// What an evaluation found: an alert whose expression holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its labels, with `alertname`.
    pub labels: Labels,
    /// Texts for people.
    pub annotations: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// All alerts of a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerts {
    all: BTreeMap<Labels, Alert>,
    /// When alerts of a rule with a cool-down were over last.
    ended: BTreeMap<Labels, Timestamp>,
}

impl Alerts {
    /// All, those that are over too.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.all.values()
    }

    /// Those that are pending or fire.
    pub fn active(&self) -> impl Iterator<Item = &Alert> {
        self.all.values().filter(|alert| alert.stage != Stage::Over)
    }

    /// When alerts were over last, as far as a cool-down asks for it.
    pub fn ended(&self) -> impl Iterator<Item = (&Labels, Timestamp)> {
        self.ended.iter().map(|(labels, at)| (labels, *at))
    }

    /// Takes back what another evaluator knew.
    pub fn restore(&mut self, alert: Alert) {
        self.all.insert(alert.labels.clone(), alert);
    }

    /// Takes back when an alert was over.
    pub fn restore_end(&mut self, labels: Labels, at: Timestamp) {
        self.ended.insert(labels, at);
    }

    /// Forgets all, as after an evaluation that gave more than may be.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// The state after an evaluation at `at` that found `held`.
    pub fn advance(&mut self, at: Timestamp, held: Vec<Held>, phases: Phases) {
        let mut holds: BTreeMap<Labels, Held> = held.into_iter().map(|h| (h.labels.clone(), h)).collect();
        self.ended.retain(|_, end| at.saturating_sub(*end) < phases.cooldown_ms);
        let ended = &mut self.ended;
        self.all.retain(|labels, alert| {
            if alert.stage == Stage::Over && holds.contains_key(labels) {
                // it begins anew below
                return false;
            }
            match holds.remove(labels) {
                Some(held) => {
                    alert.value = held.value;
                    alert.annotations = held.annotations;
                    alert.kept_since = 0;
                    true
                }
                None => end(alert, at, phases, ended),
            }
        });
        for (labels, held) in holds {
            self.all.insert(labels, begun(held, at));
        }
        for alert in self.all.values_mut().filter(|alert| alert.stage == Stage::Pending) {
            let cooling = self.ended.contains_key(&alert.labels);
            if at - alert.active_at >= phases.for_ms && !cooling {
                alert.stage = Stage::Firing;
                alert.fired_at = at;
            }
        }
    }
}

fn begun(held: Held, at: Timestamp) -> Alert {
    let Held { labels, annotations, value } = held;
    let stage = Stage::Pending;
    Alert { labels, annotations, stage, active_at: at, fired_at: 0, kept_since: 0, over_at: 0, value }
}

/// Moves an alert on whose expression does not hold; answers whether it is kept.
fn end(alert: &mut Alert, at: Timestamp, phases: Phases, ended: &mut BTreeMap<Labels, Timestamp>) -> bool {
    match alert.stage {
        Stage::Pending => false,
        Stage::Over => at - alert.over_at <= KEPT_MS,
        Stage::Firing => {
            if phases.keep_firing_for_ms > 0 {
                if alert.kept_since == 0 {
                    alert.kept_since = at;
                }
                if at - alert.kept_since < phases.keep_firing_for_ms {
                    return true;
                }
            }
            alert.stage = Stage::Over;
            alert.over_at = at;
            if phases.cooldown_ms > 0 {
                ended.insert(alert.labels.clone(), at);
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(name: &str) -> Labels {
        Labels::from_pairs([("alertname", "A"), ("x", name)]).expect("labels")
    }

    fn held(names: &str) -> Vec<Held> {
        let one = |c: char| Held { labels: labels(&c.to_string()), annotations: BTreeMap::new(), value: 1.0 };
        names.chars().map(one).collect()
    }

    /// What is shown of an alert `a` after each step of a minute; a letter is there when its expression holds.
    fn stages(phases: Phases, steps: &[&str]) -> String {
        let mut alerts = Alerts::default();
        let mut out = String::new();
        for (minute, names) in steps.iter().enumerate() {
            alerts.advance(60_000 * (minute as i64 + 1), held(names), phases);
            out.push(match alerts.iter().find(|a| a.labels == labels("a")).map(|a| a.stage) {
                None => '-',
                Some(Stage::Pending) => 'p',
                Some(Stage::Firing) => 'F',
                Some(Stage::Over) => 'o',
            });
        }
        out
    }

    fn phases(for_m: i64, keep_m: i64, cooldown_m: i64) -> Phases {
        let ms = |m: i64| m * 60_000;
        Phases { for_ms: ms(for_m), keep_firing_for_ms: ms(keep_m), cooldown_ms: ms(cooldown_m) }
    }

    #[test]
    fn an_alert_goes_through_its_stages() {
        let cases: &[(Phases, &[&str], &str)] = &[
            (phases(0, 0, 0), &["a", "a", "", "", "a"], "FFooF"),
            (phases(2, 0, 0), &["a", "a", "a", "a", ""], "ppFFo"),
            (phases(2, 0, 0), &["a", "a", "", "a", "a", "a"], "pp-ppF"),
            (phases(0, 2, 0), &["a", "", "", "", ""], "FFFoo"),
            (phases(0, 2, 0), &["a", "", "a", "", "", "", ""], "FFFFFoo"),
            (phases(0, 0, 3), &["a", "", "a", "a", "a", "a"], "FoppFF"),
            (phases(2, 0, 1), &["a", "a", "a", "", "a", "a", "a"], "ppFoppF"),
            (phases(1, 1, 2), &["ab", "ab", "b", "b", "ab", "ab", "ab"], "pFFopFF"),
        ];
        for (phases, steps, wanted) in cases {
            assert_eq!(stages(*phases, steps), *wanted, "{phases:?} {steps:?}");
        }
    }

    #[test]
    fn what_is_over_is_forgotten_after_a_while() {
        let mut steps = vec!["a"];
        steps.extend([""; 17]);
        assert_eq!(stages(phases(0, 0, 0), &steps), format!("F{}-", "o".repeat(16)));
    }

    #[test]
    fn times_of_an_alert_are_those_of_its_evaluations() {
        let mut alerts = Alerts::default();
        let p = phases(1, 1, 0);
        for (at, names) in [(1, "a"), (2, "a"), (3, ""), (4, "")] {
            alerts.advance(at * 60_000, held(names), p);
        }
        let alert = alerts.iter().next().expect("it is kept");
        let times = [alert.active_at, alert.fired_at, alert.kept_since, alert.over_at].map(|t| t / 60_000);
        assert_eq!(times, [1, 2, 3, 4]);
    }
}
