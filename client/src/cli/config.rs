use super::output::{Cell, Column, Format, Listing, say};
use super::{Global, Outcome, escape, exit::Exit, exit::Problem};
use plimsoll_cluster_config::{Error, LoadArgs, Settings};
use serde_json::json;
use std::path::PathBuf;

const CHECK_EXAMPLES: &str = "\
Examples:
  plimsoll config check plimsoll.toml
  plimsoll config check plimsoll.toml --environment     # with PLIMSOLL_* of this shell over it

Exit code 3: the file has faults; each is named with its line.";

const SHOW_EXAMPLES: &str = "\
Examples:
  plimsoll config show                                   # defaults, as a file to start from
  plimsoll config show --effective --config plimsoll.toml
  plimsoll config show -o csv";

/// Commands on settings.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Config {
    /// Check a settings file; every fault is named, with its line and a suggestion.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Show the settings and where each comes from.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Show),
}

/// Arguments of `config check`.
#[derive(clap::Args, Clone, Debug)]
pub struct Check {
    /// The TOML file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take the PLIMSOLL_* variables of this environment into account.
    #[arg(long)]
    environment: bool,
}

/// Arguments of `config show`.
#[derive(clap::Args, Clone, Debug)]
pub struct Show {
    /// What holds after the file and the environment; without it only defaults are shown.
    #[arg(long)]
    effective: bool,
    /// The TOML file that the node would be started with; implies --effective.
    #[arg(long, env = "PLIMSOLL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Config {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Check(c) => c.run(),
            Self::Show(c) => c.run(global),
        }
    }
}

impl Check {
    fn run(self) -> Outcome {
        let mut args = LoadArgs::new().file(Some(self.file.clone()));
        if self.environment {
            args = args.environment(environment());
        }
        match Settings::load(args) {
            Ok(_) => {
                say(&format!("{}: ok\n", escape::terminal(&self.file.display().to_string())))?;
                Ok(Exit::Ok)
            }
            Err(e) => {
                let exit = exit_of(&e);
                for line in e.to_string().lines() {
                    eprintln!("{}", escape::terminal(line));
                }
                Ok(exit)
            }
        }
    }
}

impl Show {
    fn run(self, global: &Global) -> Outcome {
        let mut args = LoadArgs::new();
        if self.effective || self.config.is_some() {
            args = args.file(self.config).environment(environment());
        }
        let settings = Settings::load(args).map_err(|e| {
            Problem::new(exit_of(&e), e.to_string()).next("mend the keys named above, or unset the variables")
        })?;
        if global.output == Format::Table {
            say(&settings.effective().to_string())?;
            return Ok(Exit::Ok);
        }
        let columns = ["key", "value", "origin", "meaning"].map(Column::left).to_vec();
        let mut l = Listing::new("config/1", columns);
        for (key, value, origin) in settings.effective().rows() {
            let value = value.unwrap_or_default();
            let texts = [key.path(), value.clone(), origin.to_string(), key.doc.to_owned()];
            let item = json!({"key": texts[0], "value": value, "origin": texts[2], "meaning": key.doc});
            l.push(texts.into_iter().map(Cell::text).collect(), item);
        }
        l.print(global.output)?;
        Ok(Exit::Ok)
    }
}

fn environment() -> impl Iterator<Item = (String, String)> {
    // Names and values that are not UTF-8 cannot be settings of ours.
    std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)))
}

fn exit_of(e: &Error) -> Exit {
    match e {
        Error::File { .. } => Exit::Fail,
        Error::Syntax { .. } | Error::Refused { .. } => Exit::Lint,
    }
}
