//! What agents do, as metrics: loops, tokens, tools, errors.
//!
//! Owns: the names and labels of these metrics, how a finished loop ([`LoopExecution`]) and one under way
//! ([`LoopGuard`]) become counts.
//! Does not own: prices; what tokens cost is worked out where the price book is.

mod execution;
mod guard;
mod names;
mod tokens;

pub use execution::{LlmCall, LoopExecution, LoopStatus, ToolCall};
pub use guard::LoopGuard;
pub use names::LoopNames;
pub use tokens::Tokens;

pub(crate) use names::LoopMetrics;
