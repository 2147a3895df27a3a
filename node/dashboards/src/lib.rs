//! Dashboards as data: their form, what is asked of them, those that come with the program, and those of Grafana.
//!
//! Owns: the JSON of a dashboard ([`Dashboard`]), its checks ([`Dashboard::check`]), the built-in ones ([`built_in`]),
//! the reading of Grafana's JSON ([`grafana::import`]).
//! Does not own: where dashboards are kept (documents of the ownership group), PromQL (the caller brings the check
//! of an expression), how they are drawn (`node/ui`).

mod builtin;
mod check;
mod dashboard;
mod expression;
pub mod grafana;

pub use builtin::{built_in, built_ins};
pub use check::{Error, MOST_BYTES, check_id, id_of};
pub use dashboard::{Dashboard, Kind, Level, Panel, Place, Query, Threshold, Variable};
pub use expression::with_samples;
