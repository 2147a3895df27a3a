use super::{Known, Outcome, SourceSamples, State, Total};
use crate::mapping::Shape;
use plimsoll_model::Timestamp;

/// What had no sample for longer is read from the store again when it comes back.
const KEEP_MS: i64 = 3_600_000;

impl State {
    /// Goes on to `to`, which is the end of a step in the window that `outcome` is of, or the window's end.
    pub fn advance(&mut self, sources: &[SourceSamples], outcome: &Outcome, to: Timestamp, keep: usize) {
        for (series, reading) in sources.iter().zip(&outcome.readings) {
            let counted =
                reading.as_ref().is_some_and(|r| matches!(r.shape, Shape::Tokens { .. } | Shape::Counter(_)));
            let mut finite = series.samples.iter().filter(|(at, value)| *at <= to && value.is_finite());
            if let Some((at, value)) = finite.next_back().filter(|_| counted) {
                self.sources.insert(series.labels.clone(), Known { last: Some(*value), used: *at });
            }
        }
        for (labels, points) in &outcome.curves.points {
            if let Some((at, value)) = points.range(..=to).next_back() {
                let total = Total { at: Some(*at), value: *value };
                self.totals.insert(labels.clone(), (total, *at));
            }
        }
        self.sessions = outcome.sessions.clone();
        self.sessions.values_mut().for_each(|sessions| sessions.settle(to, keep));
        for sender in &outcome.senders {
            self.senders.insert(sender.clone(), to);
        }
        self.at = to;
        self.sources.retain(|_, known| to - known.used <= KEEP_MS);
        self.totals.retain(|_, (_, used)| to - *used <= KEEP_MS);
        self.senders.retain(|_, used| to - *used <= KEEP_MS);
    }
}
