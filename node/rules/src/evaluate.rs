//! From the answer to a rule's expression to the samples that are to be stored.

use crate::alert::{Alerts, Held, Phases};
use crate::reads::Reads;
use crate::rule::{Kind, Rule, Texts};
use crate::series;
use crate::template::{Answers, Data, Error as TemplateError, Template, found};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use plimsoll_promql::{Point, Series, Value};
use std::collections::{BTreeMap, HashSet};

/// A rule ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The rule.
    pub rule: Rule,
    /// What its expression reads.
    pub reads: Reads,
    labels: Vec<(String, Template)>,
    annotations: Vec<(String, Template)>,
}

/// What the templates of a cluster's rules see beside the alert.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Labels of all alerts of the cluster.
    pub external_labels: Texts,
    /// Where people reach the cluster.
    pub external_url: String,
}

/// A sample to be stored; nothing is a stale marker.
pub type Written = (Labels, Option<Point>);

/// The value of a rule's expression as series: a number is a series without labels.
pub fn series_of(value: Value) -> Result<Vec<Series>, String> {
    match value {
        Value::Vector(_, series) => Ok(series),
        Value::Scalar(_, v) => Ok(vec![Series { labels: Labels::default(), point: Point::Float(v) }]),
        Value::String(..) | Value::Matrix(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}

impl Compiled {
    /// Makes a rule ready; a file's check has read its templates before.
    pub fn new(rule: Rule) -> Self {
        let read = |texts: &Texts| {
            let ready =
                texts.iter().filter_map(|(name, text)| Some((name.clone(), Template::new(text).ok()?)));
            ready.collect::<Vec<_>>()
        };
        let (labels, annotations) = match &rule.kind {
            Kind::Recording { .. } => (Vec::new(), Vec::new()),
            Kind::Alerting(alerting) => (read(&rule.labels), read(&alerting.annotations)),
        };
        Self { reads: Reads::of(&rule.expr), labels, annotations, rule }
    }

    /// Names of the series that it writes.
    pub fn writes(&self) -> &str {
        match &self.rule.kind {
            Kind::Recording { record } => record,
            Kind::Alerting(_) => "ALERTS",
        }
    }

    /// How long the phases of its alerts last.
    pub fn phases(&self) -> Phases {
        self.rule.alerting().map_or_else(Phases::default, |a| Phases {
            for_ms: a.for_ms,
            keep_firing_for_ms: a.keep_firing_for_ms,
            cooldown_ms: a.cooldown_ms,
        })
    }

    /// The series that a recording rule gives.
    pub fn record(&self, answer: Vec<Series>) -> Result<Vec<(Labels, Point)>, String> {
        let mut seen = HashSet::new();
        let mut out = Vec::with_capacity(answer.len());
        for series in answer {
            let mut pairs: BTreeMap<&str, &str> = series.labels.iter().collect();
            pairs.insert(METRIC_NAME, self.rule.name());
            pairs.extend(self.rule.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            let labels = Labels::from_pairs(pairs).map_err(|e| e.to_string())?;
            if !seen.insert(labels.clone()) {
                return Err(
                    "vector contains metrics with the same labelset after applying rule labels".to_owned()
                );
            }
            out.push((labels, series.point));
        }
        Ok(out)
    }

    /// The alerts whose expression holds. [`TemplateError::Needs`] asks for the answer to a query.
    pub fn held(
        &self,
        answer: &[Series],
        at: Timestamp,
        around: &Around,
        answers: &Answers,
    ) -> Result<Vec<Held>, TemplateError> {
        let mut seen = HashSet::new();
        let mut out = Vec::with_capacity(answer.len());
        for series in answer {
            let value = match &series.point {
                Point::Float(v) => *v,
                Point::Histogram(_) => 0.0,
            };
            let sample = found(&series.labels, value);
            let data =
                Data::of_alert(&sample.labels, value, &around.external_labels, &around.external_url, at);
            let mut pairs = sample.labels;
            pairs.remove(METRIC_NAME);
            for (name, template) in &self.labels {
                pairs.insert(name.clone(), text_of(template, &data, answers)?);
            }
            pairs.insert("alertname".to_owned(), self.rule.name().to_owned());
            let labels = Labels::from_pairs(&pairs).map_err(|e| TemplateError::Failed(e.to_string()))?;
            if !seen.insert(labels.clone()) {
                let text = "vector contains metrics with the same labelset after applying alert labels";
                return Err(TemplateError::Failed(text.to_owned()));
            }
            let mut annotations = BTreeMap::new();
            for (name, template) in &self.annotations {
                annotations.insert(name.clone(), text_of(template, &data, answers)?);
            }
            out.push(Held { labels, annotations, value });
        }
        Ok(out)
    }
}

/// The text of a template; one that fails says so in its place.
fn text_of(template: &Template, data: &Data, answers: &Answers) -> Result<String, TemplateError> {
    match template.expand(data, answers) {
        Err(TemplateError::Failed(e)) => Ok(format!("<error expanding template: {e}>")),
        other => other,
    }
}

/// What a rule knows from one evaluation to the next.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Its alerts.
    pub alerts: Alerts,
    /// The series that it wrote last.
    pub series: Vec<Labels>,
}

/// What an evaluation of a rule found.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Series to record.
    Recorded(Vec<(Labels, Point)>),
    /// Alerts whose expression holds.
    Held(Vec<Held>),
}

impl State {
    /// Takes up what an evaluation at `at` found: the samples to be stored, stale markers among them. After an
    /// error the series of before are neither written nor ended.
    pub fn advance(
        &mut self,
        compiled: &Compiled,
        owner: &series::Owner,
        limit: u64,
        at: Timestamp,
        outcome: Outcome,
    ) -> Result<Vec<Written>, String> {
        let over = |n: usize| limit > 0 && n as u64 > limit;
        let now: Vec<(Labels, Point)> = match outcome {
            Outcome::Recorded(series) if over(series.len()) => {
                return Err(format!("exceeded limit of {limit} with {} series", series.len()));
            }
            Outcome::Recorded(series) => series,
            Outcome::Held(held) => {
                self.alerts.advance(at, held, compiled.phases());
                let active = self.alerts.active().count();
                if over(active) {
                    self.alerts.clear();
                    return Err(format!("exceeded limit of {limit} with {active} alerts"));
                }
                let series = series::of_alerts(&self.alerts, owner);
                series.into_iter().map(|(labels, v)| (labels, Point::Float(v))).collect()
            }
        };
        let labels: Vec<Labels> = now.iter().map(|(labels, _)| labels.clone()).collect();
        let mut out: Vec<Written> = series::gone(&self.series, &labels).map(|l| (l.clone(), None)).collect();
        out.extend(now.into_iter().map(|(labels, point)| (labels, Some(point))));
        self.series = labels;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Compiled {
        let file = format!("groups:\n- name: g\n  rules:\n  - {text}");
        let mut groups = crate::file::parse(&file).expect("a rule");
        Compiled::new(groups.remove(0).rules.remove(0))
    }

    fn series(pairs: &[(&str, &str)], v: f64) -> Series {
        Series { labels: Labels::from_pairs(pairs.iter().copied()).expect("labels"), point: Point::Float(v) }
    }

    fn shown(written: &[Written]) -> Vec<String> {
        let one = |(labels, point): &Written| match point {
            Some(Point::Float(v)) => format!("{labels} {v}"),
            Some(Point::Histogram(_)) => format!("{labels} histogram"),
            None => format!("{labels} stale"),
        };
        let own = |w: &&Written| w.0.metric_name() != Some(series::STATE_METRIC);
        let mut all: Vec<String> = written.iter().filter(own).map(one).collect();
        all.sort();
        all
    }

    #[test]
    fn a_recording_rule_names_its_series_and_ends_those_that_are_gone() {
        let compiled = rule("{record: 'a:b', expr: up, labels: {x: '1', drop: ''}}");
        let mut state = State::default();
        let mut run = |series: Vec<Series>, limit| {
            let recorded = Outcome::Recorded(compiled.record(series)?);
            state.advance(&compiled, &series::Owner::default(), limit, 0, recorded).map(|w| shown(&w))
        };
        let up = |i: &str| series(&[("__name__", "up"), ("i", i), ("drop", "y")], 1.0);
        assert_eq!(
            run(vec![up("a"), up("b")], 0).expect("ok"),
            ["a:b{i=\"a\", x=\"1\"} 1", "a:b{i=\"b\", x=\"1\"} 1"]
        );
        assert!(run(vec![up("a"), up("b")], 1).is_err_and(|e| e == "exceeded limit of 1 with 2 series"));
        assert_eq!(
            run(vec![up("b")], 0).expect("ok"),
            ["a:b{i=\"a\", x=\"1\"} stale", "a:b{i=\"b\", x=\"1\"} 1"]
        );
        assert_eq!(run(vec![], 0).expect("ok"), ["a:b{i=\"b\", x=\"1\"} stale"]);
        let twins = vec![series(&[("drop", "1")], 1.0), series(&[("drop", "2")], 1.0)];
        assert!(run(twins, 0).is_err_and(|e| e.contains("same labelset")));
    }

    #[test]
    fn an_alerting_rule_writes_its_alerts_and_ends_what_has_changed() {
        let compiled = rule(
            "{alert: A, expr: x, for: 1m, labels: {sev: '{{ $labels.i | toUpper }}'}, annotations: {s: '{{ $value }}'}}",
        );
        let mut state = State::default();
        let mut run = |at, series: &[Series], limit| {
            let held =
                compiled.held(series, at, &Around::default(), &Answers::new()).map_err(|e| e.to_string())?;
            state
                .advance(&compiled, &series::Owner::default(), limit, at, Outcome::Held(held))
                .map(|w| shown(&w))
        };
        let x = series(&[("__name__", "x"), ("i", "a")], 5.0);
        let labels = "alertname=\"A\", alertstate=\"STATE\", i=\"a\", sev=\"A\"";
        let alerts = |stage: &str| format!("ALERTS{{{}}}", labels.replace("STATE", stage));
        let since = "ALERTS_FOR_STATE{alertname=\"A\", i=\"a\", sev=\"A\"}";
        assert_eq!(
            run(60_000, std::slice::from_ref(&x), 0).expect("ok"),
            [format!("{since} 60"), format!("{} 1", alerts("pending"))]
        );
        let second = run(120_000, std::slice::from_ref(&x), 0).expect("ok");
        assert_eq!(
            second,
            [
                format!("{since} 60"),
                format!("{} 1", alerts("firing")),
                format!("{} stale", alerts("pending"))
            ]
        );
        assert_eq!(
            run(180_000, &[], 0).expect("ok"),
            [format!("{since} stale"), format!("{} stale", alerts("firing"))]
        );
        let two = [x.clone(), series(&[("i", "b")], 1.0)];
        assert!(run(240_000, &two, 1).is_err_and(|e| e == "exceeded limit of 1 with 2 alerts"));
    }

    #[test]
    fn annotations_that_fail_say_so_and_those_that_ask_wait() {
        let compiled = rule(
            "{alert: A, expr: x, annotations: {bad: '{{ .No }}', asks: '{{ query \"up\" | first | value }}'}}",
        );
        let x = [series(&[("i", "a")], 5.0)];
        let mut answers = Answers::new();
        let held = compiled.held(&x, 0, &Around::default(), &answers);
        assert_eq!(held, Err(TemplateError::Needs("up".to_owned())));
        answers.insert("up".to_owned(), Ok(vec![found(&Labels::default(), 3.0)]));
        let held = compiled.held(&x, 0, &Around::default(), &answers).expect("alerts");
        assert_eq!(held[0].annotations["asks"], "3");
        assert!(held[0].annotations["bad"].starts_with("<error expanding template: "));
    }
}
