//! `plimsoll alerts`: what fires, who is not to be told, and where alerts go.

use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Listing, say};
use super::units::{duration, now};
use super::{Global, Outcome, escape::terminal};
use crate::rules::{Silence, SilenceMatcher};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

const LIST_EXAMPLES: &str = "\
Examples:
  plimsoll alerts list
  plimsoll alerts list -o json";

const SILENCE_EXAMPLES: &str = "\
Examples:
  plimsoll alerts silence alertname=LoopStuck 'agent=~\"ci-.*\"' --for 2h --comment 'known, being mended'

Prints the id of the silence.";

const SILENCES_EXAMPLES: &str = "\
Examples:
  plimsoll alerts silences
  plimsoll alerts silences --all";

const EXPIRE_EXAMPLES: &str = "\
Examples:
  plimsoll alerts expire 4f2c0b";

const ROUTES_EXAMPLES: &str = "\
Examples:
  plimsoll alerts routes > routes.json             # without secrets
  plimsoll alerts routes --put routes.yml          # a secret that reads <secret> stays as it is";

/// Commands of `plimsoll alerts`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Alerts {
    /// List alerts that fire or are pending.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Tell nobody of some alerts for a while.
    #[command(after_help = SILENCE_EXAMPLES)]
    Silence {
        /// Matchers that all have to fit: name=value, name!=value, name=~pattern, name!~pattern.
        #[arg(required = true, value_name = "MATCHER")]
        matchers: Vec<String>,
        /// How long.
        #[arg(long = "for", default_value = "1h", value_parser = duration, value_name = "DURATION")]
        length: Duration,
        /// Why.
        #[arg(long, default_value = "")]
        comment: String,
        /// By whom; the token's name where it is not given.
        #[arg(long, default_value = "")]
        author: String,
    },
    /// List silences.
    #[command(after_help = SILENCES_EXAMPLES)]
    Silences {
        /// Those that are over too.
        #[arg(long)]
        all: bool,
    },
    /// End a silence.
    #[command(after_help = EXPIRE_EXAMPLES)]
    Expire {
        /// Its id, or the first characters of it.
        id: String,
    },
    /// Show or say where alerts go: routes and receivers.
    #[command(after_help = ROUTES_EXAMPLES)]
    Routes {
        /// A file in Alertmanager's format that is to hold from now on.
        #[arg(long, value_name = "FILE")]
        put: Option<PathBuf>,
    },
}

impl Alerts {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::List => list(global).await,
            Self::Silence { matchers, length, comment, author } => {
                silence(global, &matchers, length, comment, author).await
            }
            Self::Silences { all } => silences(global, all).await,
            Self::Expire { id } => expire(global, &id).await,
            Self::Routes { put } => routes(global, put).await,
        }
    }
}

fn pairs<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    labels.map(|(n, v)| format!("{n}={v:?}")).collect::<Vec<_>>().join(" ")
}

async fn list(global: &Global) -> Outcome {
    let answer = global.client()?.active_alerts().await?;
    answer.warnings.iter().for_each(|w| eprintln!("{}", terminal(w)));
    let columns = ["alert", "state", "since", "value", "labels", "summary"].map(Column::left).to_vec();
    let mut l = Listing::new("alerts/1", columns);
    for alert in &answer.data {
        let name = alert.labels.get("alertname").map_or("", String::as_str);
        let labels = pairs(alert.labels.iter().filter(|(n, _)| *n != "alertname"));
        let summary = alert.annotations.get("summary").map_or("", String::as_str);
        let row =
            [name, &alert.state, &alert.active_at, &alert.value, &labels, summary].map(Cell::text).to_vec();
        l.push(row, json!(alert));
    }
    if l.rows.is_empty() {
        eprintln!("no alerts");
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}

async fn silence(
    global: &Global,
    matchers: &[String],
    length: Duration,
    comment: String,
    author: String,
) -> Outcome {
    let read = |text: &String| {
        let m = plimsoll_rules::notify::parse_matcher(text).map_err(Problem::usage)?;
        let op = m.op.symbol();
        let (is_regex, is_equal) = (op.contains('~'), !op.starts_with('!'));
        Ok::<_, Problem>(SilenceMatcher { name: m.name, value: m.value, is_regex, is_equal })
    };
    let matchers = matchers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (from, until) = (now(), now().saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)));
    let time = plimsoll_rules::notify::message::time;
    let wanted = Silence {
        matchers,
        starts_at: time(from),
        ends_at: time(until),
        created_by: author,
        comment,
        ..Silence::default()
    };
    let id = global.client()?.create_silence(&wanted).await?;
    say(&format!("{}\n", terminal(&id)))?;
    Ok(Exit::Ok)
}

async fn silences(global: &Global, all: bool) -> Outcome {
    let columns = ["id", "state", "until", "matchers", "by", "comment"].map(Column::left).to_vec();
    let mut l = Listing::new("silences/1", columns);
    let found = global.client()?.silences().await?;
    for s in found.iter().filter(|s| all || s.status.state != "expired") {
        let op = |m: &SilenceMatcher| match (m.is_regex, m.is_equal) {
            (false, true) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (true, false) => "!~",
        };
        let matchers: Vec<String> =
            s.matchers.iter().map(|m| format!("{}{}{:?}", m.name, op(m), m.value)).collect();
        let matchers = matchers.join(" ");
        let row = [s.id.as_str(), &s.status.state, &s.ends_at, &matchers, &s.created_by, &s.comment];
        l.push(row.map(Cell::text).to_vec(), json!(s));
    }
    if l.rows.is_empty() {
        eprintln!("no silences; make one with `plimsoll alerts silence alertname=NAME --for 1h`");
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}

async fn expire(global: &Global, id: &str) -> Outcome {
    let client = global.client()?;
    let known = client.silences().await?;
    let fits: Vec<&Silence> =
        known.iter().filter(|s| s.id.starts_with(id) && s.status.state != "expired").collect();
    let found = match fits.as_slice() {
        [one] => one,
        [] => {
            return Err(
                Problem::fail(format!("no silence begins with {id}")).next("plimsoll alerts silences")
            );
        }
        _ => {
            return Err(
                Problem::fail(format!("{} silences begin with {id}", fits.len())).next("give more of the id")
            );
        }
    };
    client.expire_silence(&found.id).await?;
    eprintln!("the silence {} is over", terminal(&found.id));
    Ok(Exit::Ok)
}

async fn routes(global: &Global, put: Option<PathBuf>) -> Outcome {
    let client = global.client()?;
    if let Some(path) = put {
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Problem::fail(format!("cannot read {}: {e}", path.display())))?;
        client.put_notification_config(&text).await?;
        eprintln!("alerts go as {} says", terminal(&path.display().to_string()));
        return Ok(Exit::Ok);
    }
    let config = client.notification_config().await?;
    say(&format!("{}\n", serde_json::to_string_pretty(&config).unwrap_or_default()))?;
    Ok(Exit::Ok)
}
