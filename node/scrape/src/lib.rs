//! Scraping, without the network: what is to be scraped, and what comes of it.
//!
//! ```text
//! config     YAML as Prometheus has it        -> jobs, or what is wrong with them
//! discover   static groups, files, HTTP       -> groups of addresses with labels
//! target     a job and its groups, relabelled -> targets
//! schedule   a target's own moments           -> when it is scraped
//! negotiate  Accept and Content-Type          -> which decoder
//! meaning    a line of a body                 -> labels
//! series     a body of a target               -> samples, stale markers, what changed
//! ```
//!
//! Owns: the meaning of a scrape configuration, relabelling, target identity, limits of a scrape, staleness.
//! Does not own: connections, files, the clock (time is an argument), where samples go, who scrapes which target.

mod config;
mod discover;
mod labels;
mod meaning;
mod negotiate;
mod relabel;
mod report;
mod schedule;
mod series;
mod target;

pub use config::{
    Authorization, BasicAuth, Bytes, Config, Duration, FileSd, HttpClient, HttpSd, Job, Limits, Problem,
    Secret, Source, Tls, Warning, parse,
};
pub use discover::{Group, groups_from_json, groups_from_yaml};
pub use labels::LabelSet;
pub use meaning::Rules;
pub use negotiate::{Form, Protocol, accept_header, choose};
pub use relabel::{Action, Rule, relabel};
pub use report::{Figures, is_report, report};
pub use schedule::Schedule;
pub use series::{Failure, Meta, Sample, Scraped, Series, Value};
pub use target::{Dropped, Found, Target, targets};
