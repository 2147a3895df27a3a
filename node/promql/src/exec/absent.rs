//! `absent` and `absent_over_time`: a 1 wherever there is nothing.

use super::Context;
use super::bits::Bits;
use super::frame::{Frame, Row};
use crate::error::Error;
use crate::plan::{Grid, Node};
use plimsoll_model::Labels;

impl Context<'_> {
    pub(super) fn absent(
        &self,
        input: &Node,
        labels: &[(String, String)],
        grid: Grid,
    ) -> Result<Frame, Error> {
        let presence = match input {
            Node::Leaf(at) => match self.leaf_presence(*at) {
                Some(bits) => bits,
                None => presence_of(&self.frame(input, grid)?),
            },
            _ => presence_of(&self.frame(input, grid)?),
        };
        let labels = Labels::from_pairs(labels.iter().map(|(n, v)| (n, v)))
            .map_err(|e| Error::Evaluation(e.to_string()))?;
        let mut row = Row::empty(labels, grid.steps);
        for step in (0..grid.steps).filter(|s| !presence.get(*s)) {
            row.set(step, 1.0);
        }
        let mut frame = Frame::new(grid.steps);
        if row.present.any() {
            frame.rows.push(row);
        }
        Ok(frame)
    }
}

/// Where any row has a sample.
pub(super) fn presence_of(frame: &Frame) -> Bits {
    let mut bits = Bits::none(frame.steps);
    for row in &frame.rows {
        bits.union(&row.presence());
    }
    bits
}
