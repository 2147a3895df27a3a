//! The load of a demo: writes the simulated agents and this host through the client library, like any program would,
//! and asks for what was acknowledged.

use super::host::{self, Host};
use super::ledger::{BLOCK_MS, Content, Ledger};
use super::simulator::Fleet;
use parking_lot::Mutex;
use plimsoll_client::{Client, Cluster, Data, Error, Sample};
use plimsoll_model::Timestamp;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::sync::Arc;
use std::time::Duration;

/// History that is there from the start, so that the first query has an answer.
const HISTORY_MS: i64 = 15 * 60 * 1000;
/// Time between two samples of the history; live samples come every second.
const HISTORY_STEP_MS: i64 = 10_000;
const LIVE_STEP_MS: i64 = 1_000;
/// Samples of the history in one write.
const HISTORY_SAMPLES: usize = 20_000;
/// What could not be written for longer than this is never sent: the demo goes on from now.
const FALL_BEHIND_MS: i64 = 120_000;
/// Waits between repeats.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Time between checks while blocks wait for their first, and otherwise.
const CHECK_PAUSE: Duration = Duration::from_millis(50);
const IDLE_CHECK_PAUSE: Duration = Duration::from_secs(1);
/// Time between looks at the cluster.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What the tasks of a demo know together.
#[derive(Default)]
pub struct Figures {
    /// The books.
    pub ledger: Mutex<Ledger>,
    /// The cluster as it was seen last.
    pub cluster: Mutex<Option<Cluster>>,
    /// Why the last write did not go through, while it does not.
    pub trouble: Mutex<Option<String>>,
}

/// What is written: a group for each agent, and one for the host.
pub struct Source {
    fleet: Fleet,
    host: Host,
    agents: u32,
    client: Client,
    figures: Arc<Figures>,
}

/// The samples of one moment or of several, by group.
type Batch = Vec<Vec<Sample>>;

impl Source {
    /// `agents` simulated agents and this host, to be written through `client`.
    pub fn new(agents: u32, client: Client, figures: Arc<Figures>) -> anyhow::Result<Self> {
        Ok(Self { fleet: Fleet::new(agents as usize, 7), host: Host::new()?, agents, client, figures })
    }

    /// Writes the last quarter of an hour at once. Answers the moment up to which all is written.
    pub async fn backfill(&mut self, now: Timestamp) -> Timestamp {
        let mut at = now - HISTORY_MS;
        while at < now {
            let mut batch = self.empty();
            while at < now && batch.iter().map(Vec::len).sum::<usize>() < HISTORY_SAMPLES {
                at += HISTORY_STEP_MS;
                self.fleet_step(&mut batch, at, HISTORY_STEP_MS);
            }
            self.write(batch, at).await;
        }
        at
    }

    /// Writes every second from `at` on, for ever.
    pub async fn live(mut self, mut at: Timestamp) {
        loop {
            let now = crate::now_ms();
            if now - at > FALL_BEHIND_MS {
                at = now;
            }
            at += LIVE_STEP_MS;
            if let Ok(ahead) = u64::try_from(at - now) {
                tokio::time::sleep(Duration::from_millis(ahead)).await;
            }
            let mut batch = self.empty();
            self.fleet_step(&mut batch, at, LIVE_STEP_MS);
            let host = self.host.read(at);
            batch[self.agents as usize] = host;
            self.write(batch, at).await;
        }
    }

    fn empty(&self) -> Batch {
        vec![Vec::new(); self.agents as usize + 1]
    }

    fn fleet_step(&mut self, batch: &mut Batch, at: Timestamp, step_ms: i64) {
        for (group, samples) in self.fleet.step(at, step_ms as f64 / 1000.0).into_iter().enumerate() {
            batch[group].extend(samples);
        }
    }

    /// Brings `batch` in, however often it must be repeated, and enters it into the ledger.
    async fn write(&self, batch: Batch, until: Timestamp) {
        let samples = batch.concat();
        self.figures.ledger.lock().write(samples.len());
        let mut wait = FIRST_WAIT;
        let refused = loop {
            match self.client.write(&samples).await {
                Ok(_) => break false,
                Err(Error::Refused { .. } | Error::Config(_)) => break true,
                Err(e) => *self.figures.trouble.lock() = Some(e.to_string()),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        };
        *self.figures.trouble.lock() = None;
        let mut ledger = self.figures.ledger.lock();
        for (group, samples) in (0u32..).zip(&batch) {
            match refused {
                false => ledger.acknowledge(group, samples),
                true => ledger.refuse(group, samples),
            }
        }
        ledger.close(until);
    }
}

/// The end of the block that `now` is in: where a demo on data of an earlier one begins to write.
pub fn next_block(now: Timestamp) -> Timestamp {
    (now.div_euclid(BLOCK_MS) + 1) * BLOCK_MS
}

/// Checks block after block of the ledger, for ever.
pub async fn check(agents: u32, client: Client, figures: Arc<Figures>) {
    let mut random = SmallRng::seed_from_u64(11);
    loop {
        let (key, busy) = {
            let mut ledger = figures.ledger.lock();
            (ledger.next(&mut random), ledger.has_fresh())
        };
        if let Some(key) = key {
            let selector = match key.group {
                group if group < agents => format!("{{job=\"agents\",instance=\"agent-{group}\"}}"),
                _ => format!("{{job=\"{}\"}}", host::JOB),
            };
            let expr = format!("{selector}[{}s]", BLOCK_MS / 1000);
            match client.query(&expr, Some(key.end())).await {
                Ok(answer) if answer.warnings.is_empty() => {
                    let series = match answer.data {
                        Data::Matrix(series) => series,
                        _ => Vec::new(),
                    };
                    figures.ledger.lock().found(key, Content::of(&series));
                }
                // an answer with a warning says that it is not whole
                Ok(_) | Err(_) => figures.ledger.lock().unanswered(key),
            }
        }
        tokio::time::sleep(if busy { CHECK_PAUSE } else { IDLE_CHECK_PAUSE }).await;
    }
}

/// Looks at the cluster now and then, for ever.
pub async fn look(client: Client, figures: Arc<Figures>) {
    loop {
        // while no node answers, the picture stays as it was; the line says how many processes run
        if let Ok(cluster) = client.cluster().await {
            *figures.cluster.lock() = Some(cluster);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
