//! When receivers are told of which alerts.
//!
//! Alerts that go to one receiver and have the labels of `group_by` in common are a group. A group waits
//! (`group_wait`) for more before it is told first, tells changes every `group_interval`, and is repeated after
//! `repeat_interval`. What was told is kept as a log, which is stored as series, so that whoever dispatches next tells
//! nothing twice: `plimsoll_notified{plimsoll_channel,plimsoll_group,plimsoll_alert}`, 1 for an alert that was told to
//! fire, 2 for one that was told to be over.
//!
//! Invariant: what is not in the log as told is told (again); a send between its success and its entry in the log is
//! the one that may be repeated.

use super::config::{Channel, ChannelKind, Config};
use super::told::{Told, fingerprint};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Name of the series of the log.
pub const LOG_METRIC: &str = "plimsoll_notified";
/// How long one who begins to dispatch waits to be told of alerts before it tells others.
const SETTLE_MS: i64 = 5_000;
/// How long an alert that was told to fire, and that nobody speaks of to a new dispatcher, is taken to be under way.
const UNKNOWN_MS: i64 = 5 * 60_000;
/// How long alerts that are over are remembered.
const KEPT_MS: i64 = 15 * 60_000;
/// Forwarded alerts are repeated so that an Alertmanager does not take them to be over.
const FORWARD_MS: i64 = 60_000;
/// Alerts that are held; further ones are refused.
const ALERTS: usize = 200_000;

/// A message that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// To whom and how.
    pub channel: Channel,
    /// The receiver's name.
    pub receiver: String,
    /// The group: its route and labels.
    pub group_key: String,
    /// Labels that stand for the group.
    pub group_labels: BTreeMap<String, String>,
    /// The alerts, those that fire first.
    pub alerts: Vec<Told>,
    /// When it became due.
    pub at: Timestamp,
    /// How long it is tried.
    pub limit_ms: i64,
    firing: BTreeSet<u64>,
    over: BTreeSet<u64>,
}

impl Job {
    /// A number that stands for the group.
    pub fn group_hash(&self) -> u64 {
        xxh3_64(self.group_key.as_bytes())
    }

    /// Whether there is nothing to be sent: the log alone is to be brought up to date.
    pub fn is_silent(&self) -> bool {
        self.alerts.is_empty()
    }
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was told.
    Told,
    /// It could not be told; it is due again with the next change or interval.
    Failed,
}

#[derive(Clone, Debug)]
struct Group {
    receiver: String,
    labels: BTreeMap<String, String>,
    alerts: BTreeSet<u64>,
    next: Timestamp,
    interval_ms: i64,
    repeat_ms: i64,
}

/// What a channel was told of a group last.
#[derive(Clone, Debug, Default, PartialEq)]
struct Entry {
    firing: BTreeSet<u64>,
    over: BTreeSet<u64>,
    at: Timestamp,
}

/// All that is known of alerts by the one who dispatches them.
#[derive(Debug)]
pub struct Dispatcher {
    born: Timestamp,
    config: Arc<Config>,
    alerts: BTreeMap<u64, Told>,
    groups: BTreeMap<String, Group>,
    log: BTreeMap<(u64, String), Entry>,
    under_way: BTreeSet<(u64, String)>,
    forwarded: BTreeMap<(String, u64), (Timestamp, bool)>,
}

impl Dispatcher {
    /// Begins at `now`, knowing nothing.
    pub fn new(config: Arc<Config>, now: Timestamp) -> Self {
        Self {
            born: now,
            config,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            log: BTreeMap::new(),
            under_way: BTreeSet::new(),
            forwarded: BTreeMap::new(),
        }
    }

    /// Takes the log of the one before: series of [`LOG_METRIC`] with their times and values.
    pub fn restore(&mut self, series: impl IntoIterator<Item = (Labels, Timestamp, f64)>) {
        for (labels, at, value) in series {
            let number = |name: &str| u64::from_str_radix(labels.get(name).unwrap_or_default(), 16).ok();
            let (Some(group), Some(alert)) = (number("plimsoll_group"), number("plimsoll_alert")) else {
                continue;
            };
            let channel = labels.get("plimsoll_channel").unwrap_or_default().to_owned();
            let entry = self.log.entry((group, channel)).or_default();
            entry.at = entry.at.max(at);
            if value == 1.0 { &mut entry.firing } else { &mut entry.over }.insert(alert);
        }
    }

    /// Another configuration holds from now on. Groups that are in both keep their times.
    pub fn set_config(&mut self, config: Arc<Config>, now: Timestamp) {
        self.config = config;
        let before = std::mem::take(&mut self.groups);
        let alerts: Vec<Told> = self.alerts.values().cloned().collect();
        for told in &alerts {
            self.place(told, now);
        }
        for (key, group) in &mut self.groups {
            if let Some(old) = before.get(key) {
                group.next = old.next.min(now + group.interval_ms);
            }
        }
    }

    /// The configuration that holds.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Takes word of an alert; false when there are too many.
    pub fn take(&mut self, told: Told, now: Timestamp) -> bool {
        let key = told.fingerprint();
        match self.alerts.get(&key) {
            Some(known) if known.updated_at > told.updated_at => return true,
            None if self.alerts.len() >= ALERTS => return false,
            _ => {}
        }
        self.place(&told, now);
        self.alerts.insert(key, told);
        true
    }

    /// Puts an alert into the groups of its routes.
    fn place(&mut self, told: &Told, now: Timestamp) {
        let alert = told.fingerprint();
        let config = self.config.clone();
        for route in config.root.of(&told.labels) {
            let labels = route.group_of(&told.labels);
            let key = group_key(&route.key, &labels);
            if let Some(group) = self.groups.get_mut(&key) {
                group.alerts.insert(alert);
                continue;
            }
            if told.is_over(now) && !self.is_told_firing(&key, alert) {
                continue;
            }
            let first = (told.starts_at + route.group_wait_ms).max(now).max(self.born + SETTLE_MS);
            let group = Group {
                receiver: route.receiver.clone(),
                labels,
                alerts: [alert].into(),
                next: first,
                interval_ms: route.group_interval_ms,
                repeat_ms: route.repeat_interval_ms,
            };
            self.groups.insert(key, group);
        }
    }

    fn is_told_firing(&self, group: &str, alert: u64) -> bool {
        let hash = xxh3_64(group.as_bytes());
        let entries = self.log.range((hash, String::new())..=(hash, "\u{10ffff}".to_owned()));
        entries.into_iter().any(|(_, entry)| entry.firing.contains(&alert))
    }

    /// The messages that are due at `now`. `is_silent` tells whether nobody is to hear of an alert. Each is to be
    /// answered by [`Self::done`].
    pub fn due(&mut self, now: Timestamp, is_silent: impl Fn(&Told) -> bool) -> Vec<Job> {
        let mut jobs = Vec::new();
        let ripe: Vec<String> =
            self.groups.iter().filter(|(_, group)| group.next <= now).map(|(key, _)| key.clone()).collect();
        for key in ripe {
            self.flush(&key, now, &is_silent, &mut jobs);
        }
        self.forget(now);
        jobs
    }

    fn flush(&mut self, key: &str, now: Timestamp, is_silent: &impl Fn(&Told) -> bool, jobs: &mut Vec<Job>) {
        let config = self.config.clone();
        let Some(group) = self.groups.get_mut(key) else { return };
        group.next = now + group.interval_ms;
        let group = group.clone();
        let mut alerts: Vec<(u64, &Told)> =
            group.alerts.iter().filter_map(|a| self.alerts.get(a).map(|told| (*a, told))).collect();
        alerts.retain(|(_, told)| !is_silent(told));
        alerts.sort_by_key(|(_, told)| (told.is_over(now), told.starts_at, &told.labels));
        let hash = xxh3_64(key.as_bytes());
        let ids =
            |over: bool| alerts.iter().filter(|(_, t)| t.is_over(now) == over).map(|(id, _)| *id).collect();
        let (firing, over): (BTreeSet<u64>, BTreeSet<u64>) = (ids(false), ids(true));
        let channels = config.receivers.get(&group.receiver).map_or(&[][..], Vec::as_slice);
        for channel in channels.iter().filter(|c| !matches!(c.kind, ChannelKind::Alertmanager(_))) {
            let slot = (hash, channel.key.clone());
            if alerts.is_empty() || self.under_way.contains(&slot) {
                continue;
            }
            let entry = self.log.get(&slot);
            let unknown = now - self.born < UNKNOWN_MS
                && entry.is_some_and(|e| e.firing.iter().any(|id| !self.alerts.contains_key(id)));
            if !needs(entry, &firing, &over, channel.send_resolved, unknown, now - group.repeat_ms) {
                continue;
            }
            let shown = alerts.iter().filter(|(id, _)| channel.send_resolved || firing.contains(id));
            jobs.push(Job {
                channel: channel.clone(),
                receiver: group.receiver.clone(),
                group_key: key.to_owned(),
                group_labels: group.labels.clone(),
                alerts: shown.map(|(_, told)| (*told).clone()).collect(),
                at: now,
                limit_ms: group.interval_ms,
                firing: firing.clone(),
                over: over.clone(),
            });
            self.under_way.insert(slot);
        }
    }

    /// Takes what became of a job: series of the log to be stored, nothing for a stale marker.
    pub fn done(&mut self, job: &Job, outcome: Outcome) -> Vec<(Labels, Option<f64>)> {
        let slot = (job.group_hash(), job.channel.key.clone());
        self.under_way.remove(&slot);
        if outcome == Outcome::Failed {
            return Vec::new();
        }
        let before = self.log.remove(&slot).unwrap_or_default();
        let mut out = Vec::new();
        let named = |alert: u64| log_series(slot.0, &slot.1, alert);
        for alert in before.firing.union(&before.over) {
            if !job.firing.contains(alert) && !job.over.contains(alert) {
                out.extend(named(*alert).map(|labels| (labels, None)));
            }
        }
        for (alerts, value) in [(&job.firing, 1.0), (&job.over, 2.0)] {
            out.extend(alerts.iter().filter_map(|a| named(*a).map(|labels| (labels, Some(value)))));
        }
        self.log.insert(slot, Entry { firing: job.firing.clone(), over: job.over.clone(), at: job.at });
        out
    }

    /// Alerts to be forwarded as they are, by channel. To be answered by [`Self::was_forwarded`].
    pub fn forwards(&self, now: Timestamp, is_silent: impl Fn(&Told) -> bool) -> Vec<(Channel, Vec<Told>)> {
        let mut out: BTreeMap<String, (Channel, Vec<Told>)> = BTreeMap::new();
        for (id, told) in &self.alerts {
            let receivers: BTreeSet<&str> =
                self.config.root.of(&told.labels).into_iter().map(|r| r.receiver.as_str()).collect();
            let channels = receivers.into_iter().filter_map(|r| self.config.receivers.get(r)).flatten();
            for channel in channels.filter(|c| matches!(c.kind, ChannelKind::Alertmanager(_))) {
                let over = told.is_over(now);
                let due = match self.forwarded.get(&(channel.key.clone(), *id)) {
                    None => !over || now - told.ends_at < KEPT_MS,
                    Some((_, was_over)) if *was_over != over => true,
                    Some((at, _)) => !over && now - at >= FORWARD_MS,
                };
                if due && !is_silent(told) {
                    let entry =
                        out.entry(channel.key.clone()).or_insert_with(|| (channel.clone(), Vec::new()));
                    entry.1.push(told.clone());
                }
            }
        }
        out.into_values().collect()
    }

    /// Takes that alerts were forwarded.
    pub fn was_forwarded(&mut self, channel: &str, alerts: &[Told], now: Timestamp) {
        for told in alerts {
            self.forwarded.insert((channel.to_owned(), told.fingerprint()), (now, told.is_over(now)));
        }
    }

    /// All groups: receiver, labels, alerts, and when they are looked at next.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>, Vec<&Told>, Timestamp)> {
        self.groups.values().map(|group| {
            let alerts = group.alerts.iter().filter_map(|id| self.alerts.get(id)).collect();
            (group.receiver.as_str(), &group.labels, alerts, group.next)
        })
    }

    /// Forgets what is over and was told.
    fn forget(&mut self, now: Timestamp) {
        let mut groups = std::mem::take(&mut self.groups);
        groups.retain(|key, group| {
            group.alerts.retain(|id| match self.alerts.get(id) {
                None => false,
                Some(told) if !told.is_over(now) => true,
                Some(told) => {
                    now < group.next - group.interval_ms
                        || self.is_told_firing(key, *id) && now - told.ends_at < KEPT_MS
                }
            });
            !group.alerts.is_empty()
        });
        self.groups = groups;
        self.alerts.retain(|_, told| now - told.ends_at < KEPT_MS);
        let alerts = &self.alerts;
        self.forwarded.retain(|(_, id), _| alerts.contains_key(id));
    }
}

/// Whether a channel is to be told. The rules are Alertmanager's.
fn needs(
    entry: Option<&Entry>,
    firing: &BTreeSet<u64>,
    over: &BTreeSet<u64>,
    send_resolved: bool,
    unknown: bool,
    repeat_before: Timestamp,
) -> bool {
    let Some(entry) = entry else { return !firing.is_empty() };
    if !firing.is_subset(&entry.firing) {
        return true;
    }
    if firing.is_empty() {
        return !entry.firing.is_empty() && !unknown;
    }
    let news = over.iter().any(|id| entry.firing.contains(id) && !entry.over.contains(id));
    send_resolved && news || entry.at <= repeat_before
}

fn group_key(route: &str, labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    format!("{route}:{{{}}}", pairs.join(", "))
}

fn log_series(group: u64, channel: &str, alert: u64) -> Option<Labels> {
    let pairs = [
        (METRIC_NAME, LOG_METRIC.to_owned()),
        ("plimsoll_group", format!("{group:016x}")),
        ("plimsoll_channel", channel.to_owned()),
        ("plimsoll_alert", format!("{alert:016x}")),
    ];
    Labels::from_pairs(pairs).ok()
}

/// The fingerprint of labels, as it is shown.
pub fn shown_fingerprint(labels: &BTreeMap<String, String>) -> String {
    format!("{:016x}", fingerprint(labels))
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
