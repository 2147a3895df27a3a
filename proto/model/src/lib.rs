//! The words of Plimsoll, shared by every crate: labels, samples, histograms, matchers, ids.
//!
//! Owns: the in-memory form of these words, the canonical bytes of labels, and the batch that travels
//! from a collector through the raft log into a shard.
//! Does not own: any wire format of others (`plimsoll-proto`), any file format (`plimsoll-storage`).

mod batch;
pub mod buckets;
mod fault;
mod histogram;
mod ids;
mod increase;
mod labels;
mod matcher;
mod points;
mod samples;
pub mod varint;
mod visible;

pub use batch::{Batch, BatchBuilder, BatchError, Item, Target};
pub use fault::Fault;
pub use histogram::{Histogram, ResetHint, Span};
pub use ids::{Epoch, NodeId, SeriesRef, ShardId};
pub use increase::{Increase, Interval};
pub use labels::{Labels, LabelsBuilder, LabelsError};
pub use matcher::{MatchOp, Matcher};
pub use points::{Point, Points, PointsBuilder};
pub use samples::{FloatColumn, STALE_NAN_BITS, Samples, TimeRange, Timestamp, is_stale, stale_nan};
pub use visible::{csv_field, html_text, markdown_text, visible};

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";
