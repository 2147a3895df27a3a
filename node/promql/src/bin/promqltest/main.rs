//! Runs Prometheus' `.test` scripts against the engine, as its own `promqltest` does.
//!
//! `promqltest [-v] [--min N] [--shards N] PATH...`: a line for each file, last `N passed, M failed`.
//! Language: <https://github.com/prometheus/prometheus/blob/main/promql/promqltest/README.md>.

mod check;
mod compare;
mod load;
mod script;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

struct Settings {
    verbose: bool,
    least: usize,
    shards: u16,
    paths: Vec<PathBuf>,
}

fn settings() -> Result<Settings, String> {
    let mut out = Settings { verbose: false, least: 0, shards: 3, paths: Vec::new() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
            value.parse::<usize>().map_err(|_| format!("{arg} needs a number, not {value:?}"))
        };
        match arg.as_str() {
            "-v" | "--verbose" => out.verbose = true,
            "--min" => out.least = number()?,
            "--shards" => out.shards = u16::try_from(number()?).map_err(|_| "too many shards".to_owned())?,
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}")),
            path => out.paths.push(path.into()),
        }
    }
    if out.paths.is_empty() {
        return Err("usage: promqltest [-v] [--min N] [--shards N] PATH...".into());
    }
    Ok(out)
}

/// The scripts at `path`: itself, or all `.test` files below it.
fn scripts(path: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        out.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|e| e == "test") {
            scripts(&entry, out)?;
        }
    }
    Ok(())
}

fn run(settings: &Settings) -> Result<(usize, usize), String> {
    let mut files = Vec::new();
    for path in &settings.paths {
        scripts(path, &mut files).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let (mut passed, mut failed) = (0, 0);
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let report = check::run_script(&text, settings.shards);
        println!("{}: {} passed, {} failed", file.display(), report.passed, report.failures.len());
        if settings.verbose {
            for failure in &report.failures {
                println!("  line {}: {}", failure.line, failure.reason);
            }
        }
        passed += report.passed;
        failed += report.failures.len();
    }
    println!("{passed} passed, {failed} failed");
    Ok((passed, failed))
}

fn main() -> ExitCode {
    let outcome = settings().and_then(|s| run(&s).map(|(passed, _)| (passed, s.least)));
    match outcome {
        Ok((passed, least)) if passed >= least => ExitCode::SUCCESS,
        Ok((passed, least)) => {
            eprintln!("{passed} passed, at least {least} were wanted");
            ExitCode::from(1)
        }
        Err(reason) => {
            eprintln!("promqltest: {reason}");
            ExitCode::from(2)
        }
    }
}
