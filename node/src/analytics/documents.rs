//! What is watched and what is sent when: documents in the ownership state, on every node.

use super::{Analytics, Error};
use plimsoll_analytics::schedule::Schedule;
use plimsoll_analytics::watch::Watch;
use plimsoll_model::Timestamp;
use plimsoll_ownership::Action;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(super) const WATCHES: &str = "anomaly-watches";
pub(super) const SCHEDULES: &str = "report-schedules";
pub(super) const RUNS: &str = "report-runs";
/// Watches, and schedules, that there may be; each is a task on some node.
const MOST: usize = 100;

/// The last time that a schedule was seen to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it was due.
    pub due_ms: Timestamp,
    /// When it was done.
    pub done_ms: Timestamp,
    /// Which node did it.
    pub node: u64,
    /// Where it went, or why it could not.
    pub outcome: String,
    /// Whether it arrived.
    pub sent: bool,
}

impl Analytics {
    /// All watches: those that were made, and those that are there without.
    pub fn watches(&self) -> Vec<Watch> {
        let mut all: Vec<Watch> = self.documents(WATCHES);
        for default in Watch::defaults() {
            if !all.iter().any(|w| w.name == default.name) {
                all.push(default);
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Makes a watch, or replaces the one of its name.
    pub async fn put_watch(&self, author: &str, watch: &Watch) -> Result<(), Error> {
        watch.check().map_err(Error::Bad)?;
        self.room(WATCHES, &watch.name)?;
        self.put(author, WATCHES, &watch.name, Some(watch)).await
    }

    /// Takes a watch away; one that is there without anybody's doing rests instead.
    pub async fn remove_watch(&self, author: &str, name: &str) -> Result<(), Error> {
        if let Some(default) = Watch::defaults().into_iter().find(|w| w.name == name) {
            return self.put(author, WATCHES, name, Some(&Watch { off: true, ..default })).await;
        }
        self.there(WATCHES, name, "watch")?;
        self.put::<Watch>(author, WATCHES, name, None).await
    }

    /// All schedules with their last runs.
    pub fn schedules(&self) -> Vec<(Schedule, Option<Run>)> {
        let all: Vec<Schedule> = self.documents(SCHEDULES);
        all.into_iter()
            .map(|s| {
                let run = self.run_of(&s.name);
                (s, run)
            })
            .collect()
    }

    /// Makes a schedule, or replaces the one of its name.
    pub async fn put_schedule(&self, author: &str, mut schedule: Schedule) -> Result<Schedule, Error> {
        let now = crate::now_ms();
        schedule.check(now).map_err(|e| Error::Bad(e.to_string()))?;
        // what was due before somebody wanted it is not sent
        schedule.created_ms = now;
        self.room(SCHEDULES, &schedule.name)?;
        self.put(author, SCHEDULES, &schedule.name, Some(&schedule)).await?;
        Ok(schedule)
    }

    /// Takes a schedule away.
    pub async fn remove_schedule(&self, author: &str, name: &str) -> Result<(), Error> {
        self.there(SCHEDULES, name, "schedule")?;
        self.put::<Schedule>(author, SCHEDULES, name, None).await?;
        if self.run_of(name).is_some() {
            self.put::<Run>(author, RUNS, name, None).await?;
        }
        Ok(())
    }

    pub(super) fn run_of(&self, name: &str) -> Option<Run> {
        let cluster = self.0.parts.shards.cluster();
        cluster.read(|s| s.value(RUNS, name).and_then(|v| serde_json::from_slice(&v.bytes).ok()))
    }

    pub(super) async fn put_run(&self, author: &str, name: &str, run: &Run) -> Result<(), Error> {
        self.put(author, RUNS, name, Some(run)).await
    }

    fn documents<T: DeserializeOwned>(&self, namespace: &str) -> Vec<T> {
        self.0.parts.shards.cluster().read(|s| {
            let read = |(key, value): (&str, &plimsoll_ownership::Value)| {
                // written by a newer version, perhaps
                serde_json::from_slice(&value.bytes)
                    .inspect_err(
                        |e| tracing::debug!(namespace, key, error = %e, "a document is not understood"),
                    )
                    .ok()
            };
            s.values(namespace).filter_map(read).collect()
        })
    }

    fn room(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let cluster = self.0.parts.shards.cluster();
        let (count, there) =
            cluster.read(|s| (s.values(namespace).count(), s.value(namespace, name).is_some()));
        if count >= MOST && !there {
            return Err(Error::Conflict(format!("there are {MOST} already: remove one first")));
        }
        Ok(())
    }

    fn there(&self, namespace: &str, name: &str, what: &str) -> Result<(), Error> {
        if self.0.parts.shards.cluster().read(|s| s.value(namespace, name).is_some()) {
            return Ok(());
        }
        Err(Error::NotFound(format!("there is no {what} {name:?}")))
    }

    async fn put<T: Serialize>(
        &self,
        author: &str,
        namespace: &str,
        key: &str,
        value: Option<&T>,
    ) -> Result<(), Error> {
        let bytes = value.map(serde_json::to_vec).transpose().map_err(|e| Error::Bad(e.to_string()))?;
        let action =
            Action::Put { namespace: namespace.to_owned(), key: key.to_owned(), value: bytes, seen: None };
        self.0.parts.shards.cluster().change(author, action).await?;
        Ok(())
    }
}
