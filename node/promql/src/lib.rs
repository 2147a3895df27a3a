//! PromQL: from the text of a query to its answer.
//!
//! ```text
//! parse    text -> syntax tree, with the place of every node
//! plan     syntax tree -> operators with times in ms, cut into a leaf part and a merge part
//! exec     leaf part on every shard -> partial answers -> merge part -> answer
//! ```
//!
//! Owns: the language, its types and functions, evaluation, limits of a query.
//! Does not own: where samples come from ([`Source`] is implemented elsewhere), time (a deadline is somebody who
//! calls [`Stop::timeout`]), threads (it runs on the rayon pool it is called in), formats on the wire.

pub mod ast;
mod budget;
mod date;
mod error;
mod exec;
mod format;
mod functions;
mod hist;
mod json;
pub mod memory;
mod notes;
mod parse;
mod plan;
mod print;
mod regex;
mod series;
mod source;

pub use budget::{Budget, Stop};
pub use date::rfc3339 as format_time;
pub use error::{Error, ParseError, SourceError};
pub use exec::{Answer, Partial, Point, RangeSeries, Series, Stats, Value, execute};
pub use exec::{quantile_of_buckets, quantile_of_histogram};
pub use format::{format_duration, format_float, format_plain};
pub use functions::{FUNCTIONS, Function, function};
pub use hist::{Bucket, HistogramIncrease, all_buckets, histogram_was_reset};
pub use json::expr_json;
pub use notes::{Note, Notes, Severity};
pub use parse::{MAX_DEPTH, MAX_LENGTH, ParseOptions, parse, parse_selector};
pub use plan::{Grid, Grouping, Options, Plan, Rollups};
pub use regex::{CompiledMatcher, Finder, Pattern};
pub use series::{Described, SeriesDescription, parse_duration, parse_series};
pub use source::{Fold, Selection, Source, StartTimes};
