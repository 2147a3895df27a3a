//! `plimsoll rules`: what is evaluated, and what can be told of rule files without a node.

mod check;
mod lint;
mod list;
mod put;
mod test;

use super::exit::{Exit, Problem};
use super::{Global, Outcome};
use plimsoll_rules::file;
use plimsoll_rules::rule::Group;
use std::path::{Path, PathBuf};

const LIST_EXAMPLES: &str = "\
Examples:
  plimsoll rules list
  plimsoll rules list -o jsonl | jq 'select(.health != \"ok\")'";

const CHECK_EXAMPLES: &str = "\
Examples:
  plimsoll rules check rules/*.yml

Exit code 3: a file has faults; each is named with its line.";

const TEST_EXAMPLES: &str = "\
Examples:
  plimsoll rules test rules/tests.yml

Files are those of `promtool test rules`. Exit code 3: a test does not hold.";

const LINT_EXAMPLES: &str = "\
Examples:
  plimsoll rules lint rules/*.yml               # asks the node which series there are
  plimsoll rules lint --offline rules/*.yml

Exit code 3: there is something to be looked at.";

const PUT_EXAMPLES: &str = "\
Examples:
  plimsoll rules put rules/agents.yml           # every group of the file
  plimsoll rules builtin | plimsoll rules put -";

const REMOVE_EXAMPLES: &str = "\
Examples:
  plimsoll rules remove agent-loops";

const BUILTIN_EXAMPLES: &str = "\
Examples:
  plimsoll rules builtin > agents.yml
  plimsoll rules builtin | plimsoll rules put -";

/// Commands of `plimsoll rules`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Rules {
    /// List the rules of the cluster and how they are doing.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Check rule files; every fault is named with its line. Needs no node.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Rule files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Run unit tests of rules, in promtool's format. Needs no node.
    #[command(after_help = TEST_EXAMPLES)]
    Test {
        /// Files of tests.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Look for what is probably not meant: series that never were, duplicates, a missing `for`.
    #[command(after_help = LINT_EXAMPLES)]
    Lint {
        /// Rule files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Do not ask a node which series there are.
        #[arg(long)]
        offline: bool,
    },
    /// Put the groups of a file into the cluster; a group of the same name is replaced.
    #[command(after_help = PUT_EXAMPLES)]
    Put {
        /// A rule file; `-` reads stdin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Remove a group that was put.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its name.
        group: String,
    },
    /// Print the rules that come with Plimsoll: agent loops, their cost, the cluster itself.
    #[command(after_help = BUILTIN_EXAMPLES)]
    Builtin,
}

impl Rules {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::List => list::run(global).await,
            Self::Check { files } => check::run(&files),
            Self::Test { files } => test::run(&files),
            Self::Lint { files, offline } => lint::run(global, &files, offline).await,
            Self::Put { file } => put::run(global, &file).await,
            Self::Remove { group } => {
                global.client()?.remove_rule_group(&group).await?;
                eprintln!("the group {} is evaluated no more", super::escape::terminal(&group));
                Ok(Exit::Ok)
            }
            Self::Builtin => {
                super::output::say(plimsoll_rules::BUILTIN)?;
                Ok(Exit::Ok)
            }
        }
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|e| Problem::fail(format!("cannot read {}: {e}", path.display())))
}

/// Names of files with their groups, and the faults of those that have any, each with its file.
type Read = (Vec<(String, Vec<Group>)>, Vec<String>);

fn read_all(paths: &[PathBuf]) -> Result<Read, Problem> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        match file::parse(&read(path)?) {
            Ok(groups) => files.push((name, groups)),
            Err(e) => faults.extend(e.0.iter().map(|problem| format!("{name}: {problem}"))),
        }
    }
    Ok((files, faults))
}
