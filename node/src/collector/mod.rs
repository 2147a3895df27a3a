//! From bytes of a request to acknowledged samples.
//!
//! Owns: decoding, validation, limits, the routing cache (raw label bytes to shard and ref), the split of a
//! request by shard, and the wait for the acks.
//! Does not own: HTTP (`http`), durability (`shard`).
//!
//! A small pool of actors decodes; the wait for the acks happens outside the actor, so that a slow disk never
//! stops decoding. What is in flight is bounded by the collector's credit (bytes of request bodies) and by each
//! shard's credit (bytes of batches).

mod actor;
mod error;
mod handle;
mod late;
mod msg;
mod routes;
mod settle;
mod split;
mod totals;

pub use error::Error;
pub use handle::Collector;
pub use late::{LATE_METRIC, next_time as next_late_time, series as late_series, watch_late};
pub use msg::{Format, Receipt, Row, RowValue};
pub use routes::Routes;
pub use split::Rules;
pub use totals::Totals;
