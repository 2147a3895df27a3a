//! The cluster: its nodes, its shards, what moves, and what an operator may ask of it.

use super::{ApiError, AppState, Params, json};
use crate::access::Who;
use crate::cluster::Error;
use crate::peer::{LeaderReport, Report};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use plimsoll_model::{NodeId, ShardId};
use plimsoll_ownership::{Action, Node, NodeState, Reply, Shard, State as Ownership};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Changes that are shown unless more are asked for.
const CHANGES: usize = 50;

/// What this node and its peers say at one moment.
struct Now {
    me: NodeId,
    reports: BTreeMap<NodeId, (Duration, Report)>,
    leaders: BTreeMap<ShardId, (NodeId, LeaderReport)>,
}

impl Now {
    fn of(app: &AppState) -> Self {
        let me = app.cluster.node_id();
        let mut reports = BTreeMap::from([(me, (Duration::ZERO, (app.report)()))]);
        for id in app.cluster.read(|s| s.nodes().map(|n| n.id).collect::<Vec<_>>()) {
            if let Some(seen) = app.cluster.view().of(id).filter(|_| id != me) {
                reports.insert(id, seen);
            }
        }
        let leaders = app.shards.all().filter_map(|id| Some((id, app.shards.leader_report(id)?))).collect();
        Self { me, reports, leaders }
    }

    fn is_alive(&self, app: &AppState, node: NodeId) -> bool {
        node == self.me || app.cluster.view().is_alive(node)
    }
}

/// `GET /api/v1/cluster`
pub async fn cluster(State(app): State<AppState>) -> Response {
    json::success(state(&app), &[])
}

/// Nodes, shards and moves as this node knows them.
pub fn state(app: &AppState) -> Value {
    let now = Now::of(app);
    let group = app.cluster.group().status();
    let (leader, quorum) = ownership_leader(app, &now);
    app.cluster.read(|s| {
        let nodes: Vec<Value> = s
            .nodes()
            .filter(|n| n.state != NodeState::Removed)
            .map(|n| node(app, &now, n, group.voters.contains(&n.id)))
            .collect();
        let shards: Vec<Value> = s.shards().iter().map(|shard| shard_json(s, &now, shard)).collect();
        let moves: Vec<Value> = s.shards().iter().flat_map(|shard| moves(&now, shard)).collect();
        json!({
            "id": app.cluster.id(),
            "epoch": s.epoch().0,
            "replication": s.replication(),
            "leader": leader.map(|l| l.0),
            "quorum": quorum,
            "asked": now.me.0,
            "rebalancing": s.setting(crate::placement::REBALANCE) != Some("off"),
            "nodes": nodes,
            "shards": shards,
            "moves": moves,
        })
    })
}

fn ownership_leader(app: &AppState, now: &Now) -> (Option<NodeId>, bool) {
    let with_quorum = now
        .reports
        .iter()
        .find(|(id, (_, r))| r.ownership_quorum && now.is_alive(app, **id))
        .map(|(id, _)| *id);
    (with_quorum.or_else(|| app.cluster.group().leader()), with_quorum.is_some())
}

fn node(app: &AppState, now: &Now, n: &Node, voter: bool) -> Value {
    let seen = now.reports.get(&n.id);
    let report = seen.map(|(_, report)| report);
    let leads = now.leaders.values().filter(|(leader, _)| *leader == n.id).count();
    json!({
        "id": n.id.0,
        "address": n.address,
        "peer_address": n.peer_address,
        "zone": n.zone,
        "version": n.version,
        "state": n.state.to_string(),
        "live": now.is_alive(app, n.id),
        "seen_seconds": seen.map(|(ago, _)| ago.as_secs_f64()),
        "voter": voter,
        "replicas": report.map_or(0, |r| r.shards.len()),
        "leaders": leads,
        "disk_bytes": report.map_or(0, |r| r.disk_bytes),
        "disk_free_bytes": report.map_or(0, |r| r.disk_free_bytes),
        "read_only": report.is_some_and(|r| r.read_only),
        "clock_offset_ms": seen.map(|(ago, r)| r.now_ms + ago.as_millis() as i64 - crate::now_ms()),
    })
}

fn shard_json(s: &Ownership, now: &Now, shard: &Shard) -> Value {
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|n| n.0).collect::<Vec<_>>();
    let leader = now.leaders.get(&shard.id);
    let own = |(_, report): &(Duration, Report)| report.shards.iter().find(|r| r.shard == shard.id).cloned();
    let held = leader.and_then(|(node, _)| own(now.reports.get(node)?));
    json!({
        "id": shard.id.0,
        "replicas": numbers(&shard.replicas),
        "voters": leader.map_or_else(Vec::new, |(_, l)| numbers(&l.voters)),
        "learners": leader.map_or_else(Vec::new, |(_, l)| numbers(&l.learners)),
        "leader": leader.map(|(node, _)| node.0),
        "wanted_leader": shard.leader.map(|l| l.0),
        "epoch": shard.epoch.0,
        "state": shard_state(s, shard, leader.map(|(_, l)| l)),
        "bytes": held.as_ref().map_or(0, |h| h.bytes),
        "series": held.as_ref().map_or(0, |h| h.series),
    })
}

fn shard_state(s: &Ownership, shard: &Shard, leader: Option<&LeaderReport>) -> &'static str {
    let Some(report) = leader else { return "no_leader" };
    let (voters, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (report.voters.iter().collect(), shard.replicas.iter().collect());
    let active = s.nodes().filter(|n| n.state == NodeState::Active).count();
    if voters != wanted || !report.learners.is_empty() || report.changing {
        "moving"
    } else if voters.len() < active.min(usize::from(s.replication())) {
        "under_replicated"
    } else {
        "ok"
    }
}

/// What is on its way to or from a shard's nodes.
fn moves(now: &Now, shard: &Shard) -> Vec<Value> {
    let Some((_, report)) = now.leaders.get(&shard.id) else { return Vec::new() };
    let arriving = shard.replicas.iter().filter(|n| !report.voters.contains(n)).map(|to| {
        let sending = report.sending.iter().find(|(node, ..)| node == to);
        let phase = match sending {
            Some(_) => "snapshot",
            None if report.learners.contains(to) => "catching_up",
            None => "joining",
        };
        let (done, total, ms) = sending.map_or((0, 0, 0), |(_, done, total, ms)| (*done, *total, *ms));
        let eta = (done > 0).then(|| ms as f64 / 1000.0 * (total.saturating_sub(done)) as f64 / done as f64);
        json!({
            "shard": shard.id.0, "to": to.0, "phase": phase, "bytes_done": done, "bytes_total": total,
            "seconds": ms as f64 / 1000.0, "eta_seconds": eta,
        })
    });
    let leaving = report.voters.iter().filter(|n| !shard.replicas.contains(n)).map(|from| {
        json!({
            "shard": shard.id.0, "to": from.0, "phase": "leaving", "bytes_done": 0, "bytes_total": 0,
            "seconds": 0.0, "eta_seconds": null,
        })
    });
    arriving.chain(leaving).collect()
}

/// `GET /api/v1/cluster/log`
pub async fn log(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let limit = params.number("limit")?.unwrap_or(CHANGES);
    let mut changes: Vec<Value> = app.cluster.read(|s| {
        let newest = s.changes().rev().take(limit);
        newest
            .map(|c| json!({"epoch": c.epoch.0, "at_ms": c.at_ms, "author": c.author, "what": c.what}))
            .collect()
    });
    changes.reverse();
    Ok(json::success(changes, &[]))
}

/// `GET /api/v1/cluster/join-command`
pub async fn join_command(State(app): State<AppState>) -> Response {
    let me = app.cluster.node_id();
    let address = app.cluster.read(|s| s.node(me).map(|n| n.peer_address.clone()).unwrap_or_default());
    json::success(json!({"command": format!("plimsoll start --data-dir d2 --join {address}")}), &[])
}

/// `POST /api/v1/cluster/drain`
pub async fn drain(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let node = node_param(&params, "node")?;
    if !params.flag("force")? {
        app.cluster.read(|s| {
            let active = |but: Option<NodeId>| {
                s.nodes().filter(|n| n.state == NodeState::Active && Some(n.id) != but).count()
            };
            let (now, then) = (active(None), active(Some(node)));
            let replicas = |active: usize| active.min(usize::from(s.replication()));
            if replicas(then) < replicas(now) || then == 0 {
                return Err(Error::Unwise(format!(
                    "without {node} only {then} active nodes are left and shards would have {} replicas instead of {}: \
                     add a node first (plimsoll cluster add), or insist with --force",
                    replicas(then),
                    replicas(now)
                )));
            }
            Ok(())
        })?;
    }
    change(&app, &who, Action::SetNodeState { node, state: NodeState::Draining }).await
}

/// `POST /api/v1/cluster/undrain`
pub async fn undrain(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let node = node_param(&params, "node")?;
    change(&app, &who, Action::SetNodeState { node, state: NodeState::Active }).await
}

/// `POST /api/v1/cluster/remove`
pub async fn remove(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let node = node_param(&params, "node")?;
    let now = Now::of(&app);
    let held: Vec<String> = now
        .leaders
        .iter()
        .filter(|(_, (_, l))| l.voters.contains(&node) || l.learners.contains(&node))
        .map(|(id, _)| id.to_string())
        .collect();
    if !held.is_empty() {
        return Err(Error::Unwise(format!(
            "{node} still holds {} ({} in all): drain it first (plimsoll cluster drain {})",
            held[0],
            held.len(),
            node.0
        ))
        .into());
    }
    change(&app, &who, Action::SetNodeState { node, state: NodeState::Removed }).await
}

/// `POST /api/v1/cluster/replace`: gives a silent node up now, instead of after `cluster.replace_after`.
pub async fn replace(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let node = node_param(&params, "node")?;
    if node == app.cluster.node_id() || app.cluster.view().is_alive(node) {
        let text = format!("{node} is alive: drain it instead (plimsoll cluster drain {})", node.0);
        return Err(Error::Unwise(text).into());
    }
    change(&app, &who, Action::SetNodeState { node, state: NodeState::Dead }).await
}

/// `POST /api/v1/cluster/rebalance`
pub async fn rebalance(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let value = match params.need("on")? {
        "true" | "now" => None,
        "false" => Some("off".to_owned()),
        other => return Err(ApiError::bad_data(format!("on is true, false or now, not {other:?}"))),
    };
    change(&app, &who, Action::SetSetting { key: crate::placement::REBALANCE.to_owned(), value }).await
}

/// `POST /api/v1/cluster/transfer`
pub async fn transfer(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let (shard, to) = (shard_param(&app, &params)?, node_param(&params, "to")?);
    let (replicas, seen) = app.cluster.read(|s| {
        let shard = &s.shards()[usize::from(shard.0)];
        (shard.replicas.clone(), shard.epoch)
    });
    change(&app, &who, Action::Place { shard, replicas, leader: Some(to), seen }).await
}

/// `POST /api/v1/cluster/replication`
pub async fn replication(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let replicas = params.number("replicas")?.unwrap_or(0);
    let replication = u8::try_from(replicas).unwrap_or(u8::MAX);
    change(&app, &who, Action::SetReplication { replication }).await
}

/// `GET /api/v1/cluster/settings`
pub async fn settings(State(app): State<AppState>) -> Response {
    let all: BTreeMap<String, String> =
        app.cluster.read(|s| s.settings().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
    json::success(all, &[])
}

/// `POST /api/v1/cluster/settings`: `key` and `value`; an empty value removes it.
pub async fn set_setting(
    State(app): State<AppState>,
    who: Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let (key, value) = (params.need("key")?.to_owned(), params.get("value").map(str::to_owned));
    if key != crate::placement::REBALANCE {
        return Err(ApiError::bad_data(format!(
            "there is no setting {key:?} of the cluster; there is: {}",
            crate::placement::REBALANCE
        )));
    }
    change(&app, &who, Action::SetSetting { key, value }).await
}

async fn change(app: &AppState, who: &Who, action: Action) -> Result<Response, ApiError> {
    match app.cluster.change(&who.author(), action).await? {
        Reply::Done(epoch) | Reply::Registered(_, epoch) => Ok(json::success(json!({"epoch": epoch.0}), &[])),
        Reply::Refused(refusal) => Err(Error::Refused(refusal).into()),
    }
}

fn node_param(params: &Params, name: &str) -> Result<NodeId, ApiError> {
    let text = params.need(name)?;
    let number = text.strip_prefix('n').unwrap_or(text).parse();
    number
        .map(NodeId)
        .map_err(|_| ApiError::bad_data(format!("{name} is the number of a node, not {text:?}")))
}

fn shard_param(app: &AppState, params: &Params) -> Result<ShardId, ApiError> {
    let text = params.need("shard")?;
    let number: u16 = text
        .parse()
        .map_err(|_| ApiError::bad_data(format!("shard is the number of a shard, not {text:?}")))?;
    if number >= app.shards.count() {
        return Err(ApiError::not_found(format!(
            "there is no shard {number}; they are 0 to {}",
            app.shards.count() - 1
        )));
    }
    Ok(ShardId(number))
}
