//! `plimsoll-chaos`: faults of many kinds against a cluster of real nodes under load, and whether what was acknowledged
//! is there afterwards. Exits non-zero when anything did not hold.

use anyhow::{Result, bail, ensure};
use clap::Parser;
use plimsoll_chaos_tests::report::{self, Head, Row};
use plimsoll_chaos_tests::scenarios::{ALL, Scenario};
use plimsoll_chaos_tests::world::Order;
use std::panic;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Parser)]
#[command(
    about = "Faults against a cluster of real nodes; looks for lost and invented samples and for two leaders"
)]
struct Cli {
    /// Which scenario: its name, or all
    #[arg(long, default_value = "all")]
    scenario: String,
    /// Seed of all that is left to chance: who is hit, when, and for how long
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often the fault strikes; each scenario has its own default
    #[arg(long)]
    rounds: Option<usize>,
    /// Page whose table "faults" gets a row a scenario
    #[arg(long)]
    page: Option<PathBuf>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let chosen: Vec<&Scenario> =
        ALL.iter().filter(|s| cli.scenario == "all" || cli.scenario == s.name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = ALL.iter().map(|s| s.name).collect();
        bail!("there is no scenario {:?}; there are: all, {}", cli.scenario, names.join(", "));
    }
    let mut failed = Vec::new();
    for scenario in chosen {
        if let Some(missing) = scenario.needs.missing() {
            eprintln!("{} is left out: {missing}", scenario.name);
            continue;
        }
        if !run(&cli, scenario)? {
            failed.push(scenario.name);
        }
    }
    ensure!(failed.is_empty(), "these did not hold: {}", failed.join(", "));
    Ok(())
}

/// Runs one scenario and writes its row; whether all held.
fn run(cli: &Cli, scenario: &Scenario) -> Result<bool> {
    let order = Order { seed: cli.seed, rounds: cli.rounds.unwrap_or(scenario.rounds).max(1) };
    eprintln!("{} ({}), seed {}, {} rounds", scenario.name, scenario.row, order.seed, order.rounds);
    let began = Instant::now();
    let row = panic::catch_unwind(|| (scenario.run)(order)).unwrap_or_else(|cause| {
        let text =
            cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("unknown").lines().next().unwrap_or_default().to_owned();
        Row { violations: vec![format!("the scenario did not end: {text}")], ..Row::default() }
    });
    let command = format!(
        "plimsoll-chaos --scenario {} --seed {} --rounds {}",
        scenario.name, order.seed, order.rounds
    );
    let head =
        Head { row: scenario.row, name: scenario.name, what: scenario.what, seed: order.seed, command };
    let line = row.line(&head);
    println!("{line}");
    row.violations.iter().for_each(|what| eprintln!("  DOES NOT HOLD: {what}"));
    eprintln!("  took {:.0} s: {}", began.elapsed().as_secs_f64(), head.command);
    if let Some(page) = &cli.page {
        let names: Vec<&str> = ALL.iter().map(|s| s.name).collect();
        report::put(page, scenario.name, &line, &names)?;
    }
    Ok(row.violations.is_empty())
}
