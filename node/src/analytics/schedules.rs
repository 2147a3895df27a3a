//! Sends reports when they are due, from the node whose duty it is.
//!
//! What was sent is told in the ownership state after it has arrived. A node that dies in between leaves a report that
//! the next one sends again: at most one repeat, never none. Of due times that nobody was there for the last is made up
//! for.

use super::deliver::{Delivery, deliver};
use super::documents::Run;
use super::{Analytics, Error, Wanted};
use plimsoll_analytics::Compare;
use plimsoll_analytics::render::render;
use plimsoll_analytics::schedule::Schedule;
use plimsoll_model::Timestamp;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ROUND: Duration = Duration::from_secs(1);
/// Tries of one report; then it is given up until it is due again.
const TRIES: u32 = 6;
/// Wait after the first failure; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// A report that could not be sent yet.
struct Trouble {
    due: Timestamp,
    tries: u32,
    not_before: Instant,
}

/// Runs for ever. Files go to the folder `reports` in `data`.
pub async fn keep(analytics: Analytics, data: PathBuf) {
    let mut troubles: HashMap<String, Trouble> = HashMap::new();
    loop {
        tokio::time::sleep(ROUND).await;
        let schedules = analytics.schedules();
        troubles.retain(|name, _| schedules.iter().any(|(s, _)| s.name == *name));
        for (schedule, run) in schedules {
            let now = crate::now_ms();
            let Some(due) = schedule.due(now, run.map(|r| r.due_ms)) else { continue };
            let trouble = troubles.get(&schedule.name).filter(|t| t.due == due);
            let waits = trouble.is_some_and(|t| Instant::now() < t.not_before);
            if waits || !analytics.0.parts.shards.is_my_duty(&format!("report/{}", schedule.name)) {
                continue;
            }
            let tries = trouble.map_or(0, |t| t.tries) + 1;
            let outcome = analytics.send(&schedule, due, &data).await;
            let sent = outcome.is_ok();
            metrics::counter!(
                "plimsoll_scheduled_reports_total", "outcome" => if sent { "sent" } else { "failed" }
            )
            .increment(1);
            let text = match outcome {
                Ok(text) => text,
                Err(e) => {
                    tracing::warn!(schedule = %schedule.name, tries, error = %e, "a report was not sent");
                    e.to_string()
                }
            };
            if !sent && tries < TRIES {
                let not_before = Instant::now() + FIRST_WAIT * 2u32.pow(tries - 1);
                troubles.insert(schedule.name, Trouble { due, tries, not_before });
                continue;
            }
            let node = analytics.0.parts.shards.node();
            let run = Run { due_ms: due, done_ms: crate::now_ms(), node: node.0, outcome: text, sent };
            match analytics.put_run(&node.to_string(), &schedule.name, &run).await {
                Ok(()) => {
                    troubles.remove(&schedule.name);
                }
                Err(e) => {
                    // it is sent again, rather than perhaps never; not at once
                    tracing::warn!(schedule = %schedule.name, error = %e, "it was not noted that a report was sent");
                    let not_before = Instant::now() + FIRST_WAIT * 2u32.pow(tries.min(TRIES) - 1);
                    troubles.insert(schedule.name, Trouble { due, tries, not_before });
                }
            }
        }
    }
}

impl Analytics {
    /// Makes a report and sends it; tells where to.
    async fn send(
        &self,
        schedule: &Schedule,
        due: Timestamp,
        data: &std::path::Path,
    ) -> Result<String, Error> {
        let compare = schedule.compare.as_deref().map(Compare::parse).transpose()?;
        let matchers = schedule.selector.as_deref().map(plimsoll_promql::parse_selector).transpose();
        let wanted = Wanted {
            kind: schedule.report,
            period: schedule.period(due),
            compare,
            by: schedule.by.clone(),
            matchers: matchers.map_err(|e| Error::Bad(e.to_string()))?.unwrap_or_default(),
        };
        let report = self.report(&wanted).await?;
        let delivery = Delivery {
            name: schedule.name.clone(),
            due,
            file: schedule.file(due),
            content_type: schedule.format.content_type(),
            body: render(&report, schedule.format),
        };
        deliver(&schedule.to, delivery, data).await.map_err(Error::Write)
    }
}
