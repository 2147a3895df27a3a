//! The commands of `plimsoll` that talk to a node. They use only the public API, through [`crate::Client`].
//!
//! Owns: arguments, units that people read and write, tables, CSV and JSON on stdout, exit codes.
//! Does not own: `start` and `demo`, which run nodes (crate `plimsoll-node`).
//!
//! Rules of every command: data goes to stdout and messages to stderr; nothing is cut when stdout is no
//! terminal; label text is hostile until it is escaped (`escape`); an error names the next step (`report`).

mod agents;
mod alerts;
mod anomalies;
mod budget;
mod cardinality;
mod cluster;
mod completions;
mod config;
mod csv;
mod dashboard;
mod delete;
mod doctor;
mod env;
mod escape;
mod exit;
mod export;
mod forecast;
mod graph;
mod import;
mod labels;
mod output;
mod piece;
mod prices;
mod query;
mod range;
mod report;
mod retention;
mod rules;
mod scrape;
mod screen;
mod series;
mod status;
mod time;
mod token;
mod top;
mod tsdb;
mod units;

pub use completions::{Completions, script as completion_script};
pub use exit::Exit;
pub use output::Format;

use crate::{Client, Error};
use clap::{Args, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments that every command takes.
#[derive(Args, Clone)]
#[command(next_help_heading = "Common options")]
pub struct Global {
    /// Address of a node; give it several times to name nodes to turn to when one is away.
    #[arg(
        long,
        global = true,
        env = "PLIMSOLL_URL",
        default_value = Client::DEFAULT_URL,
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub url: Vec<String>,
    /// Token to show to the node.
    #[arg(long, global = true, env = "PLIMSOLL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Ask only the nodes that --url names; otherwise long commands learn of the others from the cluster.
    #[arg(long, global = true, env = "PLIMSOLL_NO_DISCOVER")]
    pub no_discover: bool,
    /// File with certificates (PEM) to trust instead of the system's.
    #[arg(long, global = true, env = "PLIMSOLL_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<std::path::PathBuf>,
    /// How data is printed.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
    /// How long to wait for an answer.
    #[arg(long, global = true, default_value = "30s", value_parser = units::duration, value_name = "DURATION")]
    pub timeout: Duration,
    /// No colours; NO_COLOR in the environment says the same.
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// A command that talks to a node.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Evaluate a PromQL expression at one moment.
    #[command(after_help = query::EXAMPLES)]
    Query(query::Query),
    /// Evaluate a PromQL expression over a time range, as a graph or as data.
    #[command(after_help = range::EXAMPLES)]
    Range(range::Range),
    /// List label names, or the values of one label.
    #[command(after_help = labels::EXAMPLES)]
    Labels(labels::Labels),
    /// List the series that a selector names.
    #[command(after_help = series::EXAMPLES)]
    Series(series::Series),
    /// Watch ingest, series, queries and memory of a node.
    #[command(after_help = top::EXAMPLES)]
    Top(top::Top),
    /// Show where the series are: the largest metrics, labels and label pairs.
    #[command(after_help = cardinality::EXAMPLES)]
    Cardinality(cardinality::Cardinality),
    /// Send samples to a node: from a file, from blocks of Prometheus, or from a remote read endpoint.
    #[command(after_help = import::EXAMPLES)]
    Import(import::Import),
    /// Write all samples of a selection to stdout or a file.
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Delete samples of series, or say what would go.
    #[command(after_help = delete::EXAMPLES)]
    Delete(delete::Delete),
    /// Say how long which series are kept.
    #[command(subcommand)]
    Retention(retention::Retention),
    /// Show the state of a node, its shards and its storage.
    #[command(after_help = status::EXAMPLES)]
    Status(status::Status),
    /// Look after the cluster: nodes, shards, moves.
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    /// Tell what agents did, used and cost, and whether all is well.
    #[command(subcommand)]
    Report(report::Report),
    /// Rules: what is evaluated, checked, tested.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Alerts that fire, silences, and where alerts go.
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// Find what is not as one would expect, and choose what is watched.
    #[command(subcommand)]
    Anomalies(anomalies::Anomalies),
    /// Forecast the series of a PromQL expression.
    #[command(after_help = forecast::EXAMPLES)]
    Forecast(forecast::Forecast),
    /// Make, list and take back tokens of the API.
    #[command(subcommand)]
    Token(token::Token),
    /// Look after dashboards: list, import, export, remove.
    #[command(subcommand)]
    Dashboard(dashboard::Dashboard),
    /// Look after telemetry of agents: the mapping of names, what tokens cost.
    #[command(subcommand)]
    Agents(agents::Agents),
    /// Show, check or change what tokens cost.
    #[command(subcommand, after_help = prices::EXAMPLES)]
    Prices(prices::Prices),
    /// Make budgets of what agents spend, and see how they stand.
    #[command(subcommand, after_help = budget::EXAMPLES)]
    Budget(budget::Budget),
    /// Check or show settings of a node.
    #[command(subcommand)]
    Config(config::Config),
    /// Find out what is wrong with a node, this machine or the way between them.
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::Doctor),
    /// Say what the cluster fetches metrics from.
    #[command(subcommand)]
    Scrape(scrape::Scrape),
    /// List what is scraped, and how it was.
    #[command(after_help = scrape::TARGETS_EXAMPLES)]
    Targets(scrape::Targets),
    /// Print completions for a shell.
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Completions),
    /// Print the settings that connect another program to a node.
    #[command(after_help = env::EXAMPLES)]
    Env(env::Env),
}

/// Runs `command`; everything that is to be said has been said when it returns.
pub async fn run(command: Command, global: &Global) -> ExitCode {
    let result = match command {
        Command::Query(c) => c.run(global).await,
        Command::Range(c) => c.run(global).await,
        Command::Labels(c) => c.run(global).await,
        Command::Series(c) => c.run(global).await,
        Command::Top(c) => c.run(global).await,
        Command::Cardinality(c) => c.run(global).await,
        Command::Import(c) => c.run(global).await,
        Command::Export(c) => c.run(global).await,
        Command::Delete(c) => c.run(global).await,
        Command::Retention(c) => c.run(global).await,
        Command::Status(c) => c.run(global).await,
        Command::Cluster(c) => c.run(global).await,
        Command::Report(c) => c.run(global).await,
        Command::Rules(c) => c.run(global).await,
        Command::Alerts(c) => c.run(global).await,
        Command::Anomalies(c) => c.run(global).await,
        Command::Forecast(c) => c.run(global).await,
        Command::Token(c) => c.run(global).await,
        Command::Dashboard(c) => c.run(global).await,
        Command::Agents(c) => c.run(global).await,
        Command::Prices(c) => c.run(global).await,
        Command::Budget(c) => c.run(global).await,
        Command::Config(c) => c.run(global),
        Command::Doctor(c) => c.run(global).await,
        Command::Scrape(c) => c.run(global).await,
        Command::Targets(c) => c.run(global).await,
        Command::Completions(c) => c.run(),
        Command::Env(c) => c.run(global),
    };
    let exit = result.unwrap_or_else(|problem| {
        problem.report(global);
        problem.exit
    });
    ExitCode::from(exit as u8)
}

/// Tells an error of the client on stderr, with the next step; answers how the command ends.
pub fn report(error: Error, global: &Global) -> ExitCode {
    let problem = Problem::from(error);
    problem.report(global);
    ExitCode::from(problem.exit as u8)
}

impl Global {
    /// The client that these arguments describe, for a command of another crate that goes on for a while.
    pub fn connect(&self) -> Result<Client, Error> {
        self.cluster_client().map_err(|problem| Error::Config(problem.message))
    }

    /// The client that these arguments describe, for one question.
    fn client(&self) -> Result<Client, Problem> {
        // It would be gone before it could use what it learns.
        self.build(false)
    }

    /// The same for a command that goes on while nodes come and go.
    fn cluster_client(&self) -> Result<Client, Problem> {
        self.build(!self.no_discover)
    }

    fn build(&self, discover: bool) -> Result<Client, Problem> {
        let mut builder =
            Client::builder().urls(self.url.iter().cloned()).timeout(self.timeout).discover(discover);
        builder = builder.connect_timeout(self.timeout.min(Duration::from_secs(3)));
        if let Some(token) = &self.token {
            builder = builder.token(token.clone());
        }
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read(path)
                .map_err(|e| Problem::usage(format!("cannot read the CA file {}: {e}", path.display())))?;
            builder = builder.ca_pem(pem);
        }
        builder.build().map_err(Problem::from)
    }

    /// Whether `stream` may be coloured.
    fn colors(&self, stream: &impl IsTerminal) -> bool {
        let forbidden = self.no_color || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        !forbidden && stream.is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
    }

    /// The urls as one text, for messages.
    fn url_text(&self) -> String {
        self.url.join(", ")
    }
}

use exit::Problem;

/// What a command ends with.
type Outcome = Result<Exit, Problem>;

impl From<Error> for Problem {
    fn from(e: Error) -> Self {
        exit::explain(e)
    }
}
