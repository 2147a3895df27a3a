use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Listing};
use super::{Global, Outcome};
use crate::Budget as Found;
use serde_json::json;
use std::collections::BTreeMap;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll budget set all --limit 2000 --period month
  plimsoll budget set teams --limit 300 --period week --group team --match 'provider=anthropic'
  plimsoll budget status
  plimsoll budget remove teams";

/// How long a budget lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Period {
    /// From midnight, UTC.
    Day,
    /// From Monday, UTC.
    Week,
    /// From the first of the month, UTC.
    Month,
}

/// Commands of `plimsoll budget`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Budget {
    /// List the budgets.
    List,
    /// Make a budget, or change the one of the name.
    Set(Set),
    /// Remove a budget.
    Remove {
        /// Its name.
        name: String,
    },
    /// Show what is spent, how fast, and where it ends; exit code 4 when a limit is reached.
    Status {
        /// Only this one.
        name: Option<String>,
    },
}

/// Arguments of `budget set`.
#[derive(clap::Args, Clone, Debug)]
pub struct Set {
    /// A name for it.
    name: String,
    /// What may be spent in a period, in US dollars; of each group, where there are groups.
    #[arg(long, value_name = "USD")]
    limit: String,
    /// How long it lasts.
    #[arg(long, value_enum)]
    period: Period,
    /// Only costs whose label is like this; `*` stands for any text.
    #[arg(long = "match", value_name = "LABEL=PATTERN")]
    matching: Vec<String>,
    /// A budget of its own for each value of this label.
    #[arg(long, value_name = "LABEL")]
    group: Vec<String>,
}

impl Budget {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        match self {
            Self::List => list(&client.budgets().await?, global),
            Self::Set(set) => {
                let budget = client.set_budget(&set.name, &set.text()?).await?;
                eprintln!("budget {} holds from now on", super::escape::terminal(&budget.name));
                Ok(Exit::Ok)
            }
            Self::Remove { name } => {
                client.remove_budget(&name).await?;
                eprintln!("budget {} is gone; its series stay", super::escape::terminal(&name));
                Ok(Exit::Ok)
            }
            Self::Status { name } => {
                let mut budgets = client.budgets().await?;
                if let Some(name) = name {
                    budgets.retain(|budget| budget.name == name);
                    if budgets.is_empty() {
                        return Err(Problem::fail(format!("there is no budget {name:?}"))
                            .next("plimsoll budget list"));
                    }
                }
                status(&budgets, global)
            }
        }
    }
}

impl Set {
    fn text(&self) -> Result<String, Problem> {
        // JSON's strings are TOML's, too
        let quoted = |text: &str| json!(text).to_string();
        let period = match self.period {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        };
        let group: Vec<String> = self.group.iter().map(|label| quoted(label)).collect();
        let mut matching = BTreeMap::new();
        for text in &self.matching {
            let pair = text.split_once('=');
            let (label, pattern) = pair.ok_or_else(|| {
                Problem::usage(format!("--match {text:?} is not LABEL=PATTERN, such as team=core-*"))
            })?;
            matching.insert(quoted(label), quoted(pattern));
        }
        let matching: String =
            matching.iter().map(|(label, pattern)| format!("{label} = {pattern}\n")).collect();
        Ok(format!(
            "name = {}\nlimit_usd = {}\nperiod = \"{period}\"\ngroup = [{}]\n[match]\n{matching}",
            quoted(&self.name),
            quoted(&self.limit),
            group.join(", ")
        ))
    }
}

fn list(budgets: &[Found], global: &Global) -> Outcome {
    let texts = ["budget", "period"].map(Column::left).into_iter().chain([Column::right("limit_usd")]);
    let mut l = Listing::new("budgets/1", texts.chain(["match", "group"].map(Column::left)).collect());
    for budget in budgets {
        let matching = labels(&budget.matching);
        let row = [&budget.name, &budget.period, &budget.limit_usd, &matching, &budget.group.join(",")];
        l.push(row.map(Cell::text).to_vec(), json!(budget));
    }
    if budgets.is_empty() {
        eprintln!("no budgets; make one with `plimsoll budget set NAME --limit 100 --period month`");
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}

fn status(budgets: &[Found], global: &Global) -> Outcome {
    let left = ["budget", "group", "period"].map(Column::left);
    let right =
        ["limit_usd", "spent_usd", "burn_1h", "burn_6h", "forecast_usd", "days_left"].map(Column::right);
    let mut l = Listing::new("budget-status/1", left.into_iter().chain(right).collect());
    let mut reached = false;
    for budget in budgets {
        for group in &budget.groups {
            let amount = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
            reached |= amount(&group.spent_usd) >= amount(&budget.limit_usd);
            let mut row: Vec<Cell> =
                [&budget.name, &labels(&group.labels), &budget.period].map(Cell::text).to_vec();
            row.push(Cell::text(&budget.limit_usd));
            row.push(Cell::shown(&group.spent_usd, format!("{:.2}", amount(&group.spent_usd))));
            for value in [group.burn_rate_1h, group.burn_rate_6h, group.forecast_usd] {
                row.push(Cell::shown(value, format!("{value:.2}")));
            }
            let days = group.days_left.unwrap_or(f64::INFINITY);
            row.push(Cell::shown(days, group.days_left.map_or("never".to_owned(), |d| format!("{d:.1}"))));
            let item = json!({"budget": budget.name, "period": budget.period, "limit_usd": budget.limit_usd, "group": group});
            l.push(row, item);
        }
    }
    l.print(global.output)?;
    Ok(if reached { Exit::Degraded } else { Exit::Ok })
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(",")
}
