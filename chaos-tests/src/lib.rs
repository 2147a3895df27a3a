//! Faults against real nodes, and the books that tell whether anything was lost.
//!
//! [`Ledger`]: what a client knows about its samples. The program `plimsoll-kill` ends one node with kill -9 again and
//! again under load. The program `plimsoll-chaos` does worse to a cluster: a *scenario* (a file in [`scenarios`]) names
//! the faults (a file each in [`faults`]) and what must hold all the same (a file each in [`invariants`]); [`world`] is
//! the cluster under load that it happens to, [`report`] the table that comes of it.

pub mod faults;
pub mod invariants;
mod ledger;
pub mod load;
pub mod network;
pub mod report;
pub mod samples;
pub mod scenarios;
pub mod sim;
pub mod world;

pub use ledger::{Fate, Ledger, Verdict};
