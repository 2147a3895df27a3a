//! The cluster's own nodes as targets: each node reads itself, without the network and its tokens, and for a node that
//! is dead another one says so.

use super::{Parts, Render};
use crate::scraper::run::Way;
use plimsoll_model::NodeId;
use plimsoll_ownership::NodeState;
use plimsoll_scrape::{Duration, Group, Job, Target, parse, targets};
use std::sync::Arc;

/// The job that the nodes belong to.
pub(super) const JOB: &str = "plimsoll";
/// A peer that was heard within this is left to itself: after a start nobody was heard yet.
const SILENT: std::time::Duration = std::time::Duration::from_secs(5);

/// The job of the nodes; nothing where it is off.
pub(super) fn job(parts: &Parts) -> Option<Arc<Job>> {
    if !parts.settings.own_nodes {
        return None;
    }
    let mut config = parse(&format!("scrape_configs: [{{job_name: {JOB}}}]")).ok()?;
    let mut job = config.jobs.pop()?;
    job.interval = Duration::from_ms(parts.settings.own_interval.as_millis());
    job.timeout = job.timeout.min(job.interval);
    Some(Arc::new(job))
}

/// The nodes as targets, each with the way in which this node asks it; without one it is another's business.
pub(super) fn nodes(parts: &Parts, job: &Arc<Job>, render: &Render) -> Vec<(Target, Option<Way>)> {
    let cluster = parts.shards.cluster();
    let all: Vec<(NodeId, String)> = cluster.read(|state| {
        let there = state.nodes().filter(|n| n.state != NodeState::Removed && !n.address.is_empty());
        there.map(|n| (n.id, n.address.clone())).collect()
    });
    let mut out = Vec::new();
    for (node, address) in all {
        let group = Group { targets: vec![address], ..Group::default() };
        for target in targets(job, &[group]).targets {
            let way = if node == cluster.node_id() {
                Some(Way::Own(render.clone()))
            } else {
                let silent = cluster.view().suspected_for(node).is_some_and(|time| time >= SILENT);
                (silent && parts.shards.is_my_duty(&format!("scrape/{}", target.key)))
                    .then(|| Way::Not(format!("{node} does not answer").into()))
            };
            out.push((target, way));
        }
    }
    out
}
