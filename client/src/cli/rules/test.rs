use super::read;
use crate::cli::{Outcome, escape::terminal, exit::Exit, exit::Problem, output::say};
use plimsoll_rules::{file, unit};
use std::path::{Path, PathBuf};

/// Runs unit tests; prints what promtool prints.
pub(super) fn run(paths: &[PathBuf]) -> Outcome {
    let mut all = true;
    for path in paths {
        let failures = run_file(path)?;
        say(&format!("Unit Testing:  {}\n", terminal(&path.display().to_string())))?;
        if failures.is_empty() {
            say("  SUCCESS\n\n")?;
            continue;
        }
        all = false;
        eprintln!("  FAILED:");
        for line in failures.iter().flat_map(|failure| failure.lines()) {
            eprintln!("{}", terminal(line));
        }
        eprintln!();
    }
    Ok(if all { Exit::Ok } else { Exit::Lint })
}

/// What does not hold in a file of tests, or what is wrong with its rules.
fn run_file(path: &Path) -> Result<Vec<String>, Problem> {
    let tests = match unit::parse(&read(path)?) {
        Ok(tests) => tests,
        Err(e) => return Ok(vec![format!("    {e}")]),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut groups = Vec::new();
    for pattern in &tests.rule_files {
        for rules in matching(&folder.join(pattern))? {
            match file::parse(&read(&rules)?) {
                Ok(more) => groups.extend(more),
                Err(e) => return Ok(vec![format!("    {}: {e}", rules.display())]),
            }
        }
    }
    Ok(unit::run(&tests, &groups))
}

/// The files of a pattern: `*` stands for any characters of the last part.
fn matching(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else { return Ok(vec![path.to_owned()]) };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder)
        .map_err(|e| Problem::fail(format!("cannot read the folder {}: {e}", folder.display())))?;
    let fits = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(fits).collect();
    found.sort();
    Ok(found)
}
