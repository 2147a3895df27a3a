use super::{Analytics, Error};
use crate::query::{Consistency, Error as QueryError, FanOut, Kind as Failure, Part, Question};
use plimsoll_analytics::increase::{self, Ask, Group};
use plimsoll_analytics::report::{self, Facts, Kind, Report, Thresholds};
use plimsoll_analytics::{Compare, Period};
use plimsoll_model::Matcher;
use plimsoll_promql::Budget;

/// Labels that rows may be told apart by.
const MAX_KEYS: usize = 6;

/// A report that somebody wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which.
    pub kind: Kind,
    /// About when.
    pub period: Period,
    /// What it is held against.
    pub compare: Option<Compare>,
    /// Labels that rows are told apart by; the report's own when there is none.
    pub by: Vec<String>,
    /// Only series that fulfil these.
    pub matchers: Vec<Matcher>,
}

impl Wanted {
    /// Checks the labels.
    fn keys(&self) -> Result<Vec<String>, Error> {
        if self.by.is_empty() {
            return Ok(self.kind.keys().iter().map(|k| (*k).to_owned()).collect());
        }
        let (_, labels) = self.kind.counters();
        for (at, key) in self.by.iter().enumerate() {
            let taken = labels.contains(&key.as_str()) || key == plimsoll_model::METRIC_NAME;
            if key.is_empty() || taken || self.by[..at].contains(key) {
                let text = format!("rows cannot be told apart by {key:?}: name other labels, each once");
                return Err(Error::Bad(text));
            }
        }
        if self.by.len() > MAX_KEYS {
            return Err(Error::Bad(format!("rows are told apart by at most {MAX_KEYS} labels")));
        }
        Ok(self.by.clone())
    }
}

impl Analytics {
    /// Makes a report. Everything acknowledged before is in it.
    pub async fn report(&self, wanted: &Wanted) -> Result<Report, Error> {
        let limit = self.0.parts.limits.timeout.duration();
        let made = tokio::time::timeout(limit, self.make(wanted)).await;
        let outcome = match &made {
            Err(_) => "late",
            Ok(Err(_)) => "failed",
            Ok(Ok(_)) => "ok",
        };
        metrics::counter!("plimsoll_reports_total", "kind" => wanted.kind.as_str(), "outcome" => outcome)
            .increment(1);
        made.map_err(|_| Error::Late(self.0.parts.limits.timeout.to_string()))?
    }

    async fn make(&self, wanted: &Wanted) -> Result<Report, Error> {
        // one that waits is dropped when its time is up
        let _slot = self.0.slots.acquire().await.map_err(|_| QueryError::Lost)?;
        let now = self.of_period(wanted, wanted.period).await?;
        let Some(compare) = wanted.compare else { return Ok(now) };
        if wanted.kind == Kind::Health {
            return Err(Error::Bad("health is told for now, and not compared".to_owned()));
        }
        let earlier = self.of_period(wanted, wanted.period.earlier(compare)).await?;
        Ok(report::compare(now, earlier, compare.name()))
    }

    async fn of_period(&self, wanted: &Wanted, period: Period) -> Result<Report, Error> {
        if wanted.kind == Kind::Health {
            return self.health(wanted, period).await;
        }
        let facts = self.facts(wanted.kind, wanted.keys()?, &wanted.matchers, period).await?;
        Ok(match wanted.kind {
            Kind::Loops | Kind::Health => report::loops(&facts, period),
            Kind::Tokens => report::tokens(&facts, period, &self.pricing()),
            Kind::Tools => report::tools(&facts, period),
            Kind::Errors => report::errors(&facts, period),
        })
    }

    async fn health(&self, wanted: &Wanted, period: Period) -> Result<Report, Error> {
        let mut checks = self.cluster_checks();
        let mut notes = Vec::new();
        let by_loop = vec!["loop_type".to_owned()];
        let loops = self.facts(Kind::Loops, by_loop, &wanted.matchers, period).await?;
        let stats = report::loop_stats(&loops, &mut notes);
        let each = stats.iter().map(|(keys, stats)| (keys.as_slice(), stats));
        checks.extend(report::agent_checks(each, Thresholds::default()));
        let keys = Kind::Tokens.keys().iter().map(|k| (*k).to_owned()).collect();
        let used = self.facts(Kind::Tokens, keys, &wanted.matchers, period).await?;
        checks.push(super::checks::prices(&report::tokens(&used, period, &self.pricing())));
        if loops.is_empty() && used.is_empty() {
            notes.push("no telemetry of agents in this period".to_owned());
        }
        Ok(report::health(checks, period, notes))
    }

    async fn facts(
        &self,
        kind: Kind,
        keys: Vec<String>,
        matchers: &[Matcher],
        period: Period,
    ) -> Result<Facts, Error> {
        let (mut all, labels) = kind.counters();
        all.extend_from_slice(matchers);
        let oldest = crate::now_ms().saturating_sub(self.0.parts.retention_ms);
        let by = Facts::by(&keys, labels);
        let ask = Ask { matchers: all, by, from: period.from, to: period.to, oldest };
        Ok(Facts::new(keys, labels, self.increase(ask).await?))
    }

    /// What counters grew by, all shards together.
    pub async fn increase(&self, ask: Ask) -> Result<Vec<Group>, Error> {
        let limits = &self.0.parts.limits;
        let mut budget = Budget::default();
        budget.max_series = limits.max_series;
        budget.max_samples = limits.max_samples;
        budget.memory_bytes = limits.memory.bytes();
        let stop = StopOnDrop(budget.stop.clone());
        let question = Question::Increase(Box::new(ask));
        let answers = FanOut::new(&self.0.parts.shards, question, budget, Consistency::Lease).run().await?;
        drop(stop);
        if let Some((_, reason)) = answers.missing.first() {
            // a report without a shard would be wrong, and nobody would see it
            let shards = answers.missing.iter().map(|(id, _)| *id).collect();
            return Err(QueryError::Missing { shards, reason: reason.clone() }.into());
        }
        let parts = answers.parts.into_iter().filter_map(|part| match part {
            Part::Increase(groups) => Some(groups),
            _ => None,
        });
        let groups = increase::join(parts);
        if groups.len() > increase::MAX_GROUPS {
            let text = format!("more than {} groups: group by fewer labels", increase::MAX_GROUPS);
            return Err(QueryError::Part { kind: Failure::Execution, text }.into());
        }
        Ok(groups)
    }
}

/// Ends the shards' work when nobody waits any more.
struct StopOnDrop(plimsoll_promql::Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
