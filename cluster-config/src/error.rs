//! What can be wrong with settings, and where a value came from.

use plimsoll_model::Fault;
use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A TOML file.
    File {
        /// The file as it was named to us.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable, by its name.
    Environment(String),
    /// A flag of the command line, with its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong, with its key and place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such key.
    #[error("{origin}: unknown key `{path}`{}", match suggestion {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => "; `plimsoll config show` lists all keys".to_owned(),
    })]
    Unknown {
        /// The key as it was written.
        path: String,
        /// Where.
        origin: Origin,
        /// The known key that is nearest.
        suggestion: Option<String>,
    },
    /// The value is not of the kind that the key wants.
    #[error("{origin}: `{path}`: `{value}` is not {wants}")]
    Unreadable {
        /// The key.
        path: String,
        /// Where.
        origin: Origin,
        /// The value as it was written.
        value: String,
        /// What it should look like.
        wants: &'static str,
    },
    /// The value cannot hold, by itself or beside another one.
    #[error("{origin}: `{path}`: {reason}")]
    Invalid {
        /// The key.
        path: String,
        /// Where.
        origin: Origin,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is missing or cannot be read.
    #[error("{}: cannot read this settings file: {source}", path.display())]
    File {
        /// The file as it was named to us.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} line {line}: not valid TOML: {reason}", path.display())]
    Syntax {
        /// The file as it was named to us.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the TOML parser said.
        reason: String,
    },
    /// All that is wrong with the values, one a line.
    #[error("{}", problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Refused {
        /// In the order of the sources.
        problems: Vec<Problem>,
    },
}

impl Error {
    /// Settings are always the asker's to mend.
    pub fn fault(&self) -> Fault {
        Fault::Asker
    }
}
