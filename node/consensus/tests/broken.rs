//! A log whose disk fails, and a machine that panics. Fail points are global: one test runs after the other.

mod machine;

use bytes::Bytes;
use machine::{Disk, Keeper};
use plimsoll_consensus::{Error, Group, GroupId, Log, LogOptions, NoPeers, Options, Outcome};
use plimsoll_model::{Fault, NodeId};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

async fn start(log: &Log, id: u64, disk: &Arc<Disk>) -> (Group, Arc<Keeper>) {
    let machine = Keeper::on(disk);
    let peers = Arc::new(NoPeers);
    let group = Group::start(GroupId(id), NodeId(1), log, machine.clone(), peers, Options::default()).await;
    let group = group.expect("starts");
    group.initialize_alone().await.expect("initializes");
    group.wait_ready(LIMIT).await.expect("gets ready");
    (group, machine)
}

async fn a_failed_write_stops_every_group_and_acknowledges_nothing(dir: &Path) {
    let disk = Arc::<Disk>::default();
    let log = Log::open(dir, LogOptions::default()).expect("opens");
    let (group, _) = start(&log, 0x100, &disk).await;
    let (other, _) = start(&log, 0x101, &Arc::default()).await;
    group.propose(Bytes::from_static(b"kept")).await.expect("done");
    fail::cfg("consensus::log::write", "return(no disk)").expect("a fail point");
    let error = group.propose(Bytes::from_static(b"lost")).await.expect_err("the write fails");
    assert_eq!(error.outcome(), Outcome::PerhapsDone, "{error:?}");
    assert!(tokio::time::timeout(LIMIT, log.wait_broken()).await.expect("breaks").contains("no disk"));
    fail::remove("consensus::log::write");
    for group in [&group, &other] {
        let error = group.propose(Bytes::new()).await.expect_err("broken for good");
        assert!(matches!(&error, Error::LogBroken { reason } if reason.contains("no disk")), "{error:?}");
        assert_eq!((error.outcome(), error.fault()), (Outcome::NotDone, Fault::Ours));
        group.shutdown().await.expect("stops");
    }
    drop((group, other));
    log.close().await;
    let log = Log::open(dir, LogOptions::default()).expect("opens again");
    let (_group, machine) = start(&log, 0x100, &disk).await;
    assert_eq!(machine.commands(), [Bytes::from_static(b"kept")]);
}

async fn a_machine_that_panics_is_started_again_from_the_log(dir: &Path) {
    let disk = Arc::<Disk>::default();
    let log = Log::open(dir, LogOptions::default()).expect("opens");
    let (group, _) = start(&log, 0x100, &disk).await;
    group.propose(Bytes::from_static(b"one")).await.expect("done");
    fail::cfg("consensus::apply", "panic(bug)").expect("a fail point");
    let error = group.propose(Bytes::from_static(b"two")).await.expect_err("the machine panics");
    assert_eq!(error.outcome(), Outcome::PerhapsDone, "{error:?}");
    assert!(group.status().stopped.expect("stopped").contains("panicked"));
    fail::remove("consensus::apply");
    group.shutdown().await.expect("stops");
    drop(group);
    let (group, machine) = start(&log, 0x100, &disk).await;
    assert_eq!(machine.commands(), ["one", "two"]);
    group.propose(Bytes::from_static(b"three")).await.expect("done");
}

async fn a_write_that_hangs_shows_while_it_hangs(dir: &Path) {
    let log = Log::open(dir, LogOptions::default()).expect("opens");
    let (group, _) = start(&log, 0x100, &Arc::default()).await;
    group.propose(Bytes::from_static(b"quick")).await.expect("done");
    fail::cfg("consensus::log::write", "pause").expect("a fail point");
    let waiting = group.enqueue(Bytes::from_static(b"slow")).await.expect("handed in");
    let deadline = Instant::now() + LIMIT;
    while log.stalled_for() < Some(Duration::from_millis(300)) {
        assert!(Instant::now() < deadline, "{:?}", log.stalled_for());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fail::remove("consensus::log::write");
    waiting.await.expect("done in the end");
    while log.stalled_for().is_some() {
        assert!(Instant::now() < deadline, "nothing is under way any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(log.stats().slowest_recent_nanos >= 300_000_000, "{:?}", log.stats());
}

#[tokio::test]
async fn failures_of_disk_and_machine_lose_nothing_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    a_failed_write_stops_every_group_and_acknowledges_nothing(&dir.path().join("disk")).await;
    a_machine_that_panics_is_started_again_from_the_log(&dir.path().join("machine")).await;
    a_write_that_hangs_shows_while_it_hangs(&dir.path().join("hangs")).await;
}
