//! Faults against real nodes, and the books that tell whether anything was lost.
//!
//! Today: [`Ledger`] (what a client knows about its samples) and the program `plimsoll-kill`, which ends a
//! node with kill -9 again and again under load and then asks for every sample in the ledger.

mod ledger;
pub mod sim;

pub use ledger::{Fate, Ledger, Verdict};
