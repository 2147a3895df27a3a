//! Telling people: the one node whose turn it is holds all alerts of the cluster and tells receivers.
//!
//! Owns: the dispatcher's life (it begins when this node's turn comes, with the log of the one before), its clock, jobs
//! under way and their repeats, the heartbeat.
//! Does not own: what is due ([`Dispatcher`]), how a message is sent (`send`).

use super::peer::DISPATCH;
use super::send::{Failure, Sender};
use super::{Rules, config};
use crate::collector::{Row, RowValue};
use crate::query::Consistency;
use parking_lot::Mutex;
use plimsoll_model::{Labels, METRIC_NAME, Timestamp, stale_nan};
use plimsoll_promql::{Point, Value as Answered};
use plimsoll_rules::notify::{
    Config, Dispatcher, Job, LOG_METRIC, Matchers, Outcome, Silence, SilenceState, Told,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Between two looks at what is due.
const LOOK: Duration = Duration::from_millis(250);
/// How far back the log is read. Repeats that are further apart than this may come after a fail-over.
const LOG_BACK: Duration = Duration::from_secs(5 * 86_400);
/// Messages that are under way at a time.
const AT_A_TIME: usize = 64;
/// The first pause before a message is tried again; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a silence is kept after its end.
const SILENCE_KEPT_MS: i64 = 5 * 86_400_000;

/// The dispatcher of this node, while it is its turn.
#[derive(Default)]
pub(super) struct Dispatch(Mutex<Option<Life>>);

struct Life {
    /// Tells those who push alerts that they speak to another dispatcher than before.
    number: u64,
    dispatcher: Dispatcher,
    silences: Vec<(Silence, Matchers)>,
}

impl Dispatch {
    /// Takes word of alerts; answers the number of this life, or why it is not this node's turn.
    pub(super) fn take(&self, rules: &Rules, alerts: Vec<Told>) -> Result<u64, String> {
        if !rules.0.shards.is_my_duty(DISPATCH) {
            return Err("another node tells people now".to_owned());
        }
        let mut life = self.0.lock();
        let life = life.as_mut().ok_or("this node begins to tell people; try again in a second")?;
        let now = crate::now_ms();
        for told in alerts {
            if !life.dispatcher.take(told, now) {
                metrics::counter!("plimsoll_alerts_dropped_total").increment(1);
                return Err("too many alerts are held".to_owned());
            }
        }
        Ok(life.number)
    }

    /// The groups of alerts, for people.
    pub(super) fn show(&self) -> Value {
        let life = self.0.lock();
        let Some(life) = life.as_ref() else { return json!([]) };
        let now = crate::now_ms();
        let groups = life.dispatcher.groups().map(|(receiver, labels, alerts, next)| {
            let alerts: Vec<Value> = alerts
                .into_iter()
                .map(|told| {
                    json!({
                        "labels": told.labels,
                        "annotations": told.annotations,
                        "starts_ms": told.starts_at,
                        "over": told.is_over(now),
                        "silenced_by": life.silenced_by(told, now),
                    })
                })
                .collect();
            json!({"receiver": receiver, "labels": labels, "alerts": alerts, "next_ms": next})
        });
        groups.collect()
    }
}

impl Life {
    fn silenced_by(&self, told: &Told, now: Timestamp) -> Vec<String> {
        let active = self.silences.iter().filter(|(s, _)| s.state(now) == SilenceState::Active);
        active.filter(|(_, matchers)| matchers.fit(&told.labels)).map(|(s, _)| s.id.clone()).collect()
    }
}

/// Tells people while it is this node's turn, for ever.
pub(super) async fn keep(rules: Rules) {
    let mut keeper = Keeper {
        sender: Arc::new(Sender::new(rules.0.settings.exec.clone(), rules.around().external_url.clone())),
        rules,
        places: Arc::new(Semaphore::new(AT_A_TIME)),
        epoch: None,
        beats: None,
        forwarding: Arc::default(),
    };
    loop {
        tokio::time::sleep(LOOK).await;
        if !keeper.rules.0.shards.is_my_duty(DISPATCH) {
            *keeper.rules.0.dispatch.0.lock() = None;
            keeper.epoch = None;
            continue;
        }
        if keeper.rules.0.dispatch.0.lock().is_none() && !keeper.begin().await {
            continue;
        }
        keeper.learn();
        keeper.tell();
        keeper.forward();
        keeper.beat();
    }
}

struct Keeper {
    rules: Rules,
    sender: Arc<Sender>,
    places: Arc<Semaphore>,
    /// Of the documents that are known.
    epoch: Option<plimsoll_model::Epoch>,
    beats: Option<Instant>,
    /// Channels to which alerts are being forwarded.
    forwarding: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Keeper {
    /// Begins to dispatch with the log of the one before; false when it cannot be read yet.
    async fn begin(&mut self) -> bool {
        let rules = &self.rules;
        let now = crate::now_ms();
        let ask = |text: &'static str| {
            rules.ask(text.to_owned(), now, Some(LOG_BACK), Consistency::Strong, "alerts")
        };
        debug_assert_eq!(LOG_METRIC, "plimsoll_notified");
        let (values, times) =
            match (ask("plimsoll_notified").await, ask("timestamp(plimsoll_notified)").await) {
                (Ok(values), Ok(times)) => (floats(values.value), floats(times.value)),
                (Err(e), _) | (_, Err(e)) => {
                    tracing::debug!(error = %e, "the log of what was told cannot be read yet");
                    return false;
                }
            };
        let times: HashMap<Labels, f64> = times.into_iter().collect();
        let entries = values.into_iter().map(|(labels, v)| {
            let bare = labels.filter(|n| n != METRIC_NAME);
            let at = times.get(&bare).map_or(0, |s| (s * 1000.0) as Timestamp);
            (labels, at, v)
        });
        let config = config::read(rules.0.shards.cluster());
        let mut dispatcher = Dispatcher::new(config, crate::now_ms());
        dispatcher.restore(entries);
        let life = Life { number: rand::random(), dispatcher, silences: Vec::new() };
        *rules.0.dispatch.0.lock() = Some(life);
        self.epoch = None;
        metrics::counter!("plimsoll_alert_dispatcher_starts_total").increment(1);
        true
    }

    /// Reads routes, receivers and silences when the ownership state has changed.
    fn learn(&mut self) {
        let cluster = self.rules.0.shards.cluster();
        let epoch = cluster.read(|state| state.epoch());
        if self.epoch == Some(epoch) {
            return;
        }
        self.epoch = Some(epoch);
        let now = crate::now_ms();
        let silences = config::silences(cluster);
        let (kept, old): (Vec<Silence>, Vec<Silence>) =
            silences.into_iter().partition(|s| now - s.ends_at < SILENCE_KEPT_MS);
        let ready = kept.into_iter().filter_map(|s| s.matchers().ok().map(|m| (s, m))).collect();
        if let Some(life) = self.rules.0.dispatch.0.lock().as_mut() {
            life.silences = ready;
            life.dispatcher.set_config(config::read(cluster), now);
        }
        for silence in old {
            let rules = self.rules.clone();
            tokio::spawn(async move { config::forget_silence(rules.0.shards.cluster(), &silence.id).await });
        }
    }

    fn tell(&self) {
        let now = crate::now_ms();
        let mut life = self.rules.0.dispatch.0.lock();
        let Some(life) = life.as_mut() else { return };
        let silences: Vec<&Matchers> = life
            .silences
            .iter()
            .filter(|(s, _)| s.state(now) == SilenceState::Active)
            .map(|(_, m)| m)
            .collect();
        let jobs = life.dispatcher.due(now, |told| silences.iter().any(|m| m.fit(&told.labels)));
        for job in jobs {
            let number = life.number;
            let (rules, sender, places) = (self.rules.clone(), self.sender.clone(), self.places.clone());
            tokio::spawn(async move {
                // the semaphore is never closed
                let _place = places.acquire().await;
                carry_out(&rules, &sender, number, job).await;
            });
        }
    }

    /// Forwards alerts to Alertmanagers. What fails is due again at once, one message a channel at a time.
    fn forward(&self) {
        let now = crate::now_ms();
        let due = {
            let life = self.rules.0.dispatch.0.lock();
            let Some(life) = life.as_ref() else { return };
            let silences: Vec<&Matchers> = life
                .silences
                .iter()
                .filter(|(s, _)| s.state(now) == SilenceState::Active)
                .map(|(_, m)| m)
                .collect();
            life.dispatcher.forwards(now, |told| silences.iter().any(|m| m.fit(&told.labels)))
        };
        for (channel, alerts) in due {
            {
                let mut forwarding = self.forwarding.lock();
                if forwarding.get(&channel.key).is_some_and(|until| *until > Instant::now()) {
                    continue;
                }
                forwarding.insert(channel.key.clone(), Instant::now() + LONGEST_PAUSE);
            }
            let (rules, sender, forwarding) =
                (self.rules.clone(), self.sender.clone(), self.forwarding.clone());
            tokio::spawn(async move {
                let outcome = sender.forward(&channel, &alerts).await;
                count(channel.kind.name(), outcome.is_ok());
                let pause = match outcome {
                    Ok(()) => {
                        if let Some(life) = rules.0.dispatch.0.lock().as_mut() {
                            life.dispatcher.was_forwarded(&channel.key, &alerts, now);
                        }
                        Duration::ZERO
                    }
                    Err(e) => {
                        tracing::warn!(channel = channel.key, error = %e, "alerts could not be forwarded");
                        PAUSE * 5
                    }
                };
                forwarding.lock().insert(channel.key, Instant::now() + pause);
            });
        }
    }

    /// Tells the one who wants to hear that alerts work: while rules are evaluated and this node dispatches.
    fn beat(&mut self) {
        let config: Option<Arc<Config>> =
            self.rules.0.dispatch.0.lock().as_ref().map(|l| l.dispatcher.config().clone());
        let Some(heartbeat) = config.and_then(|c| c.heartbeat.clone()) else { return };
        let interval = Duration::from_millis(u64::try_from(heartbeat.interval_ms).unwrap_or(60_000));
        if self.beats.is_some_and(|last| last.elapsed() < interval) {
            return;
        }
        self.beats = Some(Instant::now());
        let (rules, sender) = (self.rules.clone(), self.sender.clone());
        tokio::spawn(async move {
            if let Some(late) = late_group(&rules).await {
                metrics::counter!("plimsoll_heartbeats_withheld_total").increment(1);
                tracing::warn!(group = late, "the heartbeat is withheld: a group of rules is not evaluated");
                return;
            }
            let sent = sender.heartbeat(&heartbeat.url).await;
            count("heartbeat", sent.is_ok());
            if let Err(e) = sent {
                tracing::warn!(error = %e, "the heartbeat was not heard");
            }
        });
    }
}

/// A group that nobody has evaluated for three intervals.
async fn late_group(rules: &Rules) -> Option<String> {
    let (groups, _) = rules.status().await;
    let now = super::status::time(crate::now_ms());
    let late = |group: &Value| {
        let interval_ms = (group["interval"].as_f64().unwrap_or(60.0) * 3000.0) as i64 + 10_000;
        let least = super::status::time(crate::now_ms() - interval_ms);
        let last = group["lastEvaluation"].as_str().unwrap_or_default();
        last < least.as_str() && last < now.as_str()
    };
    groups.iter().find(|g| late(g)).and_then(|g| g["name"].as_str().map(str::to_owned))
}

/// Sends a message until it is taken, its time is up or it is another node's turn; then brings the log up to date.
async fn carry_out(rules: &Rules, sender: &Sender, number: u64, job: Job) {
    let began = Instant::now();
    let limit = Duration::from_millis(u64::try_from(job.limit_ms).unwrap_or(0)).max(PAUSE);
    let mut pause = PAUSE;
    let outcome = loop {
        // a message of one whose turn is over would be a repeat
        if !rules.0.shards.is_my_duty(DISPATCH) {
            break Outcome::Failed;
        }
        if job.is_silent() {
            break Outcome::Told;
        }
        let sent = sender.send(&job).await;
        count(job.channel.kind.name(), sent.is_ok());
        match sent {
            Ok(()) => break Outcome::Told,
            Err(Failure::Never(e)) => {
                tracing::error!(channel = job.channel.key, error = e, "a message was refused");
                break Outcome::Failed;
            }
            Err(Failure::Again(e)) if began.elapsed() + pause < limit => {
                tracing::warn!(channel = job.channel.key, error = e, "a message is tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(Failure::Again(e)) => {
                tracing::error!(channel = job.channel.key, error = e, "a message was not taken in time");
                break Outcome::Failed;
            }
        }
    };
    let rows = {
        let mut life = rules.0.dispatch.0.lock();
        let Some(life) = life.as_mut().filter(|life| life.number == number) else { return };
        life.dispatcher.done(&job, outcome)
    };
    let at = job.at;
    let row = |(labels, value): (Labels, Option<f64>)| {
        let value = RowValue::Float(value.unwrap_or_else(stale_nan));
        Row { labels, timestamp: at, value }
    };
    let rows: Vec<Row> = rows.into_iter().map(row).collect();
    if rows.is_empty() {
        return;
    }
    if let Err(e) = rules.0.collector.rows(rows).await {
        metrics::counter!("plimsoll_notification_log_failures_total").increment(1);
        tracing::error!(channel = job.channel.key, error = %e, "what was told is not in the log: it may be told twice");
    }
}

fn count(kind: &'static str, ok: bool) {
    metrics::counter!("plimsoll_notifications_total", "channel" => kind).increment(1);
    if !ok {
        metrics::counter!("plimsoll_notifications_failed_total", "channel" => kind).increment(1);
    }
}

fn floats(value: Answered) -> Vec<(Labels, f64)> {
    let Answered::Vector(_, series) = value else { return Vec::new() };
    let float = |s: plimsoll_promql::Series| match s.point {
        Point::Float(v) => Some((s.labels, v)),
        Point::Histogram(_) => None,
    };
    series.into_iter().filter_map(float).collect()
}
