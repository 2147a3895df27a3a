use super::{Form, MOST_SERIES, Outcome, Wanted};
use crate::query::{Consistency, Request, Times};
use bytes::Bytes;
use plimsoll_promql::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of ticks that a query keeps for those who come later; beyond them the oldest go.
const TICK_BYTES: usize = 512 << 10;
/// An evaluation that takes longer is of no use to anybody who looks on.
const LONGEST: Duration = Duration::from_secs(10);

/// What makes two wishes the same evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// PromQL.
    pub expr: Arc<str>,
    /// Milliseconds between evaluations.
    pub step_ms: i64,
    /// Milliseconds of the past; 0 for none.
    pub window_ms: i64,
}

impl Key {
    pub(super) fn of(wanted: &Wanted, step_ms: i64) -> Self {
        Self { expr: wanted.expr.as_str().into(), step_ms, window_ms: wanted.window_ms }
    }

    /// The question for one step.
    pub(super) fn at(&self, at_ms: i64) -> Request {
        self.request(Times::Instant(at_ms))
    }

    /// The question for the window up to `end_ms`.
    pub(super) fn window(&self, end_ms: i64) -> Request {
        let start = (end_ms - self.window_ms).div_euclid(self.step_ms) * self.step_ms;
        self.request(Times::Range { start, end: end_ms, step: self.step_ms })
    }

    fn request(&self, times: Times) -> Request {
        let step = Duration::from_millis(self.step_ms.unsigned_abs());
        Request {
            text: self.expr.to_string(),
            times,
            timeout: Some(step.clamp(Duration::from_secs(2), LONGEST)),
            lookback: None,
            origin: "live".to_owned(),
            consistency: Consistency::Lease,
            partial: false,
        }
    }
}

/// A query that somebody looks at, and what it was.
pub(super) struct Topic {
    /// Its number on the wire.
    pub id: u64,
    /// Pages that show it.
    pub pages: usize,
    /// Whether its past is known; before, it is not evaluated.
    pub filled: bool,
    history: Option<Bytes>,
    ticks: VecDeque<(i64, Bytes)>,
    bytes: usize,
}

impl Topic {
    pub fn new(id: u64) -> Self {
        Self { id, pages: 0, filled: false, history: None, ticks: VecDeque::new(), bytes: 0 }
    }

    /// Takes what was within the window, and answers the message for those who look on.
    pub fn fill(&mut self, form: &dyn Form, key: &Key, end_ms: i64, mut outcome: Outcome) -> Bytes {
        self.filled = true;
        cut(&mut outcome);
        if key.window_ms == 0 {
            let part = self.add(form, key, end_ms, outcome);
            return form.tick(end_ms, &[&part]);
        }
        let message = form.history(self.id, &outcome);
        self.history = outcome.is_ok().then(|| message.clone());
        message
    }

    /// Takes what it is at a step, and answers its part of the message.
    pub fn add(&mut self, form: &dyn Form, key: &Key, at_ms: i64, mut outcome: Outcome) -> Bytes {
        cut(&mut outcome);
        let part = form.part(self.id, &outcome);
        if outcome.is_ok() {
            self.bytes += part.len();
            self.ticks.push_back((at_ms, part.clone()));
        }
        let steps = (key.window_ms / key.step_ms).max(0);
        let oldest = at_ms - key.window_ms;
        if self.ticks.len() as i64 > steps {
            // all of it is older than the window now
            self.history = None;
        }
        while self.ticks.len() > 1
            && (self.bytes > TICK_BYTES || self.ticks.front().is_some_and(|(at, _)| *at < oldest))
        {
            self.bytes -= self.ticks.pop_front().map_or(0, |(_, part)| part.len());
            self.history = self.history.take().filter(|_| self.bytes <= TICK_BYTES);
        }
        part
    }

    /// What somebody who comes now has missed.
    pub fn past(&self, form: &dyn Form, out: &mut Vec<u8>) {
        if let Some(history) = &self.history {
            out.extend_from_slice(history);
        }
        for (at, part) in &self.ticks {
            out.extend_from_slice(&form.tick(*at, &[part]));
        }
    }
}

fn cut(outcome: &mut Outcome) {
    match outcome {
        Ok(Value::Vector(_, all)) => all.truncate(MOST_SERIES),
        Ok(Value::Matrix(all)) => all.truncate(MOST_SERIES),
        Ok(Value::Scalar(..) | Value::String(..)) | Err(_) => {}
    }
}
