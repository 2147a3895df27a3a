//! What outlives the simulated hosts: their disks, what clients know, what the invariants have seen.

use super::invariants::Invariants;
use super::model::{Model, ModelMachine, Write};
use super::plan::Plan;
use super::trace::Trace;
use parking_lot::{Mutex, MutexGuard};
use plimsoll_consensus::{Group, GroupId, MemoryDisk, SmallMachine};
use plimsoll_model::{NodeId, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::host::Metadata;

/// The world, shared by all that runs in a simulation.
pub type Shared = Arc<World>;

/// The world.
pub struct World {
    /// What the seed chose.
    pub plan: Plan,
    /// What happened.
    pub trace: Trace,
    disks: Vec<HostDisk>,
    running: Mutex<BTreeMap<usize, Running>>,
    invariants: Mutex<Invariants>,
    control: Mutex<Control>,
}

/// What a host's disk holds beside the log. Everything here is synced at once.
#[derive(Default)]
pub struct HostDisk {
    /// The log.
    pub log: MemoryDisk,
    checkpoints: Mutex<BTreeMap<GroupId, Vec<u8>>>,
    identity: Mutex<Option<Identity>>,
    held: Mutex<BTreeSet<ShardId>>,
}

/// Who a host is in the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Its node.
    pub node: NodeId,
    /// Whether it founded the cluster, and has finished with that.
    pub founding: bool,
}

/// The groups of a running host.
#[derive(Clone)]
pub struct Running {
    /// Its node.
    pub node: NodeId,
    /// Its member of the ownership group.
    pub ownership: Group,
    /// The metadata as it knows it.
    pub metadata: SmallMachine<Metadata>,
    /// Its replicas.
    pub shards: BTreeMap<ShardId, (Group, ModelMachine)>,
}

/// What the plan's events tell hosts and clients.
#[derive(Default)]
struct Control {
    joining: BTreeSet<usize>,
    stop_writing: bool,
    asked: Vec<(usize, Order)>,
    ended: BTreeSet<usize>,
}

/// What an operator asks of a host.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Checkpoint every group.
    Checkpoint,
    /// Hand a shard over, if it leads it.
    Transfer(ShardId),
    /// Leave the cluster.
    Drain,
}

impl World {
    /// A world for `plan` in which nothing has happened.
    pub fn new(plan: Plan, show: bool) -> Shared {
        let disks: Vec<HostDisk> = (0..plan.hosts).map(|_| HostDisk::default()).collect();
        for disk in &disks {
            disk.log.set_sync_time(plan.sync.0, plan.sync.1);
        }
        Arc::new(Self {
            trace: Trace::new(show),
            disks,
            running: Mutex::default(),
            invariants: Mutex::default(),
            control: Mutex::new(Control { joining: (0..plan.founders).collect(), ..Control::default() }),
            plan,
        })
    }

    /// The disk of a host.
    pub fn disk(&self, host: usize) -> &HostDisk {
        &self.disks[host]
    }

    /// The host of a node, once it has its number.
    pub fn host_of(&self, node: NodeId) -> Option<usize> {
        self.disks.iter().position(|disk| disk.identity().is_some_and(|identity| identity.node == node))
    }

    /// The groups of all hosts that run.
    pub fn running(&self) -> MutexGuard<'_, BTreeMap<usize, Running>> {
        self.running.lock()
    }

    /// The invariants and what they have seen.
    pub fn invariants(&self) -> MutexGuard<'_, Invariants> {
        self.invariants.lock()
    }

    /// Keeps what an invariant says when it does not hold.
    pub fn check(&self, held: Result<(), String>) {
        if let Err(violation) = held {
            self.trace.say("!", format_args!("{violation}"));
            self.invariants().violated(violation);
        }
    }

    /// A replica has applied the writes after the first `before`.
    pub fn applied(&self, host: usize, group: GroupId, position: &[u8], before: usize, model: &Model) {
        self.trace.note("apply", format_args!("h{host} {} {}", group.0, model.writes().len()));
        let held = self.invariants().content.applied(group, position, before, model);
        self.check(held);
    }

    /// A node leads a group in a term.
    pub fn leads(&self, group: GroupId, term: u64, node: NodeId) {
        let held = self.invariants().leaders.saw(group, term, node);
        self.check(held);
    }

    /// A host answers a write with success: at this moment it must be on a majority of the voters' disks.
    pub fn acknowledged(&self, group: &Group, write: Write, place: u64) {
        let status = group.status();
        if !status.changing {
            let stored = |node: &NodeId| {
                self.host_of(*node).is_some_and(|host| self.disks[host].stores(group.id(), write))
            };
            let held = self.invariants().acknowledged.is_on_majority(
                write,
                &status.voters,
                status.voters.iter().filter(|node| stored(node)).count(),
            );
            self.check(held);
        }
        let held = self.invariants().acknowledged.acknowledge(group.id(), write, place);
        self.check(held);
    }

    /// Lets a host join.
    pub fn let_join(&self, host: usize) {
        self.control.lock().joining.insert(host);
    }

    /// Whether a host may join.
    pub fn may_join(&self, host: usize) -> bool {
        self.control.lock().joining.contains(&host)
    }

    /// Ends all clients' work.
    pub fn stop_writing(&self) {
        self.control.lock().stop_writing = true;
    }

    /// Whether clients should end.
    pub fn is_stopping(&self) -> bool {
        self.control.lock().stop_writing
    }

    /// Asks something of every host that runs.
    pub fn order(&self, order: Order) {
        self.control.lock().asked.extend((0..self.plan.hosts).map(|host| (host, order)));
    }

    /// Asks something of one host.
    pub fn order_of(&self, host: usize, order: Order) {
        self.control.lock().asked.push((host, order));
    }

    /// What is asked of a host.
    pub fn orders(&self, host: usize) -> Vec<Order> {
        let mut control = self.control.lock();
        let (mine, others) = control.asked.drain(..).partition(|(to, _)| *to == host);
        control.asked = others;
        mine.into_iter().map(|(_, order)| order).collect()
    }

    /// A host has ended by itself.
    pub fn ended(&self, host: usize) {
        self.control.lock().ended.insert(host);
    }

    /// Hosts that have ended by themselves since the last call.
    pub fn take_ended(&self) -> BTreeSet<usize> {
        std::mem::take(&mut self.control.lock().ended)
    }
}

impl HostDisk {
    /// The last checkpoint of a group.
    pub fn saved(&self, group: GroupId) -> Option<Vec<u8>> {
        self.checkpoints.lock().get(&group).cloned()
    }

    /// Puts a checkpoint in place of the last one.
    pub fn save(&self, group: GroupId, bytes: Vec<u8>) {
        self.checkpoints.lock().insert(group, bytes);
    }

    /// Deletes the checkpoint of a group.
    pub fn delete(&self, group: GroupId) {
        self.checkpoints.lock().remove(&group);
    }

    /// Who the host is.
    pub fn identity(&self) -> Option<Identity> {
        *self.identity.lock()
    }

    /// Keeps who the host is.
    pub fn set_identity(&self, identity: Identity) {
        *self.identity.lock() = Some(identity);
    }

    /// Shards that the host has a replica of.
    pub fn held(&self) -> MutexGuard<'_, BTreeSet<ShardId>> {
        self.held.lock()
    }

    /// Whether a crash at this moment would leave the write on the disk.
    fn stores(&self, group: GroupId, write: Write) -> bool {
        let bytes = write.to_le_bytes();
        self.log.commands(group).iter().any(|command| command[..] == bytes)
            || self.saved(group).is_some_and(|saved| saved.windows(8).any(|window| window == bytes))
    }
}
