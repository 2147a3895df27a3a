//! A simulated node: the real groups, machines, ownership and placement; only disk, network and time are not real.

mod drivers;
mod serve;
mod view;

use super::model::ModelMachine;
use super::net::{Answer, Ask, Net, name};
use super::world::{Identity, Running, Shared};
use bytes::Bytes;
use parking_lot::Mutex;
use plimsoll_consensus::{Group, GroupId, Log, LogOptions, MachineError, Options, SmallMachine, SmallState};
use plimsoll_model::{NodeId, ShardId};
use plimsoll_ownership::{Action, ClusterId, Command, NodeState, Reply, State};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Between two tries of something that must succeed in the end.
const AGAIN: Duration = Duration::from_millis(150);

/// How long a change of the metadata may take at the leader.
const CHANGE_LIMIT: Duration = Duration::from_millis(1500);

/// Replicas of a shard, once there are enough nodes.
const REPLICATION: u8 = 3;

/// The metadata as the state of a machine.
#[derive(Clone, Default)]
pub struct Metadata(pub State);

impl SmallState for Metadata {
    fn apply(&mut self, command: &[u8]) -> Result<Bytes, MachineError> {
        let command = Command::decode(command).map_err(MachineError::new)?;
        Ok(Bytes::from(self.0.apply(command).encode()))
    }

    fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    fn decode(bytes: &[u8]) -> Result<Self, MachineError> {
        State::decode(bytes).map(Self).map_err(MachineError::new)
    }
}

/// A running host.
struct Host {
    host: usize,
    node: NodeId,
    world: Shared,
    net: Arc<Net>,
    log: Log,
    options: Options,
    view: view::View,
    ownership: Group,
    metadata: SmallMachine<Metadata>,
    /// Shards that are being opened or closed.
    busy: Mutex<BTreeSet<ShardId>>,
}

/// The life of a host, from its start to its crash.
pub async fn live(host: usize, world: Shared) -> turmoil::Result {
    let who = name(host);
    let net = Arc::new(Net::new(who.clone(), world.clone()));
    let identity = identify(host, &world, &net).await;
    world.invariants().epochs.restarted(host);
    let log = Log::in_memory(&world.disk(host).log, LogOptions::default());
    let options = options(host, &world);
    let started = start_ownership(host, identity, &world, &net, &log, &options).await;
    let Ok((ownership, metadata)) = started.map_err(|error| world.trace.say(&who, format_args!("{error}")))
    else {
        world.ended(host);
        return Ok(());
    };
    world.trace.say(&who, format_args!("starts as {}", identity.node));
    let running = Running {
        node: identity.node,
        ownership: ownership.clone(),
        metadata: metadata.clone(),
        shards: Default::default(),
    };
    world.running().insert(host, running);
    let this = Arc::new(Host {
        host,
        node: identity.node,
        world: world.clone(),
        net,
        log: log.clone(),
        options,
        view: view::View::default(),
        ownership,
        metadata,
        busy: Mutex::default(),
    });
    tokio::spawn(serve::serve(Arc::clone(&this)));
    tokio::spawn(view::watch(Arc::clone(&this)));
    if identity.founding {
        this.found().await;
    }
    drivers::spawn(&this);
    let reason = log.wait_broken().await;
    world.trace.say(&who, format_args!("stops: {reason}"));
    world.ended(host);
    Ok(())
}

/// Timing by the host's own clock.
fn options(host: usize, world: &Shared) -> Options {
    let default = Options::default();
    let by_clock = |ms: u64| (ms as f64 * world.plan.clocks[host]) as u64;
    Options {
        heartbeat_ms: by_clock(default.heartbeat_ms),
        election_min_ms: by_clock(default.election_min_ms),
        election_max_ms: by_clock(default.election_max_ms),
        // Snapshots are small here, and turmoil does not send again what it loses.
        snapshot_stall_ms: by_clock(5000),
        keep_for_peers: world.plan.keep_for_peers,
        ..default
    }
}

/// Who this host is; a new one registers with the cluster first, and the first of all founds it.
async fn identify(host: usize, world: &Shared, net: &Net) -> Identity {
    if let Some(identity) = world.disk(host).identity() {
        return identity;
    }
    while !world.may_join(host) {
        tokio::time::sleep(AGAIN).await;
    }
    if host == 0 {
        let identity = Identity { node: NodeId(1), founding: true };
        world.disk(host).set_identity(identity);
        return identity;
    }
    loop {
        for other in (0..world.plan.hosts).filter(|other| *other != host) {
            let command = command(host, registration(host));
            let asked = net.ask_for(CHANGE_LIMIT, other, &Ask::Change(command)).await;
            if let Some(Answer::Bytes(reply)) = asked
                && let Ok(Reply::Registered(node, _)) = Reply::decode(&reply)
            {
                let identity = Identity { node, founding: false };
                world.disk(host).set_identity(identity);
                return identity;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn registration(host: usize) -> Action {
    Action::Register {
        identity: host as u128 + 1,
        peer_address: name(host),
        address: name(host),
        zone: String::new(),
        version: "simulated".to_owned(),
    }
}

fn command(host: usize, action: Action) -> Vec<u8> {
    let at_ms = turmoil::sim_elapsed().unwrap_or_default().as_millis() as i64;
    Command { author: name(host), at_ms, action }.encode()
}

async fn start_ownership(
    host: usize,
    identity: Identity,
    world: &Shared,
    net: &Arc<Net>,
    log: &Log,
    options: &Options,
) -> Result<(Group, SmallMachine<Metadata>), plimsoll_consensus::Error> {
    let id = GroupId::OWNERSHIP;
    let saved = world.disk(host).saved(id);
    let save = {
        let world = world.clone();
        Box::new(move |bytes: &[u8]| {
            world.disk(host).save(id, bytes.to_vec());
            Ok(())
        })
    };
    let machine = SmallMachine::open(Metadata::default(), saved.as_deref(), save)
        .map_err(|error| plimsoll_consensus::Error::GroupDamaged { group: id, reason: error.to_string() })?;
    let replicated = Arc::new(machine.clone());
    let group = Group::start(id, identity.node, log, replicated, net.clone(), options.clone()).await?;
    if identity.founding {
        group.initialize_alone().await?;
    }
    Ok((group, machine))
}

impl Host {
    fn say(&self, what: std::fmt::Arguments<'_>) {
        self.world.trace.say(&name(self.host), what);
    }

    /// Makes the metadata of the cluster; again after a crash in the middle.
    async fn found(&self) {
        let me = self.node;
        let shards = self.world.plan.shards;
        self.change(Action::Found { cluster: ClusterId(7), shards, replication: REPLICATION }).await;
        self.change(registration(self.host)).await;
        self.change(Action::SetNodeState { node: me, state: NodeState::Active }).await;
        loop {
            let homeless = self.metadata.read(|m| {
                m.0.shards()
                    .iter()
                    .find(|shard| shard.replicas.is_empty())
                    .map(|shard| (shard.id, shard.epoch))
            });
            let Some((shard, seen)) = homeless else { break };
            self.change(Action::Place { shard, replicas: vec![me], leader: Some(me), seen }).await;
        }
        for shard in 0..shards {
            self.open(ShardId(shard), true).await;
        }
        self.world.disk(self.host).set_identity(Identity { node: me, founding: false });
    }

    /// Changes the metadata, at whoever leads, as often as it takes.
    async fn change(&self, action: Action) -> Reply {
        loop {
            if let Some(reply) = self.try_change(action.clone()).await {
                return reply;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn try_change(&self, action: Action) -> Option<Reply> {
        let command = command(self.host, action);
        let reply = match self.ownership.leader() {
            Some(leader) if leader != self.node => {
                let host = self.world.host_of(leader)?;
                match self.net.ask_for(CHANGE_LIMIT, host, &Ask::Change(command)).await? {
                    Answer::Bytes(reply) => reply,
                    _ => return None,
                }
            }
            _ => {
                let proposed = self.ownership.propose(command.into());
                tokio::time::timeout(CHANGE_LIMIT, proposed).await.ok()?.ok()?.to_vec()
            }
        };
        Reply::decode(&reply).ok()
    }

    /// The replica of a shard, if it is open.
    fn shard(&self, shard: ShardId) -> Option<(Group, ModelMachine)> {
        self.world.running().get(&self.host)?.shards.get(&shard).cloned()
    }

    fn groups(&self) -> Vec<Group> {
        let running = self.world.running();
        let shards = running.get(&self.host).into_iter().flat_map(|host| host.shards.values());
        [self.ownership.clone()].into_iter().chain(shards.map(|(group, _)| group.clone())).collect()
    }

    /// Opens the replica of a shard; one that is new here waits for the leader, unless the cluster is `new`.
    async fn open(&self, shard: ShardId, new: bool) {
        let id = GroupId::of_shard(shard);
        self.world.disk(self.host).held().insert(shard);
        let machine = match ModelMachine::open(id, self.host, &self.world) {
            Ok(machine) => machine,
            Err(error) => return self.world.check(Err(format!("{id} cannot be opened: {error}"))),
        };
        let replicated = Arc::new(machine.clone());
        let started =
            Group::start(id, self.node, &self.log, replicated, self.net.clone(), self.options.clone()).await;
        let group = match started {
            Ok(group) => group,
            // a disk that broke meanwhile ends the host, as it ends a node
            Err(_) if self.log.broken().is_some() => return,
            Err(error) => return self.world.check(Err(format!("{id} cannot be started: {error}"))),
        };
        if new && group.initialize_alone().await.is_err() {
            return;
        }
        self.say(format_args!("opens {shard}"));
        tokio::spawn(drivers::follow(self.world.clone(), self.host, group.clone()));
        if let Some(running) = self.world.running().get_mut(&self.host) {
            running.shards.insert(shard, (group, machine));
        }
    }

    /// Closes the replica of a shard that was moved away, and deletes it.
    async fn destroy(&self, shard: ShardId) {
        let removed = self.world.running().get_mut(&self.host).and_then(|host| host.shards.remove(&shard));
        let Some((group, machine)) = removed else { return };
        if group.shutdown().await.is_err() {
            return;
        }
        drop((group, machine));
        let id = GroupId::of_shard(shard);
        // The log goes first: a log whose beginning was purged does not fit to an empty machine.
        if self.log.forget_group(id).await.is_err() {
            return;
        }
        let disk = self.world.disk(self.host);
        disk.delete(id);
        disk.held().remove(&shard);
        self.say(format_args!("has deleted {shard}"));
    }
}
