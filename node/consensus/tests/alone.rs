//! Groups of a single node: proposals, restarts, purging, failures.

mod machine;

use bytes::Bytes;
use machine::{Disk, Keeper};
use plimsoll_consensus::{Error, Group, GroupId, Log, LogOptions, NoPeers, Options, Outcome, Read};
use plimsoll_model::{Fault, NodeId};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NODE: NodeId = NodeId(1);
const GROUP: GroupId = GroupId(0x100);
const OTHER: GroupId = GroupId(0x101);
const LIMIT: Duration = Duration::from_secs(20);

/// Opens a log whose former owner may still be letting go of it.
async fn open(dir: &Path, options: &LogOptions) -> Log {
    let deadline = Instant::now() + LIMIT;
    loop {
        match Log::open(dir, options.clone()) {
            Ok(log) => return log,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn start(log: &Log, id: GroupId, machine: &Arc<Keeper>) -> Group {
    let machine = Arc::clone(machine);
    Group::start(id, NODE, log, machine, Arc::new(NoPeers), Options::default()).await.expect("starts")
}

async fn ready(log: &Log, id: GroupId, machine: &Arc<Keeper>) -> Group {
    let group = start(log, id, machine).await;
    group.initialize_alone().await.expect("initializes");
    group.wait_ready(LIMIT).await.expect("gets ready");
    group
}

fn command(number: usize) -> Bytes {
    Bytes::from(format!("command {number}"))
}

fn commands(range: std::ops::Range<usize>) -> Vec<Bytes> {
    range.map(command).collect()
}

#[tokio::test]
async fn a_proposal_is_answered_by_the_machine() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &LogOptions::default()).await;
    let machine = Keeper::on(&Arc::default());
    let group = ready(&log, GROUP, &machine).await;
    assert!(group.is_leader());
    assert_eq!(group.wait_leader(LIMIT).await.expect("leads"), NODE);
    for number in 0..10 {
        let reply = group.propose(command(number)).await.expect("done");
        assert_eq!(reply, (number + 1).to_string());
    }
    group.read_barrier(Read::Lease).await.expect("a lease");
    group.read_barrier(Read::Index).await.expect("a majority of one");
    assert_eq!(machine.commands(), commands(0..10));
    let status = group.status();
    assert_eq!(status.voters, [NODE]);
    assert_eq!((status.applied, status.committed), (status.last_log, status.last_log));
    group.shutdown().await.expect("stops");
}

#[tokio::test]
async fn commands_of_one_task_are_applied_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &LogOptions::default()).await;
    let machine = Keeper::on(&Arc::default());
    let group = ready(&log, GROUP, &machine).await;
    let results = group.propose_many(commands(0..5000)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(machine.commands(), commands(0..5000));
    let stats = log.stats();
    assert!(stats.syncs < 2500, "{stats:?}: appends are joined before an fsync");
}

#[tokio::test]
async fn everything_acknowledged_survives_a_drop_without_shutdown() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::<Disk>::default();
    let mut done = 0;
    for round in 0..4 {
        let log = open(dir.path(), &LogOptions::default()).await;
        let machine = Keeper::on(&disk);
        let started = Instant::now();
        let group = ready(&log, GROUP, &machine).await;
        assert!(started.elapsed() < Duration::from_millis(600), "no election time-out is waited for");
        assert_eq!(machine.commands(), commands(0..done), "round {round}");
        for result in group.propose_many(commands(done..done + 300)).await {
            result.expect("done");
        }
        done += 300;
        if round == 1 {
            group.checkpoint().await.expect("a checkpoint");
        }
    }
}

#[tokio::test]
async fn a_checkpoint_purges_the_log_and_restart_goes_on_after_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = LogOptions { file_bytes: 64 << 10, ..LogOptions::default() };
    let disk = Arc::<Disk>::default();
    let large = |number: usize| Bytes::from(vec![number as u8; 4096]);
    let mut expected = Vec::new();
    for round in 0..3 {
        let log = open(dir.path(), &options).await;
        let machine = Keeper::on(&disk);
        let group = ready(&log, GROUP, &machine).await;
        assert_eq!(machine.commands().len(), expected.len(), "round {round}");
        let batch: Vec<_> = (0..200).map(large).collect();
        expected.extend(batch.clone());
        for part in batch.chunks(10) {
            let results = group.propose_many(part.to_vec()).await;
            results.into_iter().for_each(|result| drop(result.expect("done")));
        }
        let before = log.stats().disk_bytes;
        let checkpoint = group.checkpoint().await.expect("a checkpoint");
        assert_eq!(checkpoint.covers, group.status().applied);
        assert_eq!(checkpoint.purged, checkpoint.covers);
        let purged = group.status();
        let mut watch = group.watch();
        let mut now = purged;
        while now.purged != checkpoint.purged {
            now = watch.changed().await.expect("runs");
        }
        // The purge is written behind the mark; a later write is behind it.
        group.propose(large(7)).await.expect("done");
        expected.push(large(7));
        log.purge().expect("purges");
        assert!(log.stats().disk_bytes < before / 3, "{:?} after {before}", log.stats());
        assert_eq!(machine.commands(), expected);
        group.shutdown().await.expect("stops");
        log.close().await;
    }
}

#[tokio::test]
async fn groups_that_hold_the_log_back_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let options =
        LogOptions { file_bytes: 64 << 10, checkpoint_above_bytes: 256 << 10, ..LogOptions::default() };
    let log = open(dir.path(), &options).await;
    let lazy = ready(&log, GroupId(0x101), &Keeper::on(&Arc::default())).await;
    lazy.propose_many(commands(0..100)).await;
    let busy = ready(&log, GROUP, &Keeper::on(&Arc::default())).await;
    for _ in 0..4 {
        busy.propose_many(vec![Bytes::from(vec![1; 4096]); 50]).await;
        busy.checkpoint().await.expect("a checkpoint");
    }
    busy.propose(command(0)).await.expect("done");
    assert_eq!(log.purge().expect("purges"), [lazy.id()]);
    assert!(log.groups().contains(&lazy.id()));
    lazy.checkpoint().await.expect("a checkpoint");
    lazy.propose(command(0)).await.expect("done");
    assert_eq!(log.purge().expect("purges"), []);
}

#[tokio::test]
async fn a_failing_machine_stops_its_group_and_says_why() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &LogOptions::default()).await;
    let disk = Arc::<Disk>::default();
    let group = ready(&log, GROUP, &Keeper::on(&disk)).await;
    let other = ready(&log, GroupId(0x101), &Keeper::on(&Arc::default())).await;
    group.propose(command(0)).await.expect("done");
    let error = group.propose(Bytes::from_static(b"poison")).await.expect_err("the machine fails");
    assert_eq!(error.outcome(), Outcome::PerhapsDone, "{error}");
    assert!(error.to_string().contains("poisoned"), "{error}");
    let error = group.propose(command(1)).await.expect_err("the group has stopped");
    assert!(matches!(error, Error::Stopped { .. }), "{error:?}");
    assert!(error.to_string().contains("poisoned"), "{error}");
    assert_eq!(error.fault(), Fault::Ours);
    assert!(group.status().stopped.expect("stopped").contains("poisoned"));
    other.propose(command(0)).await.expect("other groups go on");
    group.shutdown().await.expect("stops");
    drop(group);
    let again =
        Group::start(GROUP, NODE, &log, Keeper::on(&disk), Arc::new(NoPeers), Options::default()).await;
    let failed = match again {
        Err(error) => error,
        // The commit mark may be older than the poison: then the group stops once it leads.
        Ok(group) => group.wait_ready(LIMIT).await.expect_err("the entry is still there"),
    };
    assert!(failed.to_string().contains("poisoned"), "{failed}");
}

#[tokio::test]
async fn proposals_are_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &LogOptions::default()).await;
    let options = Options { max_command_bytes: 1000, max_waiting_bytes: 2500, ..Options::default() };
    let machine = Keeper::on(&Arc::default());
    let group = Group::start(GROUP, NODE, &log, machine, Arc::new(NoPeers), options).await.expect("starts");
    let error = group.propose(command(0)).await.expect_err("has no members");
    assert!(matches!(error, Error::NotLeader { leader: None, .. }), "{error:?}");
    group.initialize_alone().await.expect("initializes");
    group.initialize_alone().await.expect("twice is fine");
    let error = group.initialize(&[NODE]).await.expect_err("it has members");
    assert!(matches!(error, Error::Initialized { .. }), "{error:?}");
    group.wait_ready(LIMIT).await.expect("gets ready");
    let error = group.propose(Bytes::from(vec![0; 1001])).await.expect_err("too large");
    assert_eq!((error.outcome(), error.fault()), (Outcome::NotDone, Fault::Asker));
    let first = group.enqueue(Bytes::from(vec![0; 1000])).await.expect("room");
    let second = group.enqueue(Bytes::from(vec![0; 1000])).await.expect("room");
    let error = group.enqueue(Bytes::from(vec![0; 1000])).await.err().expect("no room");
    assert!(matches!(error, Error::Busy { waiting_bytes: 2000, .. }), "{error:?}");
    first.await.expect("done");
    second.await.expect("done");
    group.propose(Bytes::from(vec![0; 1000])).await.expect("room again");
    group.shutdown().await.expect("stops");
    let error = group.propose(command(0)).await.expect_err("stopped");
    assert!(matches!(error, Error::Stopped { .. }), "{error:?}");
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_other_damage_is_reported() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::<Disk>::default();
    let options = LogOptions { file_bytes: 64 << 10, ..LogOptions::default() };
    let log = open(dir.path(), &options).await;
    let group = ready(&log, GROUP, &Keeper::on(&disk)).await;
    for _ in 0..40 {
        group.propose(Bytes::from(vec![7; 4096])).await.expect("done");
    }
    group.shutdown().await.expect("stops");
    drop(group);
    log.close().await;
    let mut files: Vec<_> = std::fs::read_dir(dir.path())
        .expect("lists")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "raftlog"))
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    let last = files.last().expect("files");
    let mut bytes = std::fs::read(last).expect("reads");
    bytes.extend([0x55; 300]);
    std::fs::write(last, &bytes).expect("writes");
    let log = open(dir.path(), &options).await;
    let machine = Keeper::on(&disk);
    let group = ready(&log, GROUP, &machine).await;
    assert_eq!(machine.commands().len(), 40);
    group.shutdown().await.expect("stops");
    drop(group);
    log.close().await;
    let mut bytes = std::fs::read(&files[0]).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&files[0], &bytes).expect("writes");
    let outcome = match Log::open(dir.path(), options) {
        Err(error) => Err(error),
        Ok(log) => {
            let keeper = Keeper::on(&disk);
            Group::start(GROUP, NODE, &log, keeper, Arc::new(NoPeers), Options::default()).await
        }
    };
    let error = outcome.err().expect("the damage is noticed");
    assert_eq!(error.fault(), Fault::Ours, "{error}");
}

#[tokio::test]
async fn a_group_runs_once_in_a_process_and_can_be_erased() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path(), &LogOptions::default()).await;
    let group = ready(&log, GROUP, &Keeper::on(&Arc::default())).await;
    group.propose(command(0)).await.expect("done");
    group.shutdown().await.expect("stops");
    drop(group);
    log.remove(GROUP).await.expect("erases");
    let machine = Keeper::on(&Arc::default());
    let group = start(&log, GROUP, &machine).await;
    assert!(!group.is_initialized());
    group.initialize_alone().await.expect("it is new");
    group.wait_ready(LIMIT).await.expect("gets ready");
    assert_eq!(machine.commands(), Vec::<Bytes>::new());
}

#[tokio::test]
async fn a_forgotten_group_begins_empty_and_keeps_its_vote() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = LogOptions { file_bytes: 64 << 10, ..LogOptions::default() };
    let log = open(dir.path(), &options).await;
    let other = ready(&log, OTHER, &Keeper::on(&Arc::default())).await;
    let group = ready(&log, GROUP, &Keeper::on(&Arc::default())).await;
    for number in 0..20 {
        group.propose(command(number)).await.expect("done");
    }
    let term = group.status().term;
    assert!(term > 0);
    group.shutdown().await.expect("stops");
    drop(group);
    log.forget_group(GROUP).await.expect("forgets");
    log.forget_group(GROUP).await.expect("twice is fine");
    log.forget_group(GroupId(999)).await.expect("a group that never was is forgotten already");
    // Old files go, with all that the group ever wrote; what is left must still say the same.
    for _ in 0..60 {
        other.propose(Bytes::from(vec![7; 4096])).await.expect("done");
    }
    other.checkpoint().await.expect("a checkpoint");
    log.purge().expect("purges");
    other.shutdown().await.expect("stops");
    drop(other);
    log.close().await;
    for _ in 0..2 {
        let log = open(dir.path(), &options).await;
        let machine = Keeper::on(&Arc::default());
        let group = start(&log, GROUP, &machine).await;
        let status = group.status();
        assert_eq!((status.term, status.last_log, status.leader), (term, None, None), "{status:?}");
        assert!(!status.is_leader && status.voters.is_empty(), "{status:?}");
        let error = group.initialize(&[NODE]).await.expect_err("it had members once");
        assert!(matches!(error, Error::Initialized { .. }), "{error:?}");
        group.shutdown().await.expect("stops");
        drop(group);
        log.close().await;
    }
}
