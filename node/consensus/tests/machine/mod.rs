//! A machine for tests: it keeps every command, and its checkpoints live as long as the test.

use bytes::Bytes;
use parking_lot::Mutex;
use plimsoll_consensus::{Machine, MachineError, SnapshotSource, Staged};
use std::sync::Arc;

/// What survives a crash.
#[derive(Default)]
pub struct Disk {
    saved: Mutex<Option<State>>,
}

#[derive(Clone, Default, Debug, PartialEq)]
struct State {
    commands: Vec<Bytes>,
    position: Vec<u8>,
}

/// Keeps commands in order; replies with how many there are.
pub struct Keeper {
    live: Arc<Mutex<State>>,
    disk: Arc<Disk>,
}

impl Keeper {
    /// A machine on `disk`, as after a start.
    pub fn on(disk: &Arc<Disk>) -> Arc<Self> {
        let state = disk.saved.lock().clone().unwrap_or_default();
        Arc::new(Self { live: Arc::new(Mutex::new(state)), disk: Arc::clone(disk) })
    }

    /// All commands so far.
    pub fn commands(&self) -> Vec<Bytes> {
        self.live.lock().commands.clone()
    }
}

impl Machine for Keeper {
    fn position(&self) -> Option<Vec<u8>> {
        self.disk.saved.lock().as_ref().map(|state| state.position.clone())
    }

    fn apply(&self, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError> {
        let mut live = self.live.lock();
        let mut replies = Vec::new();
        for command in commands {
            if command.as_ref() == b"poison" {
                return Err(MachineError::new("poisoned"));
            }
            live.commands.push(command.clone());
            replies.push(Bytes::from(live.commands.len().to_string()));
        }
        live.position = position.to_vec();
        Ok(replies)
    }

    fn checkpoint(&self) -> Result<Vec<u8>, MachineError> {
        let state = self.live.lock().clone();
        *self.disk.saved.lock() = Some(state.clone());
        Ok(state.position)
    }

    fn snapshot(&self) -> Result<Box<dyn SnapshotSource>, MachineError> {
        let State { commands, position } = self.live.lock().clone();
        Ok(Box::new(Source { position, commands: commands.into_iter() }))
    }

    fn stage(
        &self,
        position: &[u8],
        source: &mut dyn SnapshotSource,
    ) -> Result<Box<dyn Staged>, MachineError> {
        let mut commands = Vec::new();
        while let Some(piece) = source.next()? {
            commands.push(piece);
        }
        let state = State { commands, position: position.to_vec() };
        Ok(Box::new(Received { state, live: Arc::clone(&self.live), disk: Arc::clone(&self.disk) }))
    }
}

struct Source {
    position: Vec<u8>,
    commands: std::vec::IntoIter<Bytes>,
}

impl SnapshotSource for Source {
    fn position(&self) -> &[u8] {
        &self.position
    }

    fn next(&mut self) -> Result<Option<Bytes>, MachineError> {
        Ok(self.commands.next())
    }
}

struct Received {
    state: State,
    live: Arc<Mutex<State>>,
    disk: Arc<Disk>,
}

impl Staged for Received {
    fn install(self: Box<Self>) -> Result<(), MachineError> {
        *self.disk.saved.lock() = Some(self.state.clone());
        *self.live.lock() = self.state;
        Ok(())
    }
}
