//! Groups of three nodes in one process: replication, fail-over, partitions, snapshots, changes of members.

mod machine;

use bytes::Bytes;
use futures::future::BoxFuture;
use machine::{Disk, Keeper};
use plimsoll_consensus::{
    Error, Group, GroupId, InProcess, Log, LogOptions, Options, Outcome, Read, Transport, TransportError,
};
use plimsoll_model::NodeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const GROUP: GroupId = GroupId::OWNERSHIP;
const LIMIT: Duration = Duration::from_secs(30);

struct Node {
    _dir: tempfile::TempDir,
    log: Log,
    disk: Arc<Disk>,
    machine: Arc<Keeper>,
    group: Group,
}

struct Cluster {
    net: InProcess,
    nodes: Vec<Node>,
}

fn id(index: usize) -> NodeId {
    NodeId(index as u64 + 1)
}

fn options() -> Options {
    Options { keep_for_peers: 10, ..Options::default() }
}

async fn node(net: &InProcess, index: usize) -> Node {
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::open(dir.path(), LogOptions::default()).expect("opens");
    let disk = Arc::<Disk>::default();
    let machine = Keeper::on(&disk);
    let group = Group::start(GROUP, id(index), &log, machine.clone(), net.of(id(index)), options()).await;
    let group = group.expect("starts");
    net.connect(&group);
    Node { _dir: dir, log, disk, machine, group }
}

impl Cluster {
    async fn of(size: usize) -> Self {
        let net = InProcess::new();
        let mut nodes = Vec::new();
        for index in 0..size {
            nodes.push(node(&net, index).await);
        }
        let ids: Vec<_> = (0..size).map(id).collect();
        nodes[0].group.initialize(&ids).await.expect("initializes");
        Self { net, nodes }
    }

    /// Starts a node again whose group was shut down, from its log and what its machine saved.
    async fn restart(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.machine = Keeper::on(&node.disk);
        let (machine, transport) = (node.machine.clone(), self.net.of(id(index)));
        let group = Group::start(GROUP, id(index), &node.log, machine, transport, options()).await;
        node.group = group.expect("starts");
        self.net.connect(&node.group);
    }

    fn ids(&self) -> Vec<NodeId> {
        (0..self.nodes.len()).map(id).collect()
    }

    /// The index of a leader other than `not` that takes proposals.
    async fn leader(&self, not: Option<usize>) -> usize {
        let deadline = Instant::now() + LIMIT;
        loop {
            for (index, node) in self.nodes.iter().enumerate() {
                if Some(index) != not
                    && node.group.is_leader()
                    && node.group.read_barrier(Read::Index).await.is_ok()
                {
                    return index;
                }
            }
            assert!(Instant::now() < deadline, "no leader");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn wait_applied(&self, index: usize, expected: &[Bytes]) {
        let machine = &self.nodes[index].machine;
        let deadline = Instant::now() + LIMIT;
        while machine.commands().len() < expected.len() {
            assert!(Instant::now() < deadline, "{} of {} applied", machine.commands().len(), expected.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(machine.commands(), expected);
    }
}

fn commands(range: std::ops::Range<usize>) -> Vec<Bytes> {
    range.map(|number| Bytes::from(format!("command {number}"))).collect()
}

async fn propose(group: &Group, range: std::ops::Range<usize>) {
    for result in group.propose_many(commands(range)).await {
        result.expect("done");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_reaches_every_member() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader(None).await;
    propose(&cluster.nodes[leader].group, 0..500).await;
    for index in 0..3 {
        cluster.wait_applied(index, &commands(0..500)).await;
    }
    let follower = (leader + 1) % 3;
    let error = cluster.nodes[follower].group.propose(Bytes::new()).await.expect_err("it follows");
    assert_eq!(error.outcome(), Outcome::NotDone);
    assert!(matches!(error, Error::NotLeader { leader: Some(node), .. } if node == id(leader)), "{error:?}");
    cluster.nodes[leader].group.read_barrier(Read::Lease).await.expect("the lease holds");
    let status = cluster.nodes[leader].group.status();
    assert_eq!(status.voters, cluster.ids());
    assert_eq!(status.matched.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_on_request() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader(None).await;
    propose(&cluster.nodes[leader].group, 0..10).await;
    let next = (leader + 1) % 3;
    let group = &cluster.nodes[leader].group;
    group.wait_caught_up(id(next), LIMIT).await.expect("catches up");
    let started = Instant::now();
    group.transfer(id(next), LIMIT).await.expect("hands over");
    assert!(started.elapsed() < Duration::from_millis(600), "no election time-out is waited for");
    assert_eq!(cluster.leader(Some(leader)).await, next);
    propose(&cluster.nodes[next].group, 10..20).await;
    cluster.wait_applied(leader, &commands(0..20)).await;
    let error = cluster.nodes[next].group.transfer(NodeId(99), LIMIT).await.expect_err("no such voter");
    assert!(matches!(error, Error::Members { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_gets_a_snapshot_when_the_log_is_purged_and_can_be_made_a_voter() {
    let mut cluster = Cluster::of(1).await;
    let leader = cluster.leader(None).await;
    let group = cluster.nodes[leader].group.clone();
    propose(&group, 0..300).await;
    let checkpoint = group.checkpoint().await.expect("a checkpoint");
    assert_eq!(checkpoint.covers, checkpoint.purged);
    propose(&group, 300..320).await;
    let new = node(&cluster.net, 1).await;
    cluster.nodes.push(new);
    group.add_learner(id(1)).await.expect("adds");
    group.wait_caught_up(id(1), LIMIT).await.expect("catches up");
    cluster.wait_applied(1, &commands(0..320)).await;
    assert_eq!(group.status().learners, [id(1)]);
    let status = cluster.nodes[1].group.status();
    assert!(status.is_learner && status.purged >= checkpoint.purged, "{status:?}");
    group.change_voters(&[id(0), id(1)], true).await.expect("promotes");
    propose(&group, 320..330).await;
    cluster.wait_applied(1, &commands(0..330)).await;
    group.change_voters(&[id(0)], true).await.expect("demotes");
    group.remove_learners(&[id(1)]).await.expect("removes");
    propose(&group, 330..340).await;
    assert_eq!(group.status().voters, [id(0)]);
    assert!(group.status().learners.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_majority_acknowledges_nothing_and_the_others_go_on() {
    let cluster = Cluster::of(3).await;
    let old = cluster.leader(None).await;
    propose(&cluster.nodes[old].group, 0..50).await;
    cluster.net.isolate(id(old), &cluster.ids());
    let cut_at = Instant::now();
    let lost = {
        let group = cluster.nodes[old].group.clone();
        tokio::spawn(async move { group.propose(Bytes::from_static(b"lost")).await })
    };
    let new = cluster.leader(Some(old)).await;
    println!("new leader after {:?}", cut_at.elapsed());
    assert!(cut_at.elapsed() < Duration::from_secs(5));
    propose(&cluster.nodes[new].group, 50..100).await;
    let error = cluster.nodes[old].group.propose(Bytes::new()).await.expect_err("it has no majority");
    assert_eq!(error.outcome(), Outcome::NotDone, "{error:?}");
    let error = cluster.nodes[old].group.read_barrier(Read::Lease).await.expect_err("the lease is over");
    assert!(matches!(error, Error::NoQuorum { .. } | Error::NotLeader { .. }), "{error:?}");
    cluster.net.heal();
    let error = lost.await.expect("runs").expect_err("another leader took over");
    assert_eq!(error.outcome(), Outcome::PerhapsDone, "{error:?}");
    for index in 0..3 {
        cluster.wait_applied(index, &commands(0..100)).await;
    }
    let term = cluster.nodes[new].group.status().term;
    propose(&cluster.nodes[cluster.leader(None).await].group, 100..110).await;
    cluster.wait_applied(old, &commands(0..110)).await;
    assert!(cluster.nodes[new].group.status().term <= term + 1, "a healed member does not depose the leader");
}

/// Writes a checkpoint and waits until the log is cut; only a follower cuts while a member is silent.
async fn purge(group: &Group) {
    let checkpoint = group.checkpoint().await.expect("a checkpoint");
    assert!(checkpoint.purged > Some(100));
    let mut watch = group.watch();
    while watch.now().purged < checkpoint.purged {
        tokio::time::timeout(LIMIT, watch.changed()).await.expect("it purges");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_away_past_a_purge_comes_back_by_snapshot() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader(None).await;
    let (next, away) = ((leader + 1) % 3, (leader + 2) % 3);
    let group = &cluster.nodes[leader].group;
    propose(group, 0..20).await;
    cluster.wait_applied(away, &commands(0..20)).await;
    cluster.net.isolate(id(away), &cluster.ids());
    propose(group, 20..200).await;
    cluster.wait_applied(next, &commands(0..200)).await;
    purge(&cluster.nodes[next].group).await;
    group.transfer(id(next), LIMIT).await.expect("hands over");
    // the old leader too: whoever leads after the heal, what the member lacks is in no log any more
    purge(group).await;
    cluster.net.heal();
    cluster.wait_applied(away, &commands(0..200)).await;
    // only a snapshot cuts the log of a member; the status follows the machine by a moment
    let mut watch = cluster.nodes[away].group.watch();
    while watch.now().purged <= Some(100) {
        tokio::time::timeout(LIMIT, watch.changed()).await.expect("it came by a snapshot");
    }
    propose(&cluster.nodes[cluster.leader(None).await].group, 200..210).await;
    cluster.wait_applied(away, &commands(0..210)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_purges_what_all_members_have() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader(None).await;
    let group = &cluster.nodes[leader].group;
    for round in 0..3 {
        propose(group, round * 100..(round + 1) * 100).await;
        for index in 0..3 {
            cluster.wait_applied(index, &commands(0..(round + 1) * 100)).await;
            group.wait_caught_up(id(index), LIMIT).await.expect("catches up");
        }
        let checkpoint = group.checkpoint().await.expect("a checkpoint");
        assert!(checkpoint.purged > Some(90 * (round as u64 + 1)), "{checkpoint:?}");
        let mut watch = group.watch();
        while watch.now().purged < checkpoint.purged {
            tokio::time::timeout(LIMIT, watch.changed()).await.expect("the purge is not put off for ever");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_removed_and_forgotten_can_come_back_under_its_id() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader(None).await;
    let (kept, gone) = ((leader + 1) % 3, (leader + 2) % 3);
    let group = cluster.nodes[leader].group.clone();
    propose(&group, 0..50).await;
    cluster.wait_applied(gone, &commands(0..50)).await;
    group.change_voters(&[id(leader), id(kept)], false).await.expect("removes");
    let term = cluster.nodes[gone].group.status().term;
    cluster.nodes[gone].group.shutdown().await.expect("stops");
    cluster.nodes[gone].log.forget_group(GROUP).await.expect("forgets");
    cluster.nodes[gone].disk = Arc::default();
    propose(&group, 50..80).await;
    cluster.restart(gone).await;
    let status = cluster.nodes[gone].group.status();
    assert_eq!((status.term, status.last_log), (term, None), "{status:?}");
    group.add_learner(id(gone)).await.expect("adds");
    group.wait_caught_up(id(gone), LIMIT).await.expect("catches up");
    group.change_voters(&cluster.ids(), true).await.expect("promotes");
    propose(&group, 80..90).await;
    cluster.wait_applied(gone, &commands(0..90)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_all_restart_lose_nothing() {
    let mut cluster = Cluster::of(3).await;
    let mut done = 0;
    for round in 0..3 {
        let leader = cluster.leader(None).await;
        propose(&cluster.nodes[leader].group, done..done + 100).await;
        done += 100;
        if round == 1 {
            cluster.nodes[(leader + 1) % 3].group.checkpoint().await.expect("a checkpoint");
        }
        for index in 0..3 {
            cluster.nodes[index].group.shutdown().await.expect("stops");
            cluster.restart(index).await;
        }
        for index in 0..3 {
            cluster.nodes[index].group.wait_ready(LIMIT).await.expect("gets ready");
            cluster.wait_applied(index, &commands(0..done)).await;
        }
    }
}

/// Delivers everything, but never answers the first snapshot.
struct LosesAnAnswer {
    inner: Arc<dyn Transport>,
    snapshots: Arc<AtomicUsize>,
}

impl Transport for LosesAnAnswer {
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        request: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        self.inner.call(to, group, request)
    }

    fn send_snapshot(
        &self,
        to: NodeId,
        group: GroupId,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        let is_first = self.snapshots.fetch_add(1, Ordering::Relaxed) == 0;
        let sent = self.inner.send_snapshot(to, group, head, pieces);
        Box::pin(async move {
            let answer = sent.await;
            if is_first { std::future::pending().await } else { answer }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_whose_answer_is_lost_is_sent_again() {
    let net = InProcess::new();
    let snapshots = Arc::<AtomicUsize>::default();
    let dir = tempfile::tempdir().expect("a directory");
    let log = Log::open(dir.path(), LogOptions::default()).expect("opens");
    let machine = Keeper::on(&Arc::<Disk>::default());
    let transport = Arc::new(LosesAnAnswer { inner: net.of(id(0)), snapshots: snapshots.clone() });
    let options = Options { snapshot_stall_ms: 500, ..options() };
    let leader = Group::start(GROUP, id(0), &log, machine, transport, options).await.expect("starts");
    net.connect(&leader);
    leader.initialize_alone().await.expect("initializes");
    leader.wait_ready(LIMIT).await.expect("leads");
    propose(&leader, 0..300).await;
    leader.checkpoint().await.expect("a checkpoint");
    let cluster = Cluster { nodes: vec![node(&net, 1).await], net };
    leader.add_learner(id(1)).await.expect("adds");
    propose(&leader, 300..320).await;
    leader.wait_caught_up(id(1), LIMIT).await.expect("catches up");
    cluster.wait_applied(0, &commands(0..320)).await;
    assert!(snapshots.load(Ordering::Relaxed) > 1);
}
