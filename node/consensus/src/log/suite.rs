//! openraft's own tests of a log store and a state machine, on ours.

use super::{GroupLog, Log, LogOptions};
use crate::apply::{Applier, Progress};
use crate::machine::MachineError;
use crate::options::GroupId;
use crate::position::Position;
use crate::raft::Types;
use crate::small::{SmallMachine, SmallState};
use bytes::Bytes;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;

struct Nothing;

impl SmallState for Nothing {
    fn apply(&mut self, _command: &[u8]) -> Result<Bytes, MachineError> {
        Ok(Bytes::new())
    }

    fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    fn decode(_bytes: &[u8]) -> Result<Self, MachineError> {
        Ok(Self)
    }
}

struct Builder;

impl StoreBuilder<Types, GroupLog, Applier, (tempfile::TempDir, Log)> for Builder {
    async fn build(&self) -> Result<((tempfile::TempDir, Log), GroupLog, Applier), StorageError<Types>> {
        let dir = tempfile::tempdir().expect("a directory");
        // A window of a few entries, so that reads come from memory, from disk and from both.
        let options = LogOptions { recent_bytes: 64, unapplied_bytes: 64, ..LogOptions::default() };
        let log = Log::open(dir.path(), options).expect("an empty log opens");
        let store = log.open_group(GroupId(7)).await.expect("a new group opens");
        let machine = SmallMachine::open(Nothing, None, Box::new(|_| Ok(()))).expect("an empty machine");
        let progress = Arc::<Progress>::default();
        let applier =
            Applier::new(Arc::new(machine), store.state(), Position::default(), progress, log.blocking());
        Ok(((dir, log), store, applier))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_store_passes_the_tests_of_openraft() {
    Suite::test_all(Builder).await.expect("all of openraft's storage tests pass");
}
