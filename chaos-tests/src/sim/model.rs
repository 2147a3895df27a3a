//! What a simulated shard holds: the numbers of all writes, in the order of the log. As simple as can be, so that any
//! difference between two replicas is the fault of what carried the writes.

use super::world::Shared;
use bytes::Bytes;
use plimsoll_consensus::{GroupId, Machine, MachineError, SmallMachine, SmallState, SnapshotSource, Staged};

/// A write: its number, which is never used twice.
pub type Write = u64;

/// The state.
#[derive(Clone, Default)]
pub struct Model {
    writes: Vec<Write>,
    /// Hash of all writes up to each one.
    chain: Vec<u64>,
}

impl Model {
    /// All writes in order.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Hash of the first writes, after each of them.
    pub fn chain(&self) -> &[u64] {
        &self.chain
    }

    fn push(&mut self, write: Write) {
        let before = self.chain.last().copied().unwrap_or(0);
        let mixed = (before ^ write).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.writes.push(write);
        self.chain.push(mixed ^ (mixed >> 29));
    }
}

impl SmallState for Model {
    /// Answers how many writes there are now.
    fn apply(&mut self, command: &[u8]) -> Result<Bytes, MachineError> {
        let write = command.try_into().map_err(|_| MachineError::new("not a write"))?;
        self.push(Write::from_le_bytes(write));
        Ok(Bytes::copy_from_slice(&(self.writes.len() as u64).to_le_bytes()))
    }

    fn encode(&self) -> Vec<u8> {
        self.writes.iter().flat_map(|write| write.to_le_bytes()).collect()
    }

    fn decode(bytes: &[u8]) -> Result<Self, MachineError> {
        let (writes, []) = bytes.as_chunks::<8>() else { return Err(MachineError::new("not a model")) };
        let mut model = Self::default();
        writes.iter().for_each(|write| model.push(Write::from_le_bytes(*write)));
        Ok(model)
    }
}

/// The machine of a simulated shard; the world learns of everything that it applies.
#[derive(Clone)]
pub struct ModelMachine {
    group: GroupId,
    host: usize,
    inner: SmallMachine<Model>,
    world: Shared,
}

impl ModelMachine {
    /// Goes on from the host's last checkpoint.
    pub fn open(group: GroupId, host: usize, world: &Shared) -> Result<Self, MachineError> {
        let saved = world.disk(host).saved(group);
        let save = {
            let world = world.clone();
            Box::new(move |bytes: &[u8]| {
                world.disk(host).save(group, bytes.to_vec());
                Ok(())
            })
        };
        let inner = SmallMachine::open(Model::default(), saved.as_deref(), save)?;
        Ok(Self { group, host, inner, world: world.clone() })
    }

    /// Looks at the state.
    pub fn read<R>(&self, look: impl FnOnce(&Model) -> R) -> R {
        self.inner.read(look)
    }
}

impl Machine for ModelMachine {
    fn position(&self) -> Option<Vec<u8>> {
        self.inner.position()
    }

    fn apply(&self, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError> {
        let before = self.inner.read(|model| model.writes.len());
        let replies = self.inner.apply(position, commands)?;
        self.inner.read(|model| self.world.applied(self.host, self.group, position, before, model));
        Ok(replies)
    }

    fn checkpoint(&self) -> Result<Vec<u8>, MachineError> {
        self.inner.checkpoint()
    }

    fn snapshot(&self) -> Result<Box<dyn SnapshotSource>, MachineError> {
        self.inner.snapshot()
    }

    fn stage(
        &self,
        position: &[u8],
        source: &mut dyn SnapshotSource,
    ) -> Result<Box<dyn Staged>, MachineError> {
        self.inner.stage(position, source)
    }
}
