//! Runs unit tests: rules over series in memory, at the times of the evaluation interval from 0 on.

use super::text::{AlertCase, ExprCase, Test, TestFile, length};
use crate::alert::Stage;
use crate::evaluate::{Around, Compiled, Outcome, State, series_of};
use crate::rule::Group;
use crate::series::Owner;
use crate::template::{Answers, Error as TemplateError, found};
use plimsoll_model::{Labels, Timestamp, stale_nan};
use plimsoll_promql::memory::{MemorySource, Sample};
use plimsoll_promql::{Budget, Described, Options, Plan, Point, Series, Source, execute};
use plimsoll_promql::{format_duration, format_float, parse_series};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Evaluations of one test: a year of minutes.
const EVALUATIONS: i64 = 600_000;
/// Queries of templates a rule and evaluation.
const TEMPLATE_QUERIES: usize = 20;

/// What does not hold, in the words of promtool; nothing when all holds.
pub fn run(file: &TestFile, groups: &[Group]) -> Vec<String> {
    let mut groups: Vec<&Group> = groups.iter().collect();
    let place = |g: &&Group| file.group_eval_order.iter().position(|n| *n == g.name).unwrap_or(usize::MAX);
    groups.sort_by_key(place);
    let each = file.tests.iter().flat_map(|test| {
        let title = if test.name.is_empty() { String::new() } else { format!("    name: {},\n", test.name) };
        let failures = run_test(file, test, &groups);
        failures.into_iter().map(move |f| format!("{title}{f}"))
    });
    each.collect()
}

/// A group while it is tested.
struct Tested {
    group: Group,
    rules: Vec<(Compiled, State)>,
}

fn run_test(file: &TestFile, test: &Test, groups: &[&Group]) -> Vec<String> {
    match Run::new(file, test, groups).and_then(|mut run| run.all()) {
        Ok(failures) => failures,
        Err(e) => vec![format!("    {e}")],
    }
}

struct Run<'a> {
    test: &'a Test,
    interval_ms: i64,
    fuzzy: bool,
    source: MemorySource,
    groups: Vec<Tested>,
    around: Around,
}

impl<'a> Run<'a> {
    fn new(file: &TestFile, test: &'a Test, groups: &[&Group]) -> Result<Self, String> {
        let step = length(test.interval.as_ref())?;
        let step = if step == 0 { file.interval_ms } else { step };
        let mut source = MemorySource::default();
        for input in &test.input_series {
            let line = format!("{} {}", input.series, input.values);
            let series = parse_series(&line).map_err(|e| format!("series {:?}: {e}", input.series))?;
            for (at, value) in series.values.iter().enumerate() {
                let sample = match value {
                    Described::Omitted => continue,
                    Described::Float(v) => Sample::Float(*v),
                    Described::Histogram(h, _) => Sample::Histogram(Arc::clone(h)),
                };
                source.put(&series.labels, at as i64 * step, sample, 0);
            }
        }
        let tested = |group: &&Group| Tested {
            rules: group.rules.iter().map(|r| (Compiled::new(r.clone()), State::default())).collect(),
            group: (*group).clone(),
        };
        let around =
            Around { external_labels: test.external_labels.clone(), external_url: test.external_url.clone() };
        Ok(Self {
            test,
            interval_ms: file.interval_ms,
            fuzzy: file.fuzzy_compare,
            source,
            groups: groups.iter().map(tested).collect(),
            around,
        })
    }

    fn all(&mut self) -> Result<Vec<String>, String> {
        let mut alerts: BTreeMap<i64, Vec<&AlertCase>> = BTreeMap::new();
        for case in &self.test.alert_rule_test {
            if case.alertname.is_empty() {
                return Err(format!(
                    "an item under alert_rule_test misses required attribute alertname at eval_time {}",
                    format_duration(length(case.eval_time.as_ref())?)
                ));
            }
            alerts.entry(length(case.eval_time.as_ref())?).or_default().push(case);
        }
        let mut last = alerts.keys().last().copied().unwrap_or(0);
        for case in &self.test.promql_expr_test {
            last = last.max(length(case.eval_time.as_ref())?);
        }
        if last / self.interval_ms > EVALUATIONS {
            return Err(format!("a test has at most {EVALUATIONS} evaluations"));
        }
        let mut failures = Vec::new();
        let mut at = 0;
        while at <= last {
            self.evaluate(at, &mut failures);
            for (time, cases) in alerts.range(at..at + self.interval_ms) {
                for case in cases {
                    failures.extend(self.check_alert(*time, case));
                }
            }
            at += self.interval_ms;
        }
        for case in &self.test.promql_expr_test {
            failures.extend(self.check_expr(case)?);
        }
        Ok(failures)
    }

    fn evaluate(&mut self, at: Timestamp, failures: &mut Vec<String>) {
        for index in 0..self.groups.len() {
            for rule in 0..self.groups[index].rules.len() {
                if let Err(e) = self.evaluate_rule(index, rule, at) {
                    let name = self.groups[index].rules[rule].0.rule.name();
                    failures.push(format!("    rule: {name}, time: {}, err: {e}", format_duration(at)));
                }
            }
        }
    }

    fn evaluate_rule(&mut self, group: usize, rule: usize, at: Timestamp) -> Result<(), String> {
        let tested = &self.groups[group];
        let sampled_at = at - tested.group.query_offset_ms.unwrap_or(0);
        let compiled = tested.rules[rule].0.clone();
        let answer = query(&self.source, &compiled.rule.expr, sampled_at)?;
        let outcome = match compiled.rule.alerting() {
            None => Outcome::Recorded(compiled.record(answer)?),
            Some(_) => {
                let mut answers = Answers::new();
                loop {
                    match compiled.held(&answer, at, &self.around, &answers) {
                        Ok(held) => break Outcome::Held(held),
                        Err(TemplateError::Failed(e)) => return Err(e),
                        Err(TemplateError::Needs(_)) if answers.len() >= TEMPLATE_QUERIES => {
                            return Err(format!("its templates make more than {TEMPLATE_QUERIES} queries"));
                        }
                        Err(TemplateError::Needs(text)) => {
                            let series = query(&self.source, &text, at).map(|all| {
                                all.iter().map(|s| found(&s.labels, value(&s.point))).collect::<Vec<_>>()
                            });
                            answers.insert(text, series);
                        }
                    }
                }
            }
        };
        let tested = &mut self.groups[group];
        let limit = tested.group.limit;
        let written = tested.rules[rule].1.advance(&compiled, &Owner::default(), limit, at, outcome)?;
        for (labels, point) in written {
            let sample = match point {
                None => Sample::Float(stale_nan()),
                Some(Point::Float(v)) => Sample::Float(v),
                Some(Point::Histogram(h)) => Sample::Histogram(h),
            };
            self.source.put(&labels, sampled_at, sample, 0);
        }
        Ok(())
    }

    fn check_alert(&self, time: Timestamp, case: &AlertCase) -> Option<String> {
        let rules = self.groups.iter().flat_map(|g| &g.rules).filter(|(c, _)| c.rule.alerting().is_some());
        let named = rules.filter(|(c, _)| c.rule.name() == case.alertname);
        let firing = named.flat_map(|(_, state)| state.alerts.active()).filter(|a| a.stage == Stage::Firing);
        let texts = |labels: &Labels| labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let mut got: Vec<Shown> = firing.map(|a| (texts(&a.labels), a.annotations.clone())).collect();
        let expected = case.exp_alerts.iter().flatten().map(|e| {
            let mut labels = e.exp_labels.clone().unwrap_or_default();
            labels.insert("alertname".to_owned(), case.alertname.clone());
            labels.retain(|_, v| !v.is_empty());
            (labels, e.exp_annotations.clone().unwrap_or_default())
        });
        let mut expected: Vec<Shown> = expected.collect();
        got.sort();
        expected.sort();
        if got == expected {
            return None;
        }
        Some(format!(
            "    alertname: {}, time: {}, \n        exp:{}, \n        got:{}",
            case.alertname,
            format_duration(time),
            shown_alerts(&expected),
            shown_alerts(&got)
        ))
    }

    fn check_expr(&self, case: &ExprCase) -> Result<Option<String>, String> {
        let at = length(case.eval_time.as_ref())?;
        let head = format!("    expr: {:?}, time: {}", case.expr, format_duration(at));
        let got = match query(&self.source, &case.expr, at) {
            Ok(series) => series,
            Err(e) => return Ok(Some(format!("{head}, err: {e}"))),
        };
        let mut expected: Vec<(Labels, Point)> = Vec::new();
        for sample in case.exp_samples.iter().flatten() {
            let labels = match sample.labels.trim() {
                "" | "{}" => Labels::default(),
                // a description of a series has values; this one says that there is none
                text => {
                    parse_series(&format!("{text} _")).map_err(|e| format!("labels {text:?}: {e}"))?.labels
                }
            };
            let point = match &sample.histogram {
                None => Point::Float(sample.value),
                Some(text) => match parse_series(&format!("x {text}")).map(|s| s.values) {
                    Ok(values) => match values.as_slice() {
                        [Described::Histogram(h, _)] => Point::Histogram(Arc::clone(h)),
                        _ => return Err(format!("no histogram: {text:?}")),
                    },
                    Err(e) => return Err(format!("no histogram: {text:?}: {e}")),
                },
            };
            expected.push((labels, point));
        }
        let mut got: Vec<(Labels, Point)> = got.into_iter().map(|s| (s.labels, s.point)).collect();
        got.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        let same = got.len() == expected.len()
            && got.iter().zip(&expected).all(|(g, e)| g.0 == e.0 && self.is_same(&g.1, &e.1));
        let text = || {
            format!(
                "{head},\n        exp: {}\n        got: {}",
                shown_samples(&expected),
                shown_samples(&got)
            )
        };
        Ok((!same).then(text))
    }

    fn is_same(&self, a: &Point, b: &Point) -> bool {
        match (a, b) {
            (Point::Float(a), Point::Float(b)) => {
                let near = (a - b).abs() <= 1e-8 * a.abs().max(b.abs());
                a == b || a.is_nan() && b.is_nan() || self.fuzzy && near
            }
            // a stored histogram knows of resets what one that is written in a test cannot say
            (Point::Histogram(a), Point::Histogram(b)) => {
                let plain = |h: &plimsoll_model::Histogram| plimsoll_model::Histogram {
                    reset_hint: plimsoll_model::ResetHint::Unknown,
                    ..h.clone()
                };
                plain(a) == plain(b)
            }
            _ => false,
        }
    }
}

/// Labels and annotations of an alert.
type Shown = (BTreeMap<String, String>, BTreeMap<String, String>);

fn value(point: &Point) -> f64 {
    match point {
        Point::Float(v) => *v,
        Point::Histogram(_) => 0.0,
    }
}

fn query(source: &MemorySource, text: &str, at: Timestamp) -> Result<Vec<Series>, String> {
    let plan = Plan::instant(text, at, Options::default()).map_err(|e| e.to_string())?;
    let answer = execute(&plan, &[source as &dyn Source], &Budget::default()).map_err(|e| e.to_string())?;
    series_of(answer.value)
}

fn pairs(texts: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = texts.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn shown_alerts(alerts: &[Shown]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let one = |(at, (labels, annotations)): (usize, &Shown)| {
        format!(
            "\n            {at}:\n              Labels:{}\n              Annotations:{}",
            pairs(labels),
            pairs(annotations)
        )
    };
    format!("[{}\n            ]", alerts.iter().enumerate().map(one).collect::<String>())
}

fn shown_samples(samples: &[(Labels, Point)]) -> String {
    if samples.is_empty() {
        return "nil".to_owned();
    }
    let one = |(labels, point): &(Labels, Point)| match point {
        Point::Float(v) => format!("{labels} {}", format_float(*v)),
        Point::Histogram(h) => {
            format!("{labels} histogram of {} with sum {}", format_float(h.count), format_float(h.sum))
        }
    };
    samples.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const RULES: &str = "
groups:
- name: g
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: job:up:sum == 0
    for: 2m
    keep_firing_for: 1m
    labels: {severity: page}
    annotations: {summary: '{{ $labels.job }} is down, {{ query \"count(up)\" | first | value }} are known'}
";

    fn failures(test: &str) -> Vec<String> {
        let groups = crate::file::parse(RULES).expect("rules");
        run(&parse(test).expect("a test"), &groups)
    }

    #[test]
    fn tests_that_hold_say_nothing() {
        let test = "
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {series: 'up{job=\"a\",i=\"1\"}', values: '1 1 0x5 1x10'}
  - {series: 'up{job=\"b\",i=\"1\"}', values: '1x20'}
  alert_rule_test:
  - {eval_time: 3m, alertname: Down}
  - eval_time: 4m
    alertname: Down
    exp_alerts:
    - exp_labels: {severity: page, job: a}
      exp_annotations: {summary: 'a is down, 2 are known'}
  - eval_time: 8m
    alertname: Down
    exp_alerts: [{exp_labels: {severity: page, job: a}, exp_annotations: {summary: 'a is down, 2 are known'}}]
  - {eval_time: 9m, alertname: Down, exp_alerts: []}
  promql_expr_test:
  - expr: job:up:sum
    eval_time: 2m
    exp_samples: [{labels: 'job:up:sum{job=\"b\"}', value: 1}, {labels: 'job:up:sum{job=\"a\"}', value: 0}]
  - {expr: 'ALERTS{alertstate=\"pending\"}', eval_time: 2m, exp_samples: [{labels: 'ALERTS{alertname=\"Down\",alertstate=\"pending\",job=\"a\",severity=\"page\"}', value: 1}]}
  - {expr: 'ALERTS', eval_time: 9m}
";
        assert_eq!(failures(test), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_hold_is_told_with_both_sides() {
        let test = "
tests:
- name: wrong
  interval: 1m
  input_series: [{series: 'up{job=\"a\"}', values: '0x5'}]
  alert_rule_test: [{eval_time: 3m, alertname: Down}]
  promql_expr_test: [{expr: 'up', eval_time: 1m, exp_samples: [{labels: 'up{job=\"a\"}', value: 1}]}, {expr: 'sum(', eval_time: 0m}]
";
        let found = failures(test);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(
            found[0].contains("name: wrong")
                && found[0].contains("exp:[]")
                && found[0].contains("severity=\"page\"")
        );
        assert!(found[1].contains("exp: up{job=\"a\"} 1") && found[1].contains("got: up{job=\"a\"} 0"));
        assert!(found[2].contains("err: "), "{}", found[2]);
    }

    #[test]
    fn a_test_that_cannot_be_read_or_run_says_so() {
        assert!(parse("tests: [{nonsense: 1}]").is_err());
        assert!(
            failures("tests: [{interval: 1m, input_series: [{series: 'up{', values: '1'}]}]")[0]
                .contains("series")
        );
        assert!(
            failures("tests: [{alert_rule_test: [{eval_time: 100y, alertname: A}]}]")[0].contains("at most")
        );
    }
}
