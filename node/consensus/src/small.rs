//! A machine for state that is small enough to be written whole at every checkpoint.

use crate::machine::{Machine, MachineError, SnapshotSource, Staged};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// Bytes of one piece of a snapshot.
const PIECE_BYTES: usize = 1 << 20;

/// The largest state taken from a peer; far above what metadata needs, far below what would hurt.
const MAX_STATE_BYTES: usize = 1 << 30;

/// State that is small and pure: commands in, replies out, all of it as bytes.
pub trait SmallState: Send + Sync + Sized + 'static {
    /// Applies a command; a refusal is a reply, the same on every node. An error stops the group here: a
    /// command that cannot be read must not be skipped.
    fn apply(&mut self, command: &[u8]) -> Result<Bytes, MachineError>;

    /// All of the state.
    fn encode(&self) -> Vec<u8>;

    /// The state of these bytes.
    fn decode(bytes: &[u8]) -> Result<Self, MachineError>;
}

/// Puts the bytes of a checkpoint in a durable place, atomically.
pub type Save = Box<dyn Fn(&[u8]) -> Result<(), MachineError> + Send + Sync>;

/// A [`Machine`] around a [`SmallState`]. Clones share the state.
///
/// A checkpoint is a version byte (1), the length of the position (4 bytes, little endian), the position and
/// the state.
pub struct SmallMachine<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    live: RwLock<Live<S>>,
    durable: Mutex<Option<Vec<u8>>>,
    save: Save,
}

struct Live<S> {
    state: S,
    position: Vec<u8>,
}

impl<S> Clone for SmallMachine<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: SmallState> SmallMachine<S> {
    /// Goes on from the bytes that `save` was given last, or begins with `initial`.
    pub fn open(initial: S, saved: Option<&[u8]>, save: Save) -> Result<Self, MachineError> {
        let (state, position) = match saved {
            None => (initial, None),
            Some(bytes) => {
                let (position, state) =
                    split(bytes).ok_or_else(|| MachineError::new("the checkpoint is not of this version"))?;
                (S::decode(state)?, Some(position.to_vec()))
            }
        };
        let live = RwLock::new(Live { state, position: position.clone().unwrap_or_default() });
        Ok(Self { shared: Arc::new(Shared { live, durable: Mutex::new(position), save }) })
    }

    /// Looks at the state.
    pub fn read<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.shared.live.read().state)
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&1, rest) = bytes.split_first()? else { return None };
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn join(position: &[u8], state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 + position.len() + state.len());
    bytes.push(1);
    bytes.extend_from_slice(&(position.len() as u32).to_le_bytes());
    bytes.extend_from_slice(position);
    bytes.extend_from_slice(state);
    bytes
}

impl<S: SmallState> Machine for SmallMachine<S> {
    fn position(&self) -> Option<Vec<u8>> {
        self.shared.durable.lock().clone()
    }

    fn apply(&self, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError> {
        let mut live = self.shared.live.write();
        let replies = commands.iter().map(|command| live.state.apply(command)).collect::<Result<_, _>>()?;
        live.position = position.to_vec();
        Ok(replies)
    }

    fn checkpoint(&self) -> Result<Vec<u8>, MachineError> {
        // Held over the save, so that an older checkpoint never overwrites a newer one.
        let mut durable = self.shared.durable.lock();
        let (position, state) = {
            let live = self.shared.live.read();
            (live.position.clone(), live.state.encode())
        };
        (self.shared.save)(&join(&position, &state))?;
        *durable = Some(position.clone());
        Ok(position)
    }

    fn snapshot(&self) -> Result<Box<dyn SnapshotSource>, MachineError> {
        let live = self.shared.live.read();
        Ok(Box::new(Whole { position: live.position.clone(), rest: live.state.encode().into() }))
    }

    fn stage(
        &self,
        position: &[u8],
        source: &mut dyn SnapshotSource,
    ) -> Result<Box<dyn Staged>, MachineError> {
        let mut bytes = Vec::new();
        while let Some(piece) = source.next()? {
            if bytes.len() + piece.len() > MAX_STATE_BYTES {
                return Err(MachineError::new("the snapshot is too large"));
            }
            bytes.extend_from_slice(&piece);
        }
        let live = Live { state: S::decode(&bytes)?, position: position.to_vec() };
        Ok(Box::new(Received { live, bytes, shared: Arc::clone(&self.shared) }))
    }
}

/// A state that is handed out piece by piece.
struct Whole {
    position: Vec<u8>,
    rest: Bytes,
}

impl SnapshotSource for Whole {
    fn position(&self) -> &[u8] {
        &self.position
    }

    fn next(&mut self) -> Result<Option<Bytes>, MachineError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        Ok(Some(self.rest.split_to(length)))
    }
}

struct Received<S> {
    live: Live<S>,
    bytes: Vec<u8>,
    shared: Arc<Shared<S>>,
}

impl<S: SmallState> Staged for Received<S> {
    fn install(self: Box<Self>) -> Result<(), MachineError> {
        let mut durable = self.shared.durable.lock();
        (self.shared.save)(&join(&self.live.position, &self.bytes))?;
        *durable = Some(self.live.position.clone());
        *self.shared.live.write() = self.live;
        Ok(())
    }
}
