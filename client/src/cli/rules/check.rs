use super::read_all;
use crate::cli::{Outcome, escape::terminal, exit::Exit, output::say};
use std::path::PathBuf;

/// Checks files; says how many rules each has, or what is wrong.
pub(super) fn run(paths: &[PathBuf]) -> Outcome {
    let (files, faults) = read_all(paths)?;
    for (name, groups) in &files {
        let rules: usize = groups.iter().map(|g| g.rules.len()).sum();
        say(&format!("{}: ok, {rules} rules in {} groups\n", terminal(name), groups.len()))?;
    }
    for fault in &faults {
        eprintln!("{}", terminal(fault));
    }
    Ok(if faults.is_empty() { Exit::Ok } else { Exit::Lint })
}
