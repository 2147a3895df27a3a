use super::{Cell, Kind, LoopStats, Report, Table, Unit};
use crate::Period;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// All is well.
    Ok,
    /// It cannot be told.
    Unknown,
    /// Somebody should look.
    Warn,
    /// Somebody must act.
    Bad,
}

impl State {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What: `cluster nodes`, `loop success`.
    pub name: String,
    /// Of which part: a node, a type of loop; empty for the whole.
    pub of: String,
    /// How it came out.
    pub state: State,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where nothing is.
    pub next: String,
}

/// From where on figures of agents are worth a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Part of the loops that may fail before somebody should look.
    pub failed_warn: f64,
    /// And before somebody must act.
    pub failed_bad: f64,
    /// Fewer executions tell nothing.
    pub executions: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { failed_warn: 0.05, failed_bad: 0.2, executions: 20.0 }
    }
}

/// Checks of how the loops of each key went.
pub fn agent_checks<'a>(
    loops: impl Iterator<Item = (&'a [String], &'a LoopStats)>,
    limits: Thresholds,
) -> Vec<Check> {
    let check = |(keys, stats): (&[String], &LoopStats)| {
        let failed = stats.success_rate().map(|rate| 1.0 - rate);
        let state = match failed {
            None => State::Unknown,
            Some(_) if stats.known < limits.executions => State::Unknown,
            Some(failed) if failed > limits.failed_bad => State::Bad,
            Some(failed) if failed > limits.failed_warn => State::Warn,
            Some(_) => State::Ok,
        };
        let seen = match failed {
            Some(failed) => format!("{:.1} % of {} loops failed", failed * 100.0, stats.known),
            None => format!("{} loops without a status", stats.executions),
        };
        let next = if state >= State::Warn { "plimsoll report errors" } else { "" };
        let (name, of, next) = ("loop success".to_owned(), keys.join(", "), next.to_owned());
        Check { name, of, state, seen, next }
    };
    loops.map(check).collect()
}

/// Whether all is well, the worst first.
pub fn health(mut checks: Vec<Check>, period: Period, mut notes: Vec<String>) -> Report {
    checks.sort_by(|a, b| b.state.cmp(&a.state).then_with(|| (&a.name, &a.of).cmp(&(&b.name, &b.of))));
    let worst = checks.iter().map(|c| c.state).filter(|s| *s != State::Unknown).max();
    let verdict = match worst {
        Some(State::Bad) => "something must be done: see the checks that are bad",
        Some(State::Warn) => "somebody should look: see the checks that warn",
        Some(_) => "all is well",
        None => "nothing can be told",
    };
    notes.insert(0, verdict.to_owned());
    let columns = [("state", Unit::Text), ("seen", Unit::Text), ("next", Unit::Text)];
    let keys = ["check".to_owned(), "of".to_owned()];
    let mut table = Table::new("checks", "Health", &keys, &columns);
    for check in checks {
        let cells = [check.state.as_str().to_owned(), check.seen, check.next].map(Cell::Text);
        table.push(vec![check.name, check.of], cells.to_vec());
    }
    // texts have no first figure, so the order stays but for the length
    table.left_out = table.rows.len().saturating_sub(super::MAX_ROWS);
    table.rows.truncate(super::MAX_ROWS);
    Report { kind: Kind::Health, period, earlier: None, tables: vec![table], notes }
}
