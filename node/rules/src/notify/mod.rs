//! From alerts to messages.
//!
//! ```text
//! config     routes and receivers, in Alertmanager's format
//! route      which receivers an alert goes to, and with which other alerts together
//! silence    what nobody is to be told of for a while
//! dispatch   groups of alerts, when they are told, and the log of what was told
//! message    the body of a message to each kind of receiver
//! ```

pub mod config;
mod dispatch;
pub mod message;
mod route;
mod secrets;
mod silence;
mod told;

pub use config::Config;
pub use dispatch::{Dispatcher, Job, LOG_METRIC, Outcome, shown_fingerprint};
pub use route::{Matchers, Route, parse_matcher};
pub use secrets::{SECRET, fill, mask};
pub use silence::{Silence, SilenceMatcher, SilenceState};
pub use told::{Told, fingerprint};
