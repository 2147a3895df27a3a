//! `plimsoll-load`: loads and questions for remote-write servers, and the comparison of Plimsoll with its peers.
//!
//! Servers are started and asked on loopback only; every load is bounded by the size of its data set.

mod bench;
mod cluster;
mod export;
mod otlp;
mod profiles;
mod queries;
mod replay;
mod report;
mod scrape;
mod subjects;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};
use plimsoll_tests::http::Http;
use plimsoll_tests::page;
use profiles::{DataSet, Profile, Shape};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use subjects::Subject;

#[derive(Parser)]
#[command(about = "Loads and questions for remote-write servers on this machine")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start each server in turn, load it, ask it, and print the tables
    Bench(BenchArgs),
    /// Three nodes against one: CPU, latency, pushdown, growing to four
    Cluster(ClusterArgs),
    /// All samples out again, against VictoriaMetrics and promtool
    Export(ExportArgs),
    /// The same samples as remote write and as OTLP: CPU of a node for each
    Otlp(OtlpArgs),
    /// A thousand targets: what a scraped sample costs, beside Prometheus
    Scrape(ScrapeArgs),
    /// Send a data set to a server that runs
    Send(SendArgs),
    /// Ask a server that runs, and compare its answers with another's
    Ask(AskArgs),
}

#[derive(Args)]
struct BenchArgs {
    /// Data sets (default: all)
    #[arg(long, value_enum)]
    profile: Vec<Profile>,
    /// Servers (default: all)
    #[arg(long, value_enum)]
    server: Vec<Subject>,
    /// Divide the number of targets by this, for a quick look
    #[arg(long, default_value_t = 1)]
    divide: usize,
    /// How often each query is asked
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Folder of query files
    #[arg(long, default_value = "tests/load/queries")]
    queries: PathBuf,
    /// Page whose tables are replaced; without it they go to stdout alone
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Args)]
struct ClusterArgs {
    /// Samples that are in the cluster when it grows
    #[arg(long, default_value_t = 10_000_000)]
    samples: usize,
    /// Page whose table is replaced; without it it goes to stdout alone
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Args)]
struct OtlpArgs {
    /// Data sets (default: all)
    #[arg(long, value_enum)]
    profile: Vec<Profile>,
    /// Divide the number of targets by this, for a quick look
    #[arg(long, default_value_t = 1)]
    divide: usize,
    /// Page whose tables are replaced; without it they go to stdout alone
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Args)]
struct ExportArgs {
    /// Divide the number of targets by this, for a quick look
    #[arg(long, default_value_t = 1)]
    divide: usize,
    /// Page whose table is replaced; without it it goes to stdout alone
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Args)]
struct ScrapeArgs {
    /// Targets
    #[arg(long, default_value_t = 1000)]
    targets: usize,
    /// Series of each
    #[arg(long, default_value_t = 200)]
    series: usize,
    /// Seconds between two scrapes
    #[arg(long, default_value_t = 5)]
    interval: u32,
    /// Seconds that are counted
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Page whose table is replaced; without it it goes to stdout alone
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Args)]
struct SendArgs {
    #[arg(long, value_enum)]
    profile: Profile,
    /// Base url of the server
    #[arg(long, default_value = "http://127.0.0.1:7777")]
    url: String,
    #[arg(long, default_value_t = 100)]
    targets: usize,
    #[arg(long, default_value_t = 100)]
    scrapes: usize,
}

#[derive(Args)]
struct AskArgs {
    /// A query file
    file: PathBuf,
    #[arg(long, default_value = "http://127.0.0.1:7777")]
    url: String,
    /// Base url of a second server
    #[arg(long)]
    versus: Option<String>,
    /// Unix seconds that the queries end at
    #[arg(long)]
    end: f64,
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Bench(args) => bench(args),
        Command::Cluster(args) => measure_cluster(&args),
        Command::Export(args) => measure_export(&args),
        Command::Otlp(args) => measure_otlp(args),
        Command::Scrape(args) => measure_scrape(&args),
        Command::Send(args) => send(&args),
        Command::Ask(args) => ask(&args),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    since.as_secs() as i64
}

fn bench(args: BenchArgs) -> Result<()> {
    let or_all =
        |given: Vec<_>| if given.is_empty() { vec![Profile::Devops, Profile::Agents] } else { given };
    let mut subjects = args.server;
    if subjects.is_empty() {
        subjects = vec![Subject::VictoriaMetrics, Subject::Prometheus, Subject::Plimsoll];
    }
    let plan = bench::Plan {
        profiles: or_all(args.profile),
        subjects,
        divide: args.divide.max(1),
        runs: args.runs.max(1),
        end: now(),
    };
    let figures = bench::run(&plan, &args.queries)?;
    let tables = format!("Measured on {}.\n\n{}", report::machine(), report::tables(&figures));
    println!("{tables}");
    if let Some(path) = args.page {
        page::replace(&path, "tables of make bench", &tables)?;
        eprintln!("wrote the tables to {}", path.display());
    }
    Ok(())
}

fn measure_cluster(args: &ClusterArgs) -> Result<()> {
    let table = cluster::run(&cluster::Plan { samples: args.samples, end: now() })?;
    let table = format!("Measured on {}.\n\n{table}", report::machine());
    println!("{table}");
    if let Some(path) = &args.page {
        page::replace(path, "table of plimsoll-load cluster", &table)?;
        eprintln!("wrote the table to {}", path.display());
    }
    Ok(())
}

fn measure_otlp(args: OtlpArgs) -> Result<()> {
    let all = vec![Profile::Devops, Profile::Agents];
    let mut tables = format!("Measured on {}.\n", report::machine());
    for profile in if args.profile.is_empty() { all } else { args.profile } {
        tables.push('\n');
        tables.push_str(&otlp::run(profile, args.divide, now())?);
    }
    println!("{tables}");
    if let Some(path) = &args.page {
        page::replace(path, "tables of plimsoll-load otlp", &tables)?;
        eprintln!("wrote the tables to {}", path.display());
    }
    Ok(())
}

fn measure_export(args: &ExportArgs) -> Result<()> {
    let table = export::run(&export::Plan { divide: args.divide.max(1), end: now() })?;
    let table = format!("Measured on {}.\n\n{table}", report::machine());
    println!("{table}");
    if let Some(path) = &args.page {
        page::replace(path, "table of plimsoll-load export", &table)?;
        eprintln!("wrote the table to {}", path.display());
    }
    Ok(())
}

fn measure_scrape(args: &ScrapeArgs) -> Result<()> {
    let ScrapeArgs { targets, series, interval, seconds, page } = args;
    let plan = scrape::Plan { targets: *targets, series: *series, interval_s: *interval, seconds: *seconds };
    let table = scrape::run(&plan)?;
    let about =
        format!("{targets} targets of {series} series each, every {interval} s, counted for {seconds} s");
    let table = format!("Measured on {}: {about}.\n\n{table}", report::machine());
    println!("{table}");
    if let Some(path) = page {
        page::replace(path, "table of plimsoll-load scrape", &table)?;
        eprintln!("wrote the table to {}", path.display());
    }
    Ok(())
}

fn send(args: &SendArgs) -> Result<()> {
    let shape = Shape { targets: args.targets, scrapes: args.scrapes, ..args.profile.shape() };
    let data = DataSet::make(args.profile, shape, now(), 1);
    let sent = replay::replay(&data, &Http::new(&args.url));
    println!(
        "{} samples of {} series acknowledged in {:.1} s, {:.0} a second; p50 {:.1} ms, p99 {:.1} ms; end {}",
        sent.acknowledged,
        data.series,
        sent.seconds,
        sent.acknowledged as f64 / sent.seconds,
        sent.latency_ms(0.5),
        sent.latency_ms(0.99),
        data.end
    );
    ensure!(sent.failures.is_empty(), "requests failed: {:?}", sent.failures);
    Ok(())
}

fn ask(args: &AskArgs) -> Result<()> {
    let first = Http::new(&args.url);
    let second = args.versus.as_ref().map(Http::new);
    let mut wrong = 0;
    for query in queries::read(&args.file)? {
        let here = query.time(&first, args.end, args.runs);
        let there = second.as_ref().map(|http| query.time(http, args.end, args.runs));
        let verdict = match (&here.answer, there.as_ref().map(|timed| &timed.answer)) {
            (Err(error), _) => Err(format!("error: {error}")),
            (Ok(answer), None) => Ok(format!("{:?} series and points", answer.size())),
            (Ok(_), Some(Err(error))) => Err(format!("the second server: {error}")),
            (Ok(answer), Some(Ok(other))) => match answer.difference(other, 1e-9) {
                Some(difference) => Err(format!("differs: {difference}")),
                None => Ok("the same".to_owned()),
            },
        };
        wrong += usize::from(verdict.is_err());
        let other = there.map_or(String::new(), |timed| format!("{:>10.2}", timed.median_ms));
        let said = verdict.unwrap_or_else(|said| said);
        println!("{:<22}{:>10.2}{other}  {said}", query.name, here.median_ms);
    }
    ensure!(wrong == 0, "{wrong} queries failed or differ");
    Ok(())
}
