//! What is told about agents and their costs: reports, comparisons, anomalies, forecasts, and when reports are due.
//!
//! A report: [`increase`](mod@increase) (what counters grew by, exactly) → [`report`] (tables) → [`render`] (text).
//!
//! Owns: the arithmetic and the words of all of these.
//! Does not own: where samples come from ([`plimsoll_promql::Source`]), the clock (moments are arguments), delivery.

pub mod anomaly;
pub mod forecast;
pub mod increase;
mod period;
pub mod render;
pub mod report;
mod robust;
pub mod schedule;
mod sum;
pub mod time;
pub mod watch;

pub use period::{Compare, Error as PeriodError, LONGEST_MS, Period};
pub use sum::Sum;
