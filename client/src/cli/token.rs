use super::exit::Exit;
use super::output::{Cell, Column, Format, Listing, say};
use super::units::{duration, now, show_time};
use super::{Global, Outcome};
use serde_json::json;
use std::time::Duration;

const CREATE_EXAMPLES: &str = "\
Examples:
  plimsoll token create prometheus --role write
  plimsoll token create grafana --role read --expires 90d
  export PLIMSOLL_TOKEN=$(plimsoll token create me --role admin)";

const LIST_EXAMPLES: &str = "\
Examples:
  plimsoll token list
  plimsoll token list -o csv";

const REVOKE_EXAMPLES: &str = "\
Examples:
  plimsoll token revoke grafana";

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Send samples.
    Write,
    /// Ask.
    Read,
    /// Everything, and look after the cluster.
    Admin,
}

/// Commands of `plimsoll token`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Token {
    /// Make a token and print it; nobody can look it up again.
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// A name for people.
        name: String,
        /// What it may do.
        #[arg(long, value_enum)]
        role: Role,
        /// After this time it is worth nothing; without it that is when it is revoked.
        #[arg(long, value_parser = duration, value_name = "DURATION")]
        expires: Option<Duration>,
    },
    /// List the tokens, without what they are.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Take a token back at once.
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// Its name.
        name: String,
    },
}

impl Token {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Create { name, role, expires } => create(global, &name, role, expires).await,
            Self::List => list(global).await,
            Self::Revoke { name } => {
                global.client()?.revoke_token(&name).await?;
                eprintln!("token {} is worth nothing from now on", super::escape::terminal(&name));
                Ok(Exit::Ok)
            }
        }
    }
}

async fn create(global: &Global, name: &str, role: Role, expires: Option<Duration>) -> Outcome {
    let role = match role {
        Role::Write => "write",
        Role::Read => "read",
        Role::Admin => "admin",
    };
    let token = global.client()?.create_token(name, role, expires).await?;
    match global.output {
        Format::Table | Format::Wide => {
            let until = token.expires_ms.map(|t| format!(", until {}", show_time(t))).unwrap_or_default();
            eprintln!("token {} ({role}{until}); it is shown this once:", super::escape::terminal(name));
            say(&format!("{}\n", super::escape::terminal(&token.token)))?;
        }
        format => {
            let columns = ["name", "role", "token", "expires"].map(Column::left).to_vec();
            let mut l = Listing::new("token/1", columns);
            let until = token.expires_ms.map(show_time).unwrap_or_default();
            let row = [token.name.as_str(), &token.role, &token.token, &until].map(Cell::text).to_vec();
            l.push(row, json!(token));
            l.print(format)?;
        }
    }
    Ok(Exit::Ok)
}

async fn list(global: &Global) -> Outcome {
    let columns = ["name", "role", "created", "expires"].map(Column::left).to_vec();
    let mut l = Listing::new("tokens/1", columns);
    for token in global.client()?.tokens().await? {
        let expires = match token.expires_ms {
            None => "never".to_owned(),
            Some(t) if t <= now() => format!("{} (over)", show_time(t)),
            Some(t) => show_time(t),
        };
        let row = [token.name.as_str(), &token.role, &show_time(token.created_ms), &expires]
            .map(Cell::text)
            .to_vec();
        l.push(row, json!(token));
    }
    if l.rows.is_empty() {
        eprintln!("no tokens; make one with `plimsoll token create NAME --role write`");
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}
