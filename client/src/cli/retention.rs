use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Listing};
use super::units::{show_bytes, show_count, show_duration, show_time};
use super::{Global, Outcome, escape};
use crate::{Retention as Rules, RetentionRule};
use serde_json::json;
use std::time::Duration;

const SHOW_EXAMPLES: &str = "\
Examples:
  plimsoll retention show
  plimsoll retention show -o json";

const SET_EXAMPLES: &str = "\
Examples:
  plimsoll retention set '{job=\"debug\"}' 7d
  plimsoll retention set 'slo:errors:ratio' 400d --first    # before all other rules";

const REMOVE_EXAMPLES: &str = "\
Examples:
  plimsoll retention remove '{job=\"debug\"}'";

const DRY_RUN_EXAMPLES: &str = "\
Examples:
  plimsoll retention dry-run                                # under the rules that hold
  plimsoll retention dry-run '{job=\"debug\"}' 7d             # as if this one were set";

/// Commands of `plimsoll retention`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Retention {
    /// List the rules; of those that match a series the first one counts.
    #[command(after_help = SHOW_EXAMPLES)]
    Show,
    /// Keep the series of a selector for some days; a rule of the same selector is replaced in its place.
    #[command(after_help = SET_EXAMPLES)]
    Set {
        /// A selector.
        selector: String,
        /// A day at least: 7d, 12w, 2y. Days go as a whole.
        keep: String,
        /// Put it before all other rules instead of after them.
        #[arg(long)]
        first: bool,
    },
    /// Take a rule back.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its selector, as `show` has it.
        selector: String,
    },
    /// Say what would be deleted now, without deleting it.
    #[command(name = "dry-run", after_help = DRY_RUN_EXAMPLES)]
    DryRun {
        /// The selector of a rule that might be set.
        #[arg(requires = "keep")]
        selector: Option<String>,
        /// How long it would keep.
        keep: Option<String>,
    },
}

impl Retention {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        match self {
            Self::Show => show(global, &client.retention().await?),
            Self::Set { selector, keep, first } => {
                let rules = client.retention().await?;
                let wanted = with(&rules, selector, keep, first);
                show(global, &client.set_retention(&wanted, rules.epoch).await?)
            }
            Self::Remove { selector } => {
                let rules = client.retention().await?;
                let left: Vec<RetentionRule> =
                    rules.rules.iter().filter(|r| r.selector != selector).cloned().collect();
                if left.len() == rules.rules.len() {
                    let text = format!("there is no rule {}", escape::terminal(&selector));
                    return Err(Problem::fail(text).next("see the rules with `plimsoll retention show`"));
                }
                show(global, &client.set_retention(&left, rules.epoch).await?)
            }
            Self::DryRun { selector, keep } => {
                let wanted = match (selector, keep) {
                    (Some(selector), Some(keep)) => {
                        Some(with(&client.retention().await?, selector, keep, false))
                    }
                    _ => None,
                };
                let effects = client.retention_dry_run(wanted.as_deref()).await?;
                let columns = vec![
                    Column::left("match"),
                    Column::left("keep"),
                    Column::left("older than"),
                    Column::right("series"),
                    Column::right("about bytes"),
                ];
                let mut l = Listing::new("retention-dry-run/1", columns);
                for effect in &effects {
                    let mut row = rule_cells(&effect.rule);
                    row.push(Cell::text(show_time(effect.older_than_ms)));
                    row.push(Cell::shown(effect.series, show_count(effect.series)));
                    row.push(Cell::shown(effect.bytes, show_bytes(effect.bytes)));
                    l.push(row, json!(effect));
                }
                l.print(global.output)?;
                Ok(Exit::Ok)
            }
        }
    }
}

fn with(rules: &Rules, selector: String, keep: String, first: bool) -> Vec<RetentionRule> {
    let rule = RetentionRule { selector, keep, keep_ms: 0 };
    let mut all = rules.rules.clone();
    match all.iter().position(|r| r.selector == rule.selector) {
        Some(at) if !first => all[at] = rule,
        known => {
            if let Some(at) = known {
                all.remove(at);
            }
            all.insert(if first { 0 } else { all.len() }, rule);
        }
    }
    all
}

fn show(global: &Global, rules: &Rules) -> Outcome {
    let mut l = Listing::new("retention/1", ["match", "keep"].map(Column::left).to_vec());
    l.head.insert("epoch".into(), json!(rules.epoch));
    let default = RetentionRule { keep_ms: rules.default_ms, ..RetentionRule::default() };
    for rule in rules.rules.iter().chain([&default]) {
        l.push(rule_cells(rule), json!(rule));
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}

fn rule_cells(rule: &RetentionRule) -> Vec<Cell> {
    let keep = Duration::from_millis(rule.keep_ms.unsigned_abs());
    match rule.selector.as_str() {
        "" => vec![Cell::text("(all others)"), Cell::text(show_duration(keep))],
        selector => vec![Cell::text(selector), Cell::text(&rule.keep)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_replaced_in_its_place_or_put_first_or_last() {
        let rule = |selector: &str, keep: &str| RetentionRule {
            selector: selector.into(),
            keep: keep.into(),
            keep_ms: 0,
        };
        let rules = Rules { rules: vec![rule("a", "1d"), rule("b", "2d")], ..Rules::default() };
        let set = |selector: &str, first| with(&rules, selector.into(), "9d".into(), first);
        assert_eq!(set("a", false), [rule("a", "9d"), rule("b", "2d")]);
        assert_eq!(set("c", false), [rule("a", "1d"), rule("b", "2d"), rule("c", "9d")]);
        assert_eq!(set("b", true), [rule("b", "9d"), rule("a", "1d")]);
    }
}
