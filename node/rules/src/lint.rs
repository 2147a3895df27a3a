//! What is probably not meant, in rules that can be read.

use crate::reads::selectors;
use crate::rule::{Group, Kind, Rule};
use plimsoll_model::{MatchOp, Matcher};
use plimsoll_promql::{ParseOptions, ast, parse};
use std::collections::{BTreeMap, BTreeSet};

/// A remark about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub file: String,
    /// The line; 0 where it is not known.
    pub line: u64,
    /// The group.
    pub group: String,
    /// The rule's name.
    pub rule: String,
    /// A word for the kind of remark.
    pub check: &'static str,
    /// What is to be said.
    pub text: String,
}

/// Remarks about rules by themselves. `files` are names and groups.
pub fn lint(files: &[(String, Vec<Group>)]) -> Vec<Remark> {
    let mut out = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (file, groups) in files {
        for group in groups {
            for rule in &group.rules {
                let mut say = |check, text: String| {
                    let (file, group, rule_name) = (file.clone(), group.name.clone(), rule.name().to_owned());
                    out.push(Remark { file, line: rule.line, group, rule: rule_name, check, text });
                };
                let key = format!("{} {} {:?}", rule.kind_name(), rule.name(), rule.labels);
                let place = format!("{file}, group {:?}", group.name);
                if let Some(other) = seen.get(&key) {
                    say("duplicate", format!("another rule gives the same series: {other}"));
                } else {
                    seen.insert(key, place);
                }
                of_rule(rule, &mut say);
            }
        }
    }
    out
}

fn of_rule(rule: &Rule, say: &mut impl FnMut(&'static str, String)) {
    match &rule.kind {
        Kind::Alerting(alerting) => {
            if alerting.for_ms == 0 && !is_slow(&rule.expr) {
                say(
                    "no-for",
                    "fires at the first evaluation: give `for`, or look at a range in the expression"
                        .to_owned(),
                );
            }
            if !["summary", "description", "message"].iter().any(|n| alerting.annotations.contains_key(*n)) {
                say("no-summary", "has no annotation `summary` that tells people what is wrong".to_owned());
            }
            if !rule.labels.contains_key("severity") {
                say("no-severity", "has no label `severity` to route by".to_owned());
            }
            if !is_comparison(&rule.expr) {
                say(
                    "no-comparison",
                    "compares nothing: every series of the expression is an alert".to_owned(),
                );
            }
            for (name, _) in
                rule.labels.iter().filter(|(_, text)| text.contains("$value") || text.contains(".Value"))
            {
                say(
                    "value-in-label",
                    format!(
                        "the label {name:?} holds the value: each new value is another alert that never fires for long"
                    ),
                );
            }
        }
        Kind::Recording { record } if !record.contains(':') => {
            say(
                "name",
                "a recorded series is named level:metric:operations, to tell it from measured ones"
                    .to_owned(),
            );
        }
        Kind::Recording { .. } => {}
    }
}

/// Whether an expression looks at a range itself.
fn is_slow(expr: &str) -> bool {
    expr.contains('[')
}

/// Whether an expression leaves something out: a comparison, `absent`, `and`, `unless`.
fn is_comparison(expr: &str) -> bool {
    fn walk(e: &ast::Expr) -> bool {
        match &e.kind {
            ast::Kind::Binary(b) => {
                let set = matches!(b.op.symbol(), "==" | "!=" | "<" | "<=" | ">" | ">=" | "and" | "unless");
                set && !b.return_bool || walk(&b.left) || walk(&b.right)
            }
            ast::Kind::Paren(inner) => walk(inner),
            ast::Kind::Unary { operand, .. } => walk(operand),
            ast::Kind::Call { function, args } => {
                function.name.starts_with("absent") || args.iter().any(walk)
            }
            ast::Kind::Aggregate(a) => walk(&a.expr),
            ast::Kind::Subquery(s) => walk(&s.expr),
            _ => false,
        }
    }
    parse(expr, ParseOptions::default()).is_ok_and(|e| walk(&e))
}

/// Selectors of all rules, each once with the place of its first rule, that no rule of the same files gives: to be asked
/// of a node whether they ever had a series.
pub fn to_be_asked(files: &[(String, Vec<Group>)]) -> Vec<(String, Remark)> {
    let rules = || files.iter().flat_map(|(file, groups)| groups.iter().map(move |g| (file, g)));
    let given: BTreeSet<&str> = rules().flat_map(|(_, g)| &g.rules).map(Rule::name).collect();
    let mut out: BTreeMap<String, Remark> = BTreeMap::new();
    for (file, group) in rules() {
        for rule in &group.rules {
            for matchers in selectors(&rule.expr) {
                let name =
                    matchers.iter().find(|m| m.name == plimsoll_model::METRIC_NAME && m.op == MatchOp::Equal);
                let own =
                    name.is_some_and(|m| given.contains(m.value.as_str()) || m.value.starts_with("ALERTS"));
                if own || matchers.is_empty() {
                    continue;
                }
                let shown = selector_text(&matchers);
                let remark = Remark {
                    file: file.clone(),
                    line: rule.line,
                    group: group.name.clone(),
                    rule: rule.name().to_owned(),
                    check: "never-seen",
                    text: format!("reads {shown}, of which there was never a series"),
                };
                out.entry(shown).or_insert(remark);
            }
        }
    }
    out.into_iter().collect()
}

/// Matchers as a selector.
fn selector_text(matchers: &[Matcher]) -> String {
    let one = |m: &Matcher| {
        let value = m.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{}{}\"{value}\"", m.name, m.op.symbol())
    };
    format!("{{{}}}", matchers.iter().map(one).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(rules: &str) -> Vec<(String, Vec<Group>)> {
        let text = format!("groups:\n- name: g\n  rules:\n{rules}");
        vec![("f".to_owned(), crate::file::parse(&text).expect("rules"))]
    }

    #[test]
    fn what_is_probably_not_meant_is_told() {
        let rules = "
  - {record: plain, expr: up}
  - {record: 'a:b', expr: up}
  - {record: 'a:b', expr: down}
  - {alert: A, expr: up}
  - {alert: B, expr: 'up == 0', labels: {severity: page, v: '{{ $value }}'}, annotations: {summary: x}}
  - {alert: C, expr: 'absent(up)', for: 5m, labels: {severity: page}, annotations: {summary: x}}
  - {alert: D, expr: 'rate(x[5m]) > bool 1', labels: {severity: page}, annotations: {summary: x}}
";
        let found = lint(&files(rules));
        let shown: Vec<String> = found.iter().map(|r| format!("{}:{}", r.rule, r.check)).collect();
        let wanted = [
            "plain:name",
            "a:b:duplicate",
            "A:no-for",
            "A:no-summary",
            "A:no-severity",
            "A:no-comparison",
            "B:no-for",
            "B:value-in-label",
            "D:no-comparison",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn series_that_rules_give_are_not_asked_for() {
        let rules = "
  - {record: 'a:b', expr: 'sum(rate(x_total{job=\"y\"}[5m]))'}
  - {alert: A, expr: 'a:b > 1 unless ALERTS'}
  - {alert: B, expr: 'x_total{job=\"y\"} > vector(1)'}
";
        let asked = to_be_asked(&files(rules));
        let shown: Vec<&str> = asked.iter().map(|(s, _)| s.as_str()).collect();
        assert_eq!(shown, ["{job=\"y\",__name__=\"x_total\"}"]);
        assert_eq!(asked[0].1.rule, "a:b");
    }
}
