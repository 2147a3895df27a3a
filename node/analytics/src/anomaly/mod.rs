//! Whether a value is what one would expect at this time, from the past of its series alone.
//!
//! The model is a function of the past on a fixed grid, so that another node that reads the same past comes to the same
//! scores. All estimates are medians and quantiles: an outage last week moves them little.
//!
//! 1. Values go through asinh, scaled by their own size: near 0 they stay as they are, large ones count by ratio.
//! 2. What is usual at this time: the median of the same time of the last days or weeks, whichever has told best.
//! 3. What is usual of late: the median of the last hour's differences from that, as far as such differences have lasted.
//! 4. The band: the spread of the errors that this would have made so far, wider the shorter the past is.

mod fit;
mod grid;
mod model;
mod transform;

pub use fit::Season;
pub use grid::Grid;
pub use model::{Model, Settings, Verdict};
pub use transform::Transform;

pub(crate) use fit::{Fit, usual, usual_as_of};

/// Distance of the points of the long past.
pub const COARSE_MS: i64 = 15 * 60_000;
/// The long past: four weeks.
pub const COARSE_POINTS: usize = 4 * 7 * 96;
/// The short past.
pub const FINE_MS: i64 = 6 * 3_600_000;
