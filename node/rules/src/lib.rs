//! Rules: from the text of a file to alerts, and from alerts to messages.
//!
//! ```text
//! file      YAML -> groups of rules, checked
//! evaluate  the answer to a rule's expression -> samples to be stored, alerts in their stages
//! series    alerts as series, and back: what another evaluator needs to go on
//! notify    routes, silences, groups of alerts, the log of what was told, messages
//! unit      unit tests as promtool has them; lint: what is probably not meant
//! ```
//!
//! Owns: the meaning of rule files, templates, the stages of an alert, times of groups.
//! Does not own: asking queries and storing samples (the node), time (an argument), bytes on the wire.

pub mod alert;
pub mod evaluate;
pub mod file;
pub mod lint;
pub mod notify;
pub mod reads;
pub mod rule;
pub mod schedule;
pub mod series;
pub mod template;
pub mod unit;

/// Rules that come with Plimsoll: agent loops, their cost, the cluster itself.
pub const BUILTIN: &str = include_str!("../builtin/agents.yml");
