//! The mapping as it is written.

use super::kind::Kind;
use super::name::normal;
use super::{Alias, Mapping, Rule, Source, What};
use crate::SOURCE_LABEL;
use crate::document::{Fault, check_revision, one_or_many, read};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Sources, rules of one, and sessions that keep their own series.
const MOST_SOURCES: usize = 100;
const MOST_RULES: usize = 200;
const MOST_SESSIONS: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    revision: String,
    #[serde(default = "fifty")]
    sessions: usize,
    #[serde(default)]
    source: Vec<SourceText>,
    #[serde(default)]
    alias: Vec<AliasText>,
}

fn fifty() -> usize {
    50
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceText {
    name: String,
    #[serde(default)]
    canonical: bool,
    #[serde(default = "yes")]
    aliased: bool,
    #[serde(default)]
    yields_to: Vec<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    skip: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, Names>,
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    tokens: Vec<TokensText>,
    #[serde(default)]
    counter: Vec<CopyText>,
    #[serde(default)]
    histogram: Vec<CopyText>,
    #[serde(default)]
    gauge: Vec<CopyText>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Names(#[serde(deserialize_with = "one_or_many")] Vec<String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensText {
    from: String,
    #[serde(default)]
    unit: Vec<String>,
    #[serde(default)]
    exact: bool,
    #[serde(default)]
    by: String,
    kinds: BTreeMap<String, Kind>,
    #[serde(default)]
    part_of: BTreeMap<String, Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CopyText {
    from: String,
    to: String,
    #[serde(default)]
    unit: Vec<String>,
    #[serde(default)]
    exact: bool,
    scale: Option<f64>,
    #[serde(default)]
    labels: BTreeMap<String, Names>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AliasText {
    name: String,
    of: String,
    #[serde(default)]
    by: Vec<String>,
}

/// Reads and checks a mapping.
pub(super) fn parse(text: &str) -> Result<Mapping, Fault> {
    let Document { revision, sessions, source, alias } = read(text)?;
    check_revision(&revision)?;
    if !(1..=MOST_SESSIONS).contains(&sessions) {
        return Err(Fault::new("sessions", format!("must be 1 to {MOST_SESSIONS}")));
    }
    if source.len() > MOST_SOURCES || alias.len() > MOST_RULES {
        let reason = format!("at most {MOST_SOURCES} sources and {MOST_RULES} aliases");
        return Err(Fault::new("source", reason));
    }
    let sources = source.into_iter().map(read_source).collect::<Result<Vec<_>, _>>()?;
    for (at, source) in sources.iter().enumerate() {
        let place = format!("source {}", source.name);
        if sources[..at].iter().any(|s| s.name == source.name) {
            return Err(Fault::new(place, "there are two of this name"));
        }
        if let Some(unknown) = source.yields_to.iter().find(|to| !sources.iter().any(|s| s.name == **to)) {
            return Err(Fault::new(place, format!("yields to {unknown:?}, which is no source")));
        }
    }
    let mut aliases = Vec::new();
    for AliasText { name, of, by } in alias {
        metric(&name).map_err(|e| Fault::new(format!("alias {name}"), e))?;
        metric(&of).map_err(|e| Fault::new(format!("alias {name}: of"), e))?;
        for label in &by {
            metric(label).map_err(|e| Fault::new(format!("alias {name}: by"), e))?;
        }
        aliases.push(Alias { name, of, by });
    }
    Ok(Mapping { revision, sessions, sources, aliases })
}

fn read_source(text: SourceText) -> Result<Source, Fault> {
    let place = format!("source {}", text.name);
    let fault = |key: &str, reason: String| Fault::new(format!("{place}: {key}"), reason);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.name.is_empty() || text.name.len() > 64 || !text.name.chars().all(plain) {
        return Err(fault("name", "has 1 to 64 letters, digits, `_` and `-`".into()));
    }
    if text.name == crate::OWN_SOURCE {
        return Err(fault("name", format!("{:?} is what sums over all sources are called", text.name)));
    }
    let labels = read_labels(text.labels).map_err(|e| fault("labels", e))?;
    for label in text.set.keys().chain(text.values.keys()) {
        label_name(label).map_err(|e| fault("set", e))?;
    }
    let mut rules = Vec::new();
    for rule in text.tokens {
        let from = rule.from.clone();
        rules.push(read_tokens(rule).map_err(|e| fault(&format!("tokens from {from}"), e))?);
    }
    let copies = text.counter.into_iter().map(|c| (c, "counter"));
    let copies = copies.chain(text.histogram.into_iter().map(|c| (c, "histogram")));
    for (copy, what) in copies.chain(text.gauge.into_iter().map(|c| (c, "gauge"))) {
        let from = copy.from.clone();
        rules.push(read_copy(copy, what).map_err(|e| fault(&format!("{what} from {from}"), e))?);
    }
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(fault(
            "rules",
            format!("1 to {MOST_RULES} of tokens, counter, histogram and gauge are needed"),
        ));
    }
    check_parts(&rules).map_err(|e| fault("part_of", e))?;
    Ok(Source {
        name: text.name,
        canonical: text.canonical,
        aliased: text.aliased,
        yields_to: text.yields_to,
        set: text.set.into_iter().collect(),
        skip: text.skip.into_iter().map(|(label, pattern)| (normal(&label), pattern)).collect(),
        labels,
        values: text.values,
        rules,
    })
}

fn read_tokens(text: TokensText) -> Result<Rule, String> {
    metric(&normal(&text.from))?;
    if text.kinds.is_empty() {
        return Err("kinds is empty: say which value of the label is which kind".into());
    }
    for (value, parent) in &text.part_of {
        match text.kinds.get(value) {
            None => return Err(format!("part_of names {value:?}, which kinds does not")),
            Some(kind) if kind == parent => return Err(format!("{value:?} cannot be a part of itself")),
            Some(_) if !matches!(parent, Kind::Input | Kind::Output) => {
                return Err(format!("{value:?} can be a part of input or output alone, not of {parent}"));
            }
            Some(_) => {}
        }
    }
    let what = What::Tokens { by: normal(&text.by), kinds: text.kinds, part_of: text.part_of };
    Ok(Rule { base: normal(&text.from), units: text.unit, exact: text.exact, what, labels: Vec::new() })
}

fn read_copy(text: CopyText, what: &str) -> Result<Rule, String> {
    metric(&normal(&text.from))?;
    metric(&text.to)?;
    let scale = text.scale.unwrap_or(1.0);
    if !scale.is_finite() || scale <= 0.0 {
        return Err("scale must be a number above 0, such as 0.001 from milliseconds to seconds".into());
    }
    let what = match what {
        "counter" => What::Counter { to: text.to, scale },
        "gauge" => What::Gauge { to: text.to, scale },
        _ => What::Histogram { to: text.to, scale },
    };
    let labels = read_labels(text.labels)?;
    Ok(Rule { base: normal(&text.from), units: text.unit, exact: text.exact, what, labels })
}

/// A kind that is a part of another one in one rule must be so in all: what is taken off is known from its total.
fn check_parts(rules: &[Rule]) -> Result<(), String> {
    let mut parents: BTreeMap<Kind, Option<Kind>> = BTreeMap::new();
    for rule in rules {
        let What::Tokens { kinds, part_of, .. } = &rule.what else { continue };
        for (value, kind) in kinds {
            let parent = part_of.get(value).copied();
            if *parents.entry(*kind).or_insert(parent) != parent {
                return Err(format!("{kind} is a part of another kind in one place and not in the other"));
            }
        }
    }
    let both = parents.iter().find(|(_, p)| p.is_some_and(|p| parents.get(&p).is_some_and(Option::is_some)));
    both.map_or(Ok(()), |(kind, _)| Err(format!("{kind} is a part of a part: one level is the most")))
}

fn read_labels(text: BTreeMap<String, Names>) -> Result<Vec<(String, Vec<String>)>, String> {
    let read = |(label, Names(from)): (String, Names)| {
        label_name(&label)?;
        let from: Vec<String> = from.iter().map(|name| normal(name)).collect();
        if from.is_empty() || from.iter().any(String::is_empty) {
            return Err(format!("{label}: name at least one label that it comes from"));
        }
        Ok((label, from))
    };
    text.into_iter().map(read).collect()
}

fn metric(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || name.len() > 200
        || !name.chars().all(plain)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(format!("{name:?} is no name of a metric: letters, digits and `_`, no digit in front"));
    }
    Ok(())
}

fn label_name(name: &str) -> Result<(), String> {
    let own = [SOURCE_LABEL, "__name__", "le", "token_type", "price_rev"];
    if own.contains(&name) {
        return Err(format!("{name:?} is set by the mapping itself"));
    }
    metric(name)
        .map_err(|_| format!("{name:?} is no name of a label: letters, digits and `_`, no digit in front"))
}
