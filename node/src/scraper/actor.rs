//! Says once a second which targets this node scrapes.

use super::board::Shared;
use super::discovery::Discovery;
use super::documents::{Documents, LocalFile};
use super::fetch::Door;
use super::run::{Order, Task, Way};
use super::writer::Writer;
use super::{Parts, Render, own};
use plimsoll_model::ShardId;
use plimsoll_scrape::{Found, Job, Target, targets};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const ROUND: Duration = Duration::from_secs(1);

pub(super) struct ScraperActor;

/// What the actor tells itself.
pub(super) enum Msg {
    /// Look what should be scraped.
    Look,
}

pub(super) struct State {
    parts: Arc<Parts>,
    render: Render,
    writer: Writer,
    documents: Documents,
    jobs: BTreeMap<String, JobState>,
    own_job: Option<Arc<Job>>,
    running: HashMap<String, Running>,
    /// Ends all tasks when the actor ends.
    tasks: JoinSet<()>,
}

struct JobState {
    job: Arc<Job>,
    door: Arc<Door>,
    discovery: Discovery,
    found: Found,
}

struct Running {
    target: Arc<Target>,
    way: Way,
    order: watch::Sender<Order>,
    status: Shared,
}

impl Actor for ScraperActor {
    type Msg = Msg;
    type State = State;
    type Arguments = (Arc<Parts>, Render);

    async fn pre_start(
        &self,
        me: ActorRef<Msg>,
        (parts, render): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        me.send_after(Duration::ZERO, || Msg::Look);
        let mut tasks = JoinSet::new();
        tasks.spawn(publish(parts.clone()));
        parts.board.write(|board| board.node = parts.shards.node().0);
        Ok(State {
            writer: Writer::start(parts.clone()),
            own_job: own::job(&parts),
            parts,
            render,
            documents: Documents::default(),
            jobs: BTreeMap::new(),
            running: HashMap::new(),
            tasks,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<Msg>,
        Msg::Look: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.look().await;
        me.send_after(ROUND, || Msg::Look);
        Ok(())
    }
}

/// Hands this node's file to the cluster whenever it changes; waits for the cluster without keeping targets waiting.
async fn publish(parts: Arc<Parts>) {
    let mut file = LocalFile::default();
    loop {
        file.publish(&parts).await;
        tokio::time::sleep(ROUND).await;
    }
}

impl State {
    async fn look(&mut self) {
        if self.documents.refresh(&self.parts) {
            self.take_jobs().await;
        }
        let mut changed = Vec::new();
        for (name, state) in &mut self.jobs {
            if let Some(groups) = state.discovery.news() {
                state.found = targets(&state.job, &groups);
                for error in &state.found.errors {
                    tracing::warn!(error, "a target cannot be scraped");
                }
                changed.push((name.clone(), state.found.clone()));
            }
        }
        let gone: BTreeSet<String> = self.jobs.keys().cloned().collect();
        self.parts.board.write(|board| {
            board.found.retain(|name, _| gone.contains(name));
            board.found.extend(changed);
        });
        let (wanted, known) = self.wanted();
        self.end_others(&wanted, &known);
        for (key, (target, way)) in wanted {
            self.set_going(key, target, way);
        }
        // tasks that ended by an order; what else ended has panicked and is started again
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(e) = ended {
                metrics::counter!("plimsoll_scrape_task_failures_total").increment(1);
                tracing::error!(error = %e, "the task of a target failed; please report this");
            }
        }
        self.running.retain(|_, running| !running.order.is_closed());
        let running = &self.running;
        metrics::gauge!("plimsoll_scrape_targets").set(running.len() as f64);
        self.parts.board.write(|board| {
            let shown = running.iter().map(|(k, r)| (k.clone(), (r.target.clone(), r.status.clone())));
            board.running = shown.collect();
        });
    }

    /// Takes up changed jobs. Discovery that stays the same goes on, and what it found is not lost.
    async fn take_jobs(&mut self) {
        let jobs = self.documents.jobs();
        self.jobs.retain(|name, _| jobs.contains_key(name));
        for (name, job) in jobs {
            let before = self.jobs.remove(&name);
            let state = match before {
                Some(same) if *same.job == job => same,
                before => {
                    let job = Arc::new(job);
                    let door = match &before {
                        Some(old) if old.job.http == job.http => old.door.clone(),
                        _ => Arc::new(Door::new(job.http.clone())),
                    };
                    door.refresh().await;
                    let old = before.as_ref().map(|old| (&*old.job, &old.discovery));
                    let discovery = Discovery::start(&job, &self.parts, old);
                    let found = before.map(|old| old.found).unwrap_or_default();
                    JobState { job, door, discovery, found }
                }
            };
            self.jobs.insert(name, state);
        }
    }

    /// What this node is to scrape, by key, and the keys of all that is scraped by anyone.
    fn wanted(&self) -> (BTreeMap<String, (Target, Way)>, BTreeSet<String>) {
        let (mut wanted, mut known) = (BTreeMap::new(), BTreeSet::new());
        let mut duties: HashMap<ShardId, bool> = HashMap::new();
        let shards = &self.parts.shards;
        for state in self.jobs.values() {
            for target in &state.found.targets {
                known.insert(target.key.clone());
                let duty = format!("scrape/{}", target.key);
                let shard = ShardId::of_key(&duty, shards.count());
                // what runs here goes on until another node is known to lead: a gap is worse than a scrape too many
                let leads = || {
                    let runs = self.running.contains_key(&target.key);
                    runs && shards.leader(shard) == Some(shards.node())
                };
                if *duties.entry(shard).or_insert_with(|| shards.is_my_duty(&duty)) || leads() {
                    let way = match &state.found.over_limit {
                        Some(why) => Way::Not(why.as_str().into()),
                        None => Way::Http(state.door.clone()),
                    };
                    wanted.insert(target.key.clone(), (target.clone(), way));
                }
            }
        }
        if let Some(job) = self.own_job.as_ref().filter(|_| !self.jobs.contains_key(own::JOB)) {
            for (target, way) in own::nodes(&self.parts, job, &self.render) {
                known.insert(target.key.clone());
                if let Some(way) = way {
                    wanted.insert(target.key.clone(), (target, way));
                }
            }
        }
        (wanted, known)
    }

    /// Ends the tasks that are not wanted here: without a word where another node goes on.
    fn end_others(&mut self, wanted: &BTreeMap<String, (Target, Way)>, known: &BTreeSet<String>) {
        self.running.retain(|key, running| {
            if wanted.contains_key(key) {
                return true;
            }
            let order = if known.contains(key) { Order::Leave } else { Order::End };
            // a task that is gone needs no order
            let _ = running.order.send(order);
            false
        });
    }

    fn set_going(&mut self, key: String, target: Target, way: Way) {
        if let Some(running) = self.running.get_mut(&key) {
            if *running.target != target || !running.way.is_same(&way) {
                running.target = Arc::new(target);
                running.way = way;
                // a task that has failed is found by the end of the look
                let _ = running.order.send(Order::Go(running.target.clone(), running.way.clone()));
            }
            return;
        }
        let target = Arc::new(target);
        let status = Shared::default();
        let (order, orders) = watch::channel(Order::Go(target.clone(), way.clone()));
        let (parts, writer) = (self.parts.clone(), self.writer.clone());
        let task = Task { parts, writer, orders, status: status.clone() };
        self.tasks.spawn(task.run());
        self.running.insert(key, Running { target, way, order, status });
    }
}
