//! Which groups this node evaluates: those whose shard it leads.

use super::group::Runner;
use super::{GroupStatus, Rules, Spec, documents, files, outbox};
use plimsoll_model::Epoch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two looks at whose turn it is. A fail-over takes a second; this adds little to it.
const LOOK: Duration = Duration::from_millis(250);
/// Looks between two readings of rule files.
const LOOKS_A_READING: u32 = 20;

struct Running {
    spec: watch::Sender<Option<Spec>>,
    task: JoinHandle<()>,
}

/// Runs for ever: reads documents and files, starts and ends groups. Ends its tasks when it is dropped.
pub async fn keep(rules: Rules) {
    let outbox = tokio::spawn(outbox::keep(rules.clone()));
    let dispatch = tokio::spawn(super::dispatch::keep(rules.clone()));
    let mut keeper = Keeper { rules, running: BTreeMap::new(), others: vec![outbox, dispatch] };
    let (mut epoch, mut looks, mut known, mut notifications) = (None, 0, BTreeMap::new(), None);
    loop {
        if looks % LOOKS_A_READING == 0 {
            files::publish(&keeper.rules, &mut known).await;
            files::publish_notifications(&keeper.rules, &mut notifications).await;
        }
        looks = looks.wrapping_add(1);
        keeper.learn(&mut epoch);
        keeper.take_turns();
        tokio::time::sleep(LOOK).await;
    }
}

struct Keeper {
    rules: Rules,
    running: BTreeMap<String, Running>,
    others: Vec<JoinHandle<()>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.others.iter().for_each(JoinHandle::abort);
        self.running.values().for_each(|r| r.task.abort());
    }
}

impl Keeper {
    /// Reads the documents when the ownership state has changed.
    fn learn(&mut self, seen: &mut Option<Epoch>) {
        let cluster = self.rules.0.shards.cluster();
        let epoch = cluster.read(|state| state.epoch());
        if *seen == Some(epoch) {
            return;
        }
        *seen = Some(epoch);
        let before = self.rules.specs();
        let specs = documents::read(cluster, &before);
        metrics::gauge!("plimsoll_rule_groups").set(specs.len() as f64);
        *self.rules.0.specs.write() = Arc::new(specs);
    }

    /// Starts what is this node's turn, ends what is not, tells groups of changes.
    fn take_turns(&mut self) {
        let (specs, shards) = (self.rules.specs(), self.rules.0.shards.clone());
        let mut ended = Vec::new();
        for (key, running) in &self.running {
            match specs.get(key) {
                // the task writes the last markers and ends by itself
                None => drop(running.spec.send_replace(None)),
                Some(_) if !shards.is_my_duty(&duty(key)) => running.task.abort(),
                Some(spec) if running.task.is_finished() => {
                    metrics::counter!("plimsoll_rule_group_restarts_total").increment(1);
                    tracing::error!(group = spec.key, "the evaluation of a group ended; it is started again");
                }
                Some(spec) => {
                    let changed = |now: &mut Option<Spec>| {
                        let same = now.as_ref().is_some_and(|now| Arc::ptr_eq(&now.group, &spec.group));
                        if !same {
                            *now = Some(spec.clone());
                        }
                        !same
                    };
                    running.spec.send_if_modified(changed);
                    continue;
                }
            }
            ended.push((key.clone(), specs.contains_key(key)));
        }
        for (key, exists) in ended {
            self.running.remove(&key);
            self.rules.0.running.write().remove(&key);
            if exists {
                self.rules.0.outbox.forget(&key);
            }
        }
        for (key, spec) in specs.iter() {
            if !self.running.contains_key(key) && shards.is_my_duty(&duty(key)) {
                self.start(spec);
            }
        }
        metrics::gauge!("plimsoll_rule_groups_here").set(self.running.len() as f64);
    }

    fn start(&mut self, spec: &Spec) {
        let (sender, receiver) = watch::channel(Some(spec.clone()));
        let status: Arc<parking_lot::RwLock<GroupStatus>> = Arc::default();
        let runner = Runner { rules: self.rules.clone(), spec: receiver, status: status.clone() };
        let task = tokio::spawn(runner.run());
        self.rules.0.running.write().insert(spec.key.clone(), status);
        self.running.insert(spec.key.clone(), Running { spec: sender, task });
    }
}

fn duty(key: &str) -> String {
    format!("rules/{key}")
}
