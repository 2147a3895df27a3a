//! The table of docs/faults.md: a row a scenario, replaced when it is run again.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// What came of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// How often the fault struck.
    pub rounds: usize,
    /// Samples acknowledged.
    pub acknowledged: usize,
    /// Acknowledged samples that are gone or have another value.
    pub lost: usize,
    /// Samples that nobody wrote.
    pub foreign: usize,
    /// Shards that two nodes led in the same term.
    pub split: usize,
    /// Leaderships (a shard and a term) that were seen.
    pub leaderships: usize,
    /// The longest wait of a writer after each fault that took a leader away, sorted.
    pub gaps: Vec<Duration>,
    /// Further figures.
    pub notes: Vec<String>,
    /// What did not hold.
    pub violations: Vec<String>,
}

/// Which scenario a row is of.
pub struct Head<'a> {
    /// Row of the list of faults.
    pub row: &'a str,
    /// Name of the scenario.
    pub name: &'a str,
    /// What happens in it.
    pub what: &'a str,
    /// Seed.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
}

const TABLE_HEAD: &str = "| row | scenario | what happens | seed | rounds | acknowledged | lost | never written | split leadership | write gap p50 / p99 / max, s | outcome |\n|---|---|---|--:|--:|--:|--:|--:|--:|---|---|";

impl Row {
    /// Takes over what another run of the same scenario has found.
    pub fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.foreign += other.foreign;
        self.split += other.split;
        self.leaderships += other.leaderships;
        self.gaps.extend(other.gaps);
        self.gaps.sort();
        self.notes.extend(other.notes);
        self.violations.extend(other.violations);
    }

    /// The row of the table.
    pub fn line(&self, head: &Head<'_>) -> String {
        let at = |q: f64| self.gaps[((self.gaps.len() - 1) as f64 * q).round() as usize].as_secs_f64();
        let gaps = match self.gaps.len() {
            0 => "-".to_owned(),
            _ => format!("{:.2} / {:.2} / {:.2}", at(0.5), at(0.99), at(1.0)),
        };
        let outcome = match self.violations.len() {
            0 => "holds".to_owned(),
            n => format!("**{n} violations**, first: {}", self.violations[0]),
        };
        let outcome =
            [&[outcome], &self.notes[..]].concat().join("; ").replace('|', "\\|").replace('\n', " ");
        format!(
            "| {} | `{}` | {} | {} | {} | {} | {} | {} | {} of {} | {gaps} | {outcome} |",
            head.row,
            head.name,
            head.what,
            head.seed,
            self.rounds,
            self.acknowledged,
            self.lost,
            self.foreign,
            self.split,
            self.leaderships
        )
    }
}

/// Puts a row into the table of the page at `path`, in the place of the one of the same scenario. `order` is that of
/// the scenarios.
pub fn put(path: &Path, name: &str, line: &str, order: &[&str]) -> io::Result<()> {
    let page = fs::read_to_string(path)?;
    let old = page
        .split("<!-- faults: begin -->")
        .nth(1)
        .and_then(|rest| rest.split("<!-- faults: end -->").next());
    let table = merged(old.unwrap_or_default(), name, line, order);
    plimsoll_tests::page::replace(path, "faults", &table)
}

fn merged(old: &str, name: &str, line: &str, order: &[&str]) -> String {
    let of = |line: &str| line.split('`').nth(1).unwrap_or_default().to_owned();
    let mut rows: Vec<String> =
        old.lines().filter(|row| row.contains("| `") && of(row) != name).map(str::to_owned).collect();
    rows.push(line.to_owned());
    rows.sort_by_key(|row| order.iter().position(|known| *known == of(row)));
    format!("{TABLE_HEAD}\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_the_place_of_the_one_of_its_scenario() {
        let old = merged("", "b", "| R2 | `b` | old |", &["a", "b"]);
        let both = merged(&old, "a", "| R1 | `a` | x |", &["a", "b"]);
        let new = merged(&both, "b", "| R2 | `b` | new |", &["a", "b"]);
        assert_eq!(new.lines().skip(2).collect::<Vec<_>>(), ["| R1 | `a` | x |", "| R2 | `b` | new |"]);
    }
}
