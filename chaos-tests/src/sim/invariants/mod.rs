//! What must hold at every moment of every run, an invariant a file.

pub mod acknowledged;
pub mod content;
pub mod epochs;
pub mod leaders;
pub mod placement;
pub mod reads;

/// All invariants, and what was seen of each.
#[derive(Default)]
pub struct Invariants {
    /// One leader a group and term.
    pub leaders: leaders::Leaders,
    /// What is acknowledged is stored on a majority, and stays.
    pub acknowledged: acknowledged::Acknowledged,
    /// Equal positions, equal content.
    pub content: content::Content,
    /// Epochs only grow, and mean the same everywhere.
    pub epochs: epochs::Epochs,
    reads: usize,
    violations: Vec<String>,
}

/// Violations kept; the first ones tell the most.
const VIOLATIONS: usize = 20;

impl Invariants {
    /// Keeps a violation.
    pub fn violated(&mut self, violation: String) {
        if self.violations.len() < VIOLATIONS {
            self.violations.push(violation);
        }
    }

    /// A read was compared with what was acknowledged before.
    pub fn read(&mut self) {
        self.reads += 1;
    }

    /// Reads that were compared.
    pub fn reads(&self) -> usize {
        self.reads
    }

    /// What did not hold.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}
