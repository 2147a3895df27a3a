//! What was never written is not there.

use crate::Verdict;

/// What is wrong; nothing when every sample found was sent.
pub fn check(verdict: &Verdict) -> Option<String> {
    (verdict.foreign > 0).then(|| format!("{} samples are there that nobody wrote", verdict.foreign))
}
