//! One group of rules on the node that evaluates it.

use super::restore::{number, restore};
use super::status::RuleStatus;
use super::{GroupStatus, Rules, Spec};
use crate::collector::{Row, RowValue};
use crate::query::{Consistency, Kind};
use parking_lot::RwLock;
use plimsoll_model::{Timestamp, stale_nan};
use plimsoll_promql::{Point, Series};
use plimsoll_rules::alert::{Alert, Stage};
use plimsoll_rules::evaluate::{Outcome, State, Written, series_of};
use plimsoll_rules::notify::Told;
use plimsoll_rules::schedule::Schedule;
use plimsoll_rules::series::Owner;
use plimsoll_rules::template::{Answers, Error as TemplateError, found};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Between two tries of what cannot be done at the moment, as during a fail-over.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a query is asked again that could not be answered at the moment.
const TRIES: u32 = 12;
/// Samples that wait to be written when writing fails; more are dropped and counted.
const CARRIED: usize = 100_000;
/// Queries of templates a rule and evaluation.
const TEMPLATE_QUERIES: usize = 20;
/// An alert that fires is told again after this time, as Prometheus does.
const RESEND_MS: i64 = 60_000;

/// A group under evaluation.
pub(super) struct Runner {
    pub rules: Rules,
    /// What is to be evaluated; nothing when the group is removed from the cluster.
    pub spec: watch::Receiver<Option<Spec>>,
    pub status: Arc<RwLock<GroupStatus>>,
}

/// What a group knows between two evaluations.
struct Group {
    rules: Rules,
    spec: Spec,
    states: Vec<State>,
    statuses: Vec<RuleStatus>,
    /// Samples that could not be written yet.
    carried: Vec<Row>,
}

impl Runner {
    /// Evaluates until the group is removed; ended from outside when it is another node's turn.
    pub(super) async fn run(mut self) {
        let Some(spec) = self.spec.borrow_and_update().clone() else { return };
        let (states, newest) = self.restored(&spec).await;
        let statuses = vec![RuleStatus::default(); spec.rules.len()];
        let mut group = Group { rules: self.rules.clone(), spec, states, statuses, carried: Vec::new() };
        // what is evaluated first is the time that the evaluator before may have begun: to repeat it changes nothing
        let mut done: Option<Timestamp> = None;
        tracing::debug!(group = group.spec.key, newest, "evaluates from now on");
        loop {
            let schedule = Schedule::of(&group.spec.key, self.rules.interval_ms(&group.spec));
            let now = crate::now_ms();
            let slot = schedule.last(now);
            if done.is_none_or(|done| slot > done) {
                let missed = done.map_or(0, |done| schedule.missed(done, slot));
                metrics::counter!("plimsoll_rule_group_iterations_missed_total").increment(missed);
                let seconds = group.evaluate(slot).await;
                done = Some(slot);
                let mut status = self.status.write();
                status.evaluated_at = slot;
                status.seconds = seconds;
                status.missed += missed;
                status.rules = group.statuses.clone();
                continue;
            }
            let wait = u64::try_from(schedule.next(slot) - now).unwrap_or(0);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                changed = self.spec.changed() => {
                    let next = changed.ok().and_then(|()| self.spec.borrow_and_update().clone());
                    match next {
                        Some(spec) => {
                            group.replace(spec);
                            done = None;
                        }
                        None => return group.finish().await,
                    }
                }
            }
        }
    }

    async fn restored(&self, spec: &Spec) -> (Vec<State>, Timestamp) {
        loop {
            match restore(&self.rules, spec, crate::now_ms()).await {
                Ok(found) => return found,
                Err(e) if e.kind() == Kind::BadData || e.kind() == Kind::Execution => {
                    tracing::warn!(group = spec.key, error = %e, "begins anew: what was known cannot be read");
                    return (vec![State::default(); spec.rules.len()], 0);
                }
                Err(e) => {
                    tracing::debug!(group = spec.key, error = %e, "what was known cannot be read yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Group {
    /// Evaluates all rules at `at`; answers the seconds that it took.
    async fn evaluate(&mut self, at: Timestamp) -> f64 {
        let slots = self.rules.0.slots.clone();
        // the semaphore is never closed
        let _slot = slots.acquire().await;
        let began = Instant::now();
        let mut rows: Vec<Row> = std::mem::take(&mut self.carried);
        let mut written: Vec<&'static str> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        let sampled_at = at - self.rules.query_offset_ms(&self.spec);
        for index in 0..self.spec.rules.len() {
            let compiled = self.spec.rules[index].clone();
            let reads = &compiled.reads;
            if !rows.is_empty()
                && reads.any_of(names.iter().map(String::as_str).chain(written.iter().copied()))
            {
                self.write(std::mem::take(&mut rows)).await;
                names.clear();
                written.clear();
            }
            let (started, outcome) = (Instant::now(), self.rule(index, at).await);
            let status = &mut self.statuses[index];
            status.evaluated_at = at;
            metrics::counter!("plimsoll_rule_evaluations_total").increment(1);
            match outcome {
                Ok(samples) => {
                    status.error = None;
                    rows.extend(samples.into_iter().map(|sample| row(sample, sampled_at)));
                    match compiled.rule.alerting() {
                        Some(_) => written.extend(["ALERTS", "ALERTS_FOR_STATE"]),
                        None => names.push(compiled.writes().to_owned()),
                    }
                }
                Err(e) => {
                    metrics::counter!("plimsoll_rule_evaluation_failures_total").increment(1);
                    tracing::debug!(
                        group = self.spec.key,
                        rule = compiled.rule.name(),
                        error = e,
                        "a rule failed"
                    );
                    status.error = Some(e);
                }
            }
            let state = &self.states[index];
            status.series = state.series.len();
            status.alerts = state.alerts.active().cloned().collect();
            status.seconds = started.elapsed().as_secs_f64();
        }
        self.write(rows).await;
        self.tell(at);
        metrics::counter!("plimsoll_rule_group_iterations_total").increment(1);
        let seconds = began.elapsed().as_secs_f64();
        metrics::histogram!("plimsoll_rule_group_duration_seconds").record(seconds);
        seconds
    }

    async fn rule(&mut self, index: usize, at: Timestamp) -> Result<Vec<Written>, String> {
        let compiled = self.spec.rules[index].clone();
        let asked_at = at - self.rules.query_offset_ms(&self.spec);
        let answer = self.ask(compiled.rule.expr.clone(), asked_at).await?;
        let outcome = match compiled.rule.alerting() {
            None => Outcome::Recorded(compiled.record(answer)?),
            Some(_) => {
                let mut answers = Answers::new();
                loop {
                    match compiled.held(&answer, at, self.rules.around(), &answers) {
                        Ok(held) => break Outcome::Held(held),
                        Err(TemplateError::Failed(e)) => return Err(e),
                        Err(TemplateError::Needs(query)) => {
                            if answers.len() >= TEMPLATE_QUERIES {
                                return Err(format!(
                                    "its templates make more than {TEMPLATE_QUERIES} queries"
                                ));
                            }
                            let series = self.ask(query.clone(), at).await.map(samples);
                            answers.insert(query, series);
                        }
                    }
                }
            }
        };
        let owner = Owner { group: self.spec.key.clone(), number: number(&self.spec, index) };
        self.states[index].advance(&compiled, &owner, self.spec.group.limit, at, outcome)
    }

    /// The answer to a query; one that cannot be answered at the moment is asked again for a while.
    async fn ask(&self, text: String, at: Timestamp) -> Result<Vec<Series>, String> {
        let origin = format!("rules {}", self.spec.key);
        let mut tries = 0;
        loop {
            let asked = self.rules.ask(text.clone(), at, None, Consistency::Lease, &origin).await;
            match asked {
                Ok(answer) => return series_of(answer.value),
                Err(e) if tries < TRIES && matches!(e.kind(), Kind::Unavailable | Kind::Busy) => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(e) => return Err(e.to_string()),
            }
        }
    }

    /// Makes samples durable. What fails is written with the next evaluation's.
    async fn write(&mut self, mut rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        rows.append(&mut self.carried);
        let kept = rows.clone();
        if let Err(e) = self.rules.0.collector.rows(rows).await {
            metrics::counter!("plimsoll_rule_write_failures_total").increment(1);
            tracing::warn!(group = self.spec.key, error = %e, "samples of rules could not be written yet");
            self.carried = kept;
            let over = self.carried.len().saturating_sub(CARRIED);
            metrics::counter!("plimsoll_rule_samples_dropped_total").increment(over as u64);
            self.carried.drain(..over);
        }
    }

    /// Hands what fires and what is over to the one who tells people.
    fn tell(&self, at: Timestamp) {
        let interval_ms = self.rules.interval_ms(&self.spec);
        let until = at + 4 * interval_ms.max(RESEND_MS);
        let mut all = Vec::new();
        for (index, state) in self.states.iter().enumerate() {
            let alerts = state.alerts.iter().filter(|a| a.stage != Stage::Pending);
            let expr = &self.spec.rules[index].rule.expr;
            all.extend(alerts.map(|alert| self.told(alert, expr, at, until)));
        }
        self.rules.0.outbox.set(&self.spec.key, all);
    }

    fn told(&self, alert: &Alert, expr: &str, at: Timestamp, until: Timestamp) -> Told {
        let around = self.rules.around();
        let mut labels = around.external_labels.clone();
        labels.extend(alert.labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
        let query = serde_urlencoded::to_string([("g0.expr", expr), ("g0.tab", "1")]).unwrap_or_default();
        Told {
            labels,
            annotations: alert.annotations.clone(),
            starts_at: alert.fired_at,
            ends_at: if alert.stage == Stage::Over { alert.over_at } else { until },
            updated_at: at,
            generator_url: format!("{}/graph?{query}", around.external_url.trim_end_matches('/')),
        }
    }

    /// Goes on with another text of the group: rules that are the same keep what they know.
    fn replace(&mut self, spec: Spec) {
        let mut before: Vec<Option<State>> = std::mem::take(&mut self.states).into_iter().map(Some).collect();
        let old = &self.spec.rules;
        let states = spec.rules.iter().map(|new| {
            let same = (0..old.len()).find(|at| before[*at].is_some() && old[*at].rule.is_same(&new.rule));
            same.and_then(|at| before[at].take()).unwrap_or_default()
        });
        self.states = states.collect();
        let at = crate::now_ms();
        let gone = before.into_iter().flatten().flat_map(|state| state.series);
        self.carried.extend(gone.map(|labels| row((labels, None), at)));
        self.statuses = vec![RuleStatus::default(); spec.rules.len()];
        self.spec = spec;
    }

    /// Ends all series: the group is no more.
    async fn finish(mut self) {
        let at = crate::now_ms();
        let series = std::mem::take(&mut self.states).into_iter().flat_map(|state| state.series);
        let rows = series.map(|labels| row((labels, None), at)).collect();
        self.rules.0.outbox.end(&self.spec.key, at);
        self.write(rows).await;
    }
}

fn row((labels, point): Written, at: Timestamp) -> Row {
    let value = match point {
        None => RowValue::Float(stale_nan()),
        Some(Point::Float(v)) => RowValue::Float(v),
        Some(Point::Histogram(h)) => RowValue::Histogram(h),
    };
    Row { labels, timestamp: at, value }
}

fn samples(series: Vec<Series>) -> Vec<plimsoll_rules::template::Found> {
    let value = |point: &Point| match point {
        Point::Float(v) => *v,
        Point::Histogram(_) => 0.0,
    };
    series.iter().map(|s| found(&s.labels, value(&s.point))).collect()
}
