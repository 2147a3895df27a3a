//! Starts the real programs on loopback for tests and benchmarks: `plimsoll` itself and its peers.
//!
//! Reading order: [`process`] (one child: log, signals, what it costs), [`http`], [`answer`], [`plimsoll`] (a node),
//! [`cluster`] (several), [`exporter`] (a target for scrapes), [`peers`] (Debian's prometheus, node-exporter, victoria-metrics), [`remote_write`] (requests made
//! without the project's own encoder, so that a mistake there cannot hide itself), [`otlp`], [`certificates`], [`wait`],
//! [`page`] (where measured tables go).
//!
//! Everything here panics with what it saw when the world is not as a test needs it: a message in a failed
//! test is the best place for that. All servers listen on loopback only and end with the value that holds them.

pub mod answer;
pub mod certificates;
pub mod cluster;
pub mod exporter;
pub mod http;
pub mod otlp;
pub mod page;
pub mod peers;
pub mod plimsoll;
pub mod process;
pub mod receivers;
pub mod remote_write;
pub mod wait;
