//! Rule files: Prometheus' YAML with one key of our own, `cooldown`.
//! Format: <https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/>.

use crate::rule::{Alerting, Group, Kind, Rule, Texts};
use crate::template::Template;
use plimsoll_promql::{ParseOptions, parse_duration};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// Bytes of a file that is read at all; a document of the cluster may not be larger either.
const FILE_BYTES: usize = 4 << 20;
/// Groups of a file.
const GROUPS: usize = 10_000;
/// Rules of a group.
const RULES: usize = 10_000;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line from 1; 0 where it is about the whole file.
    pub line: u64,
    /// What.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(&self.text),
            line => write!(f, "line {line}: {}", self.text),
        }
    }
}

/// What cannot be used, as far as it is known: all problems of all rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Error(pub Vec<Problem>);

impl Error {
    /// A problem of the whole file.
    pub(crate) fn whole(text: impl Into<String>) -> Self {
        Self(vec![Problem { line: 0, text: text.into() }])
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    groups: Option<Vec<RawGroup>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Spanned<String>,
    interval: Option<String>,
    query_offset: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    labels: Option<Texts>,
    rules: Option<Vec<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    record: Option<Spanned<String>>,
    alert: Option<Spanned<String>>,
    expr: Option<Spanned<String>>,
    #[serde(rename = "for")]
    hold: Option<String>,
    keep_firing_for: Option<String>,
    cooldown: Option<String>,
    labels: Option<Texts>,
    annotations: Option<Texts>,
}

/// Reads YAML; what is not known is refused.
pub(crate) fn read_yaml<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    if text.len() > FILE_BYTES {
        return Err(Error::whole(format!(
            "{} bytes are more than the {FILE_BYTES} that a file may have",
            text.len()
        )));
    }
    serde_saphyr::from_str(text).map_err(|e| {
        let line = e.location().map_or(0, |l| l.line());
        let text = e.without_snippet().to_string();
        Error(vec![Problem { line, text }])
    })
}

/// The groups of a rule file.
pub fn parse(text: &str) -> Result<Vec<Group>, Error> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let file: RawFile = read_yaml(text)?;
    groups(file.groups.unwrap_or_default())
}

/// The text of one group of a file, as it stands there: from its `- name:` to the next one's.
pub fn part(text: &str, name: &str) -> Option<String> {
    let file: RawFile = read_yaml(text).ok()?;
    let starts: Vec<(String, usize)> =
        file.groups?.iter().map(|g| (g.name.value.clone(), g.name.referenced.line() as usize)).collect();
    let lines: Vec<&str> = text.lines().collect();
    // the entry of a group begins with the dash before its first key
    let head = |line: usize| {
        let found =
            (0..line).rev().find(|at| lines.get(*at).is_some_and(|l| l.trim_start().starts_with("- ")));
        found.unwrap_or(0)
    };
    let at = starts.iter().position(|(n, _)| n == name)?;
    let from = head(starts[at].1);
    let to = starts.get(at + 1).map_or(lines.len(), |(_, line)| head(*line));
    let part = format!("groups:\n{}\n", lines.get(from..to)?.join("\n"));
    // what cannot be cut out, as a file on one line, is told by the caller
    parse_group(&part).ok().filter(|g| g.name == name).map(|_| part)
}

/// One group by itself, or a file of one group: what is put by the API.
pub fn parse_group(text: &str) -> Result<Group, Error> {
    let alone: Result<RawGroup, Error> = read_yaml(text);
    let mut found = match alone {
        Ok(group) => groups(vec![group])?,
        // which of both was meant is seen by the word at the top
        Err(_) if text.lines().any(|l| l.starts_with("groups:")) => parse(text)?,
        Err(e) => return Err(e),
    };
    match (found.pop(), found.pop()) {
        (Some(group), None) => Ok(group),
        _ => Err(Error::whole("this should be one group")),
    }
}

fn groups(raw: Vec<RawGroup>) -> Result<Vec<Group>, Error> {
    let mut problems = Vec::new();
    let mut out: Vec<Group> = Vec::new();
    if raw.len() > GROUPS {
        return Err(Error::whole(format!(
            "{} groups are more than the {GROUPS} that a file may have",
            raw.len()
        )));
    }
    for raw in raw {
        let line = raw.name.referenced.line();
        let mut problem = |text: String| problems.push(Problem { line, text });
        let name = raw.name.value.clone();
        if name.is_empty() {
            problem("groupname must not be empty".to_owned());
        }
        if out.iter().any(|group| group.name == name) {
            problem(format!("groupname: \"{name}\" is repeated in the same file"));
        }
        let rules = raw.rules.unwrap_or_default();
        if rules.len() > RULES {
            problem(format!(
                "group \"{name}\": {} rules are more than the {RULES} that a group may have",
                rules.len()
            ));
        }
        let mut length = |key: &str, text: &Option<String>| {
            text.as_ref().and_then(|text| {
                let ms = parse_duration(text);
                if ms.is_none() {
                    problem(format!("group \"{name}\": {key}: not a valid duration string: \"{text}\""));
                }
                ms
            })
        };
        let interval_ms = length("interval", &raw.interval).filter(|ms| *ms > 0);
        let query_offset_ms = length("query_offset", &raw.query_offset);
        let common = raw.labels.unwrap_or_default();
        let mut group = Group {
            interval_ms,
            query_offset_ms,
            limit: raw.limit.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            rules: Vec::new(),
            name,
        };
        check_labels(&common, &mut |text| problem(format!("group \"{}\": {text}", group.name)));
        for (at, rule) in rules.into_iter().enumerate().take(RULES) {
            let name = group.name.clone();
            if let Some(rule) = read_rule(rule, &common, &name, at + 1, &mut problems) {
                group.rules.push(rule);
            }
        }
        out.push(group);
    }
    if problems.is_empty() { Ok(out) } else { Err(Error(problems)) }
}

/// A rule, or what is wrong with it.
fn read_rule(
    raw: RawRule,
    common: &Texts,
    group: &str,
    number: usize,
    problems: &mut Vec<Problem>,
) -> Option<Rule> {
    let spanned = [&raw.alert, &raw.record, &raw.expr];
    let line = spanned.iter().find_map(|s| s.as_ref()).map_or(0, |s| s.referenced.line());
    let text = |s: &Option<Spanned<String>>| s.as_ref().map(|s| s.value.clone()).filter(|s| !s.is_empty());
    let (record, alert, expr) = (text(&raw.record), text(&raw.alert), text(&raw.expr));
    let shown = alert.clone().or(record.clone()).unwrap_or_default();
    let before = problems.len();
    let mut problem = |text: String| {
        problems
            .push(Problem { line, text: format!("group \"{group}\", rule {number}, \"{shown}\": {text}") })
    };
    let length = |key: &str, text: &Option<String>, problem: &mut dyn FnMut(String)| {
        let Some(text) = text else { return 0 };
        parse_duration(text).unwrap_or_else(|| {
            problem(format!("{key}: not a valid duration string: \"{text}\""));
            0
        })
    };
    let alerting = Alerting {
        alert: alert.clone().unwrap_or_default(),
        for_ms: length("for", &raw.hold, &mut problem),
        keep_firing_for_ms: length("keep_firing_for", &raw.keep_firing_for, &mut problem),
        cooldown_ms: length("cooldown", &raw.cooldown, &mut problem),
        annotations: raw.annotations.unwrap_or_default(),
    };
    match &expr {
        None => problem("field 'expr' must be set in rule".to_owned()),
        Some(expr) => {
            if let Err(e) = plimsoll_promql::parse(expr, ParseOptions::default()) {
                problem(format!("could not parse expression: {e}"));
            }
        }
    }
    let mut labels = common.clone();
    let own = raw.labels.unwrap_or_default();
    check_labels(&own, &mut problem);
    labels.extend(own);
    let kind = match (record, alert) {
        (Some(_), Some(_)) => {
            problem("only one of 'record' and 'alert' must be set".to_owned());
            None
        }
        (None, None) => {
            problem("one of 'record' or 'alert' must be set".to_owned());
            None
        }
        (Some(record), None) => {
            check_recording(&record, &alerting, &mut problem);
            Some(Kind::Recording { record })
        }
        (None, Some(_)) => {
            check_templates(&labels, &alerting, &mut problem);
            Some(Kind::Alerting(alerting))
        }
    };
    match (kind, expr) {
        (Some(kind), Some(expr)) if problems.len() == before => Some(Rule { kind, expr, labels, line }),
        _ => None,
    }
}

fn check_recording(record: &str, beside: &Alerting, problem: &mut impl FnMut(String)) {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "{}\"'".contains(c);
    if record.contains(odd) {
        problem(format!("invalid recording rule name: {record}"));
    }
    let given = [
        ("for", beside.for_ms != 0),
        ("keep_firing_for", beside.keep_firing_for_ms != 0),
        ("cooldown", beside.cooldown_ms != 0),
        ("annotations", !beside.annotations.is_empty()),
    ];
    for (field, _) in given.iter().filter(|(_, given)| *given) {
        problem(format!("invalid field '{field}' in recording rule"));
    }
}

fn check_labels(labels: &Texts, problem: &mut impl FnMut(String)) {
    for name in labels.keys() {
        if name.is_empty() || name == "__name__" || name.starts_with("plimsoll_rule") {
            problem(format!("invalid label name: {name}"));
        }
    }
}

/// Reads every template and tries it with labels and a value that stand for any.
fn check_templates(labels: &Texts, alerting: &Alerting, problem: &mut impl FnMut(String)) {
    for name in alerting.annotations.keys().filter(|name| name.is_empty()) {
        problem(format!("invalid annotation name: {name}"));
    }
    if labels.contains_key("alertname") {
        problem("the label alertname is the name of the alert and cannot be set".to_owned());
    }
    for (kind, texts) in [("label", labels), ("annotation", &alerting.annotations)] {
        for (name, text) in texts {
            if let Err(e) = Template::new(text) {
                problem(format!("{kind} \"{name}\": error parsing template: {e}"));
            }
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
