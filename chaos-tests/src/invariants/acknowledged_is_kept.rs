//! What was acknowledged is there, with its value, whichever node is asked.

use crate::Verdict;

/// What is wrong; nothing when all is there.
pub fn check(verdict: &Verdict) -> Option<String> {
    let bad = verdict.lost + verdict.changed;
    (bad > 0).then(|| {
        format!("{} acknowledged samples are lost and {} have another value", verdict.lost, verdict.changed)
    })
}
