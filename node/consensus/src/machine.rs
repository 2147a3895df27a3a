//! What a group replicates into.

use bytes::Bytes;

/// A replicated state machine, durable by checkpoints.
///
/// `apply` is called by one task at a time, in log order, and must be fast: it changes memory only. What it
/// changed becomes durable with the next `checkpoint`, together with the position that `apply` was given, and
/// after a restart the group applies again whatever the log holds after that position.
pub trait Machine: Send + Sync + 'static {
    /// The position that is durable with the last checkpoint; `None` before the first one.
    fn position(&self) -> Option<Vec<u8>>;

    /// Applies `commands`, and remembers `position` as what the state now covers.
    ///
    /// Answers one reply for each command, in order. `commands` may be empty: then only the position moves.
    /// A refusal of a single command is a reply; an error means that the state can no longer follow the log,
    /// and stops the group on this node.
    fn apply(&self, position: &[u8], commands: &[Bytes]) -> Result<Vec<Bytes>, MachineError>;

    /// Whether a command is to be applied by a call of its own: the position of that call is exactly its own, and the
    /// position before covers exactly what came before. For commands that make something durable at once.
    fn stands_alone(&self, command: &[u8]) -> bool {
        let _ = command;
        false
    }

    /// Makes everything applied so far durable, in one atomic step with the position it covers, and answers
    /// that position. May be slow; `apply` goes on meanwhile.
    fn checkpoint(&self) -> Result<Vec<u8>, MachineError>;

    /// Opens the whole state at one moment for a peer. May be slow; `apply` goes on meanwhile.
    fn snapshot(&self) -> Result<Box<dyn SnapshotSource>, MachineError>;

    /// Receives the whole state of a peer, covering `position`, beside the present state, which stays as it is.
    ///
    /// Reads `source` to its end. An error only ends the transfer; dropping the result discards it.
    fn stage(
        &self,
        position: &[u8],
        source: &mut dyn SnapshotSource,
    ) -> Result<Box<dyn Staged>, MachineError>;
}

/// The state of a machine at one moment, read piece by piece on a blocking thread.
pub trait SnapshotSource: Send {
    /// The position that the state covers.
    fn position(&self) -> &[u8];

    /// The next piece, at most about a MiB; `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, MachineError>;
}

/// A received state, ready to replace the machine's own.
pub trait Staged: Send {
    /// Replaces the state durably and atomically; no `apply` runs meanwhile.
    fn install(self: Box<Self>) -> Result<(), MachineError>;
}

/// Why a machine cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct MachineError {
    /// What happened, for the log of the node and the operator.
    pub reason: String,
}

impl MachineError {
    /// An error that says `reason`.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}
