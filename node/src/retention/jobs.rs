//! Deletions as jobs: written down first, then carried out shard by shard by one node, which another one follows.

use crate::cluster::{self, Cluster};
use crate::shard::Shards;
use plimsoll_model::{Epoch, Fault, Matcher, ShardId, TimeRange, Timestamp};
use plimsoll_ownership::{Action, Reply};
use plimsoll_storage::Deletion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where jobs are kept in the general store of the ownership state, by number.
const NAMESPACE: &str = "deletions";
/// Jobs that may be open at a time.
const MOST_OPEN: usize = 20;
/// Jobs that are remembered after they are done.
const REMEMBERED: usize = 100;
/// Between two looks at what is to be done.
const LOOK: Duration = Duration::from_secs(1);
/// The progress of a job is written down this often; each time is a change of the cluster's metadata.
const SAVE: Duration = Duration::from_secs(2);

/// A deletion that somebody asked for. The JSON of it is what the ownership state holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its number: no two have the same.
    pub id: u64,
    /// Selectors; series of any of them are meant.
    pub matchers: Vec<String>,
    /// First timestamp.
    pub start_ms: Timestamp,
    /// Last timestamp.
    pub end_ms: Timestamp,
    /// Who asked.
    pub by: String,
    /// When.
    pub created_ms: i64,
    /// Shards in which it has to be done.
    pub shards: u16,
    /// Shards in which it is done, and how many series it has hit there.
    pub done: BTreeMap<u16, u64>,
    /// When it was done everywhere.
    pub finished_ms: Option<i64>,
    /// Why it does not go on at present, or why it never will when it is finished.
    pub trouble: Option<String>,
}

/// Why a job was not taken.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Too many are open.
    #[error(
        "{MOST_OPEN} deletions are under way already; wait until one is done, see `plimsoll delete list`"
    )]
    TooMany,
    /// The metadata could not be changed.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
}

impl Job {
    /// Series hit so far.
    pub fn series(&self) -> u64 {
        self.done.values().sum()
    }

    fn deletion(&self) -> Result<Deletion, String> {
        let parse = |text: &String| plimsoll_promql::parse_selector(text).map_err(|e| e.to_string());
        let any_of = self.matchers.iter().map(parse).collect::<Result<Vec<Vec<Matcher>>, _>>()?;
        let range = TimeRange { start: self.start_ms, end: self.end_ms };
        Ok(Deletion { number: self.id, any_of, none_of: Vec::new(), range })
    }

    fn key(&self) -> String {
        format!("{:020}", self.id)
    }
}

/// All jobs, newest first, each with the epoch of its document.
pub fn list(cluster: &Cluster) -> Vec<(Job, Epoch)> {
    let mut all: Vec<(Job, Epoch)> = cluster.read(|s| {
        let values = s.values(NAMESPACE);
        // of a newer version, perhaps: it is not for this node
        values.filter_map(|(_, v)| Some((serde_json::from_slice(&v.bytes).ok()?, v.epoch))).collect()
    });
    all.sort_unstable_by_key(|(job, _)| std::cmp::Reverse(job.id));
    all
}

/// Writes a job down; it is carried out from then on, whatever happens to this node.
pub async fn create(
    cluster: &Cluster,
    author: &str,
    matchers: Vec<String>,
    range: TimeRange,
) -> Result<Job, JobError> {
    let known = list(cluster);
    if known.iter().filter(|(job, _)| job.finished_ms.is_none()).count() >= MOST_OPEN {
        return Err(JobError::TooMany);
    }
    for (old, seen) in known.iter().filter(|(job, _)| job.finished_ms.is_some()).skip(REMEMBERED) {
        put(cluster, author, old, None, *seen).await?;
    }
    let now = crate::now_ms();
    // a shard must never see a number again, also when the job that had it is forgotten
    let after = known.first().map_or(0, |(job, _)| job.id + 1);
    let job = Job {
        id: after.max(now.unsigned_abs()),
        matchers,
        start_ms: range.start,
        end_ms: range.end,
        by: author.to_owned(),
        created_ms: now,
        shards: cluster.shard_count(),
        done: BTreeMap::new(),
        finished_ms: None,
        trouble: None,
    };
    put(cluster, author, &job, Some(encode(&job)), Epoch(0)).await?;
    tracing::info!(id = job.id, matchers = ?job.matchers, by = author, "a deletion begins");
    Ok(job)
}

fn encode(job: &Job) -> Vec<u8> {
    serde_json::to_vec(job).expect("numbers and text are always JSON")
}

async fn put(
    cluster: &Cluster,
    author: &str,
    job: &Job,
    value: Option<Vec<u8>>,
    seen: Epoch,
) -> Result<Epoch, cluster::Error> {
    let (namespace, key) = (NAMESPACE.to_owned(), job.key());
    let reply = cluster.change(author, Action::Put { namespace, key, value, seen: Some(seen) }).await?;
    Ok(match reply {
        Reply::Done(epoch) | Reply::Registered(_, epoch) => epoch,
        // answered as an error by the cluster
        Reply::Refused(_) => seen,
    })
}

/// Carries out the open jobs that are this node's to do, the oldest first, and lets shards look for what has expired when
/// the rules of retention change. Never ends.
pub async fn keep(shards: Shards) {
    let mut rules = rules_epoch(&shards);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = rules_epoch(&shards);
        if now != rules {
            rules = now;
            shards.locals().iter().for_each(|shard| shard.expire_soon());
        }
        let open = list(shards.cluster()).into_iter().rev().filter(|(job, _)| job.finished_ms.is_none());
        for (job, seen) in open {
            if shards.is_my_duty(&format!("deletions/{}", job.id)) {
                work(&shards, job, seen).await;
            }
        }
    }
}

/// Tells one set of rules from another.
fn rules_epoch(shards: &Shards) -> Option<Epoch> {
    shards.cluster().read(|s| s.value(super::NAMESPACE, super::RULES_KEY).map(|value| value.epoch))
}

/// Does what is left of a job; what fails is left to the next look.
async fn work(shards: &Shards, mut job: Job, mut seen: Epoch) {
    let was = job.trouble.take();
    let author = format!("deletion {}", job.id);
    let mut saved = Instant::now();
    let left: Vec<ShardId> = shards.all().filter(|id| !job.done.contains_key(&id.0)).collect();
    match job.deletion() {
        Err(e) => {
            job.trouble = Some(e);
            job.finished_ms = Some(crate::now_ms());
        }
        Ok(deletion) => {
            for id in left {
                match shards.delete(id, &deletion).await {
                    Ok(series) => drop(job.done.insert(id.0, series)),
                    Err(e) => {
                        metrics::counter!("plimsoll_deletion_failures_total").increment(1);
                        tracing::warn!(id = job.id, shard = %id, error = %e, "a deletion is not done yet");
                        if e.fault() == Fault::Asker {
                            job.finished_ms = Some(crate::now_ms());
                        }
                        job.trouble = Some(e.to_string());
                    }
                }
                if saved.elapsed() > SAVE {
                    match put(shards.cluster(), &author, &job, Some(encode(&job)), seen).await {
                        Ok(epoch) => seen = epoch,
                        // another node goes on with it, or nobody can for the moment
                        Err(_) => return,
                    }
                    saved = Instant::now();
                }
            }
        }
    }
    if job.done.len() == usize::from(job.shards) {
        job.finished_ms = Some(crate::now_ms());
        metrics::counter!("plimsoll_deleted_series_total").increment(job.series());
        tracing::info!(id = job.id, series = job.series(), "a deletion is done");
    }
    let changed = job.finished_ms.is_some() || job.trouble != was;
    if changed && let Err(e) = put(shards.cluster(), &author, &job, Some(encode(&job)), seen).await {
        tracing::debug!(id = job.id, error = %e, "the progress of a deletion was not written down");
    }
}
