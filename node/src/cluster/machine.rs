//! Joins the raft group of the ownership metadata to its state.

use bytes::Bytes;
use plimsoll_consensus::{MachineError, SmallMachine, SmallState};
use plimsoll_ownership::{Command, State};
use plimsoll_storage::Database;
use std::sync::Arc;

/// Key of the group's checkpoint in the column family `node`.
const CHECKPOINT_KEY: &[u8] = b"ownership";

/// The state of the ownership group as a machine.
pub(super) struct Ownership(pub State);

impl SmallState for Ownership {
    /// A command that cannot be read ends the group here: to skip it would make this replica differ from the others.
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

/// The machine as its last checkpoint in `database` left it.
pub(super) fn open(database: &Arc<Database>) -> Result<SmallMachine<Ownership>, MachineError> {
    let saved = database.get(CHECKPOINT_KEY).map_err(MachineError::new)?;
    let database = database.clone();
    let save = move |bytes: &[u8]| database.put(CHECKPOINT_KEY, bytes).map_err(MachineError::new);
    SmallMachine::open(Ownership(State::default()), saved.as_deref(), Box::new(save))
}
