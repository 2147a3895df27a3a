//! What this node's groups have to tell, on its way to the one node that tells people.

use super::Rules;
use super::peer::{Message, dispatcher_of};
use parking_lot::Mutex;
use plimsoll_model::Timestamp;
use plimsoll_rules::notify::Told;
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two looks at what is to be told.
const LOOK: Duration = Duration::from_millis(500);
/// Told again after this time, so that the dispatcher does not take an alert to be over.
const AGAIN_MS: i64 = 60_000;
/// An alert that was over for longer is not told any more.
const FORGOTTEN_MS: i64 = 20 * 60_000;
/// Alerts in one message.
const AT_A_TIME: usize = 500;
/// How long the dispatcher may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// An alert and when it was told last; 0 for not yet.
struct Waiting {
    told: Told,
    at: Timestamp,
}

/// Alerts of all groups that this node evaluates.
#[derive(Default)]
pub(super) struct Outbox(Mutex<BTreeMap<String, BTreeMap<u64, Waiting>>>);

impl Outbox {
    /// These are all alerts of a group now. What has begun or ended since is told at once.
    pub(super) fn set(&self, group: &str, alerts: Vec<Told>) {
        let mut all = self.0.lock();
        if alerts.is_empty() {
            all.remove(group);
            return;
        }
        let before = all.remove(group).unwrap_or_default();
        let mut now = BTreeMap::new();
        for told in alerts {
            let key = told.fingerprint();
            let known = before.get(&key).filter(|w| {
                w.told.starts_at == told.starts_at
                    && w.told.is_over(w.told.updated_at) == told.is_over(told.updated_at)
            });
            let at = known.map_or(0, |w| w.at);
            now.insert(key, Waiting { told, at });
        }
        all.insert(group.to_owned(), now);
    }

    /// Another node evaluates the group now.
    pub(super) fn forget(&self, group: &str) {
        self.0.lock().remove(group);
    }

    /// The group is no more: its alerts are over.
    pub(super) fn end(&self, group: &str, at: Timestamp) {
        if let Some(waiting) = self.0.lock().get_mut(group) {
            for one in waiting.values_mut() {
                one.told.ends_at = one.told.ends_at.min(at);
                one.told.updated_at = at;
                one.at = 0;
            }
        }
    }

    /// What is to be told now, at most [`AT_A_TIME`].
    fn due(&self, now: Timestamp) -> Vec<(String, Told)> {
        let all = self.0.lock();
        let each = all.iter().flat_map(|(group, alerts)| alerts.values().map(move |w| (group, w)));
        let due = each.filter(|(_, w)| now - w.at >= AGAIN_MS);
        due.take(AT_A_TIME).map(|(group, w)| (group.clone(), w.told.clone())).collect()
    }

    fn told(&self, sent: &[(String, Told)], now: Timestamp) {
        let mut all = self.0.lock();
        for (group, told) in sent {
            let slot = all.get_mut(group).and_then(|alerts| alerts.get_mut(&told.fingerprint()));
            // it may have changed meanwhile
            if let Some(slot) = slot.filter(|slot| slot.told == *told) {
                slot.at = now;
            }
        }
        // of a group that is no more nobody speaks again
        all.retain(|_, alerts| {
            alerts.retain(|_, w| w.at == 0 || now - w.told.ends_at < FORGOTTEN_MS);
            !alerts.is_empty()
        });
    }

    fn all_anew(&self) {
        self.0.lock().values_mut().flat_map(BTreeMap::values_mut).for_each(|w| w.at = 0);
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Tells the dispatcher what there is, for ever. A new dispatcher is told everything.
pub(super) async fn keep(rules: Rules) {
    let mut known: Option<u64> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let outbox = &rules.0.outbox;
        if outbox.is_empty() {
            continue;
        }
        loop {
            let now = crate::now_ms();
            let due = outbox.due(now);
            let push = Message::Push(due.iter().map(|(_, told)| told.clone()).collect());
            let answer = match dispatcher_of(&rules) {
                None => Err("nobody tells people at the moment".to_owned()),
                Some(node) => tokio::time::timeout(LIMIT, super::peer::call::<u64>(&rules, node, &push))
                    .await
                    .unwrap_or_else(|_| Err("no answer in time".to_owned())),
            };
            match answer {
                Ok(life) => {
                    outbox.told(&due, now);
                    if known != Some(life) {
                        known = Some(life);
                        outbox.all_anew();
                        outbox.told(&due, now);
                    }
                    if due.len() < AT_A_TIME {
                        break;
                    }
                }
                Err(e) => {
                    metrics::counter!("plimsoll_alerts_push_failures_total").increment(1);
                    tracing::debug!(error = e, "alerts wait for the one who tells people");
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, ends_at: i64, updated_at: i64) -> Told {
        let labels = [("alertname".to_owned(), name.to_owned())].into();
        Told { labels, starts_at: 1, ends_at, updated_at, ..Told::default() }
    }

    #[test]
    fn alerts_are_told_when_they_change_and_again_after_a_while() {
        let outbox = Outbox::default();
        let names =
            |now: i64| outbox.due(now).iter().map(|(_, t)| t.labels["alertname"].clone()).collect::<String>();
        outbox.set("g", vec![told("a", 1_000_000, 10), told("b", 1_000_000, 10)]);
        assert_eq!(names(100_000).len(), 2);
        outbox.told(&outbox.due(100_000), 100_000);
        assert_eq!(names(110_000), "");
        outbox.set("g", vec![told("a", 2_000_000, 20), told("b", 15, 20)]);
        assert_eq!(names(120_000), "b", "it is over");
        assert_eq!(names(160_000).len(), 2, "it is told again");
        outbox.forget("g");
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_changed_while_it_was_told_is_told_again_and_a_new_dispatcher_is_told_all() {
        let outbox = Outbox::default();
        outbox.set("g", vec![told("a", 1_000_000, 10)]);
        let due = outbox.due(100_000);
        outbox.set("g", vec![told("a", 5, 20)]);
        outbox.told(&due, 100_000);
        assert_eq!(outbox.due(100_001).len(), 1);
        outbox.told(&outbox.due(100_001), 100_001);
        assert!(outbox.due(100_002).is_empty());
        outbox.all_anew();
        assert_eq!(outbox.due(100_002).len(), 1);
    }
}
