//! Which source series become which canonical ones. The mapping is data: `default/mapping.toml` where nobody applied
//! another one.

mod document;
mod kind;
mod name;

pub use kind::Kind;

use crate::document::{Fault, matches};
use crate::{OWN_SOURCE, SESSION_LABEL, SOURCE_LABEL, TOKENS};
use name::{Part, normal, part_of};
use plimsoll_model::{Labels, METRIC_NAME};
use std::collections::BTreeMap;

const BUILTIN: &str = include_str!("../../default/mapping.toml");

/// A mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    revision: String,
    sessions: usize,
    sources: Vec<Source>,
    aliases: Vec<Alias>,
}

/// A program or library and what it sends.
#[derive(Clone, Debug, PartialEq)]
struct Source {
    name: String,
    /// Its tokens have canonical names already: only cost and aliases are made of them.
    canonical: bool,
    /// Whether aliases are made of what it sends.
    aliased: bool,
    /// Sources whose tokens count instead of this one's where one process sends both.
    yields_to: Vec<String>,
    /// Canonical labels with a fixed value.
    set: Vec<(String, String)>,
    /// A series whose label is like the pattern is not of this source.
    skip: Vec<(String, String)>,
    /// Canonical labels and the labels they come from; the first that is there counts.
    labels: Vec<(String, Vec<String>)>,
    /// Other words for values of canonical labels.
    values: BTreeMap<String, BTreeMap<String, String>>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    base: String,
    units: Vec<String>,
    exact: bool,
    what: What,
    labels: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Tokens { by: String, kinds: BTreeMap<String, Kind>, part_of: BTreeMap<String, Kind> },
    Counter { to: String, scale: f64 },
    Histogram { to: String, scale: f64 },
    Gauge { to: String, scale: f64 },
}

/// A second name for a canonical metric, summed over all labels but `by`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alias {
    pub name: String,
    pub of: String,
    pub by: Vec<String>,
}

/// A series of a source.
#[derive(Clone, Copy, Debug)]
pub struct SourceSeries<'a> {
    /// Its labels, as they came.
    pub labels: &'a Labels,
    /// Whether its samples are native histograms.
    pub native: bool,
}

/// What a series of a source means.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The source's number in the mapping.
    pub(crate) source: usize,
    /// Labels of the canonical series, with its name, without the session and the kind of tokens.
    pub labels: Labels,
    /// The session.
    pub session: Option<String>,
    /// The process that sends, as far as labels tell.
    pub(crate) sender: String,
    /// What its values are.
    pub shape: Shape,
}

/// What the values of a series are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Tokens of a kind, which may be counted in another kind as well.
    Tokens {
        /// The kind.
        kind: Kind,
        /// The kind that counts them too.
        part_of: Option<Kind>,
    },
    /// Something counted, times a factor.
    Counter(f64),
    /// Something measured, times a factor.
    Gauge(f64),
    /// Known, and of no use: totals of kinds that are counted themselves.
    Nothing,
}

impl Mapping {
    /// Reads and checks a mapping.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        document::parse(text)
    }

    /// The mapping that holds where nobody applied one.
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("a test reads the built-in mapping")
    }

    /// The built-in mapping's text.
    pub fn builtin_text() -> &'static str {
        BUILTIN
    }

    /// Which mapping it is.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Sessions of a source that keep their own series.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// Names of the sources with the number of their rules.
    pub fn sources(&self) -> impl Iterator<Item = (&str, usize)> {
        self.sources.iter().map(|s| (s.name.as_str(), s.rules.len()))
    }

    /// A regex that the names of all series match which [`Self::read`] may know.
    pub fn name_pattern(&self) -> String {
        let rules = self.sources.iter().flat_map(|s| &s.rules);
        let pattern = |rule: &Rule| {
            let histogram = matches!(rule.what, What::Histogram { .. });
            name::pattern(&rule.base, &rule.units, rule.exact, histogram)
        };
        let mut all: Vec<String> = rules.map(pattern).collect();
        all.sort_unstable();
        all.dedup();
        all.join("|")
    }

    /// What a series means; nothing when no rule knows it.
    pub fn read(&self, series: SourceSeries<'_>) -> Option<Reading> {
        if series.labels.get(SOURCE_LABEL).is_some() {
            return None;
        }
        let raw = series.labels.metric_name()?;
        let metric = normal(raw);
        let labels: BTreeMap<String, &str> = series.labels.iter().map(|(n, v)| (normal(n), v)).collect();
        let get = |name: &str| labels.get(name).copied().filter(|v| !v.is_empty());
        for (at, source) in self.sources.iter().enumerate() {
            if source.skip.iter().any(|(label, pattern)| get(label).is_some_and(|v| matches(pattern, v))) {
                continue;
            }
            for rule in &source.rules {
                let part = if rule.exact && metric == rule.base {
                    Some(Part::Whole)
                } else {
                    part_of(&metric, &rule.base, &rule.units).filter(|p| !rule.exact || *p != Part::Whole)
                };
                let Some(part) = part else { continue };
                if let Some(reading) = source.apply(at, rule, part, series, &get) {
                    return Some(reading);
                }
            }
        }
        None
    }

    pub(crate) fn source_name(&self, source: usize) -> &str {
        self.sources.get(source).map_or(OWN_SOURCE, |s| &s.name)
    }

    pub(crate) fn is_canonical(&self, source: usize) -> bool {
        self.sources.get(source).is_some_and(|s| s.canonical)
    }

    pub(crate) fn yields_to(&self, source: usize) -> impl Iterator<Item = usize> {
        let names = self.sources.get(source).map_or(&[][..], |s| &s.yields_to);
        names.iter().filter_map(|name| self.sources.iter().position(|s| s.name == *name))
    }

    /// Kinds that are counted in `parent` as well in this source.
    pub(crate) fn parts_of(&self, source: usize, parent: Kind) -> Vec<Kind> {
        let mut parts = Vec::new();
        for rule in self.sources.get(source).iter().flat_map(|s| &s.rules) {
            if let What::Tokens { kinds, part_of, .. } = &rule.what {
                let of =
                    part_of.iter().filter(|(_, p)| **p == parent).filter_map(|(value, _)| kinds.get(value));
                parts.extend(of.copied());
            }
        }
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    pub(crate) fn aliases_of(&self, source: usize, metric: &str) -> impl Iterator<Item = &Alias> {
        let aliased = self.sources.get(source).is_none_or(|s| s.aliased);
        self.aliases.iter().filter(move |alias| aliased && alias.of == metric)
    }
}

impl Source {
    fn apply<'a>(
        &self,
        at: usize,
        rule: &Rule,
        part: Part,
        SourceSeries { labels: raw, native }: SourceSeries<'_>,
        get: &impl Fn(&str) -> Option<&'a str>,
    ) -> Option<Reading> {
        let mut le = None;
        let (name, shape) = match (&rule.what, part) {
            // a histogram of tokens holds them as its sum
            (What::Tokens { by, kinds, part_of }, Part::Whole | Part::Sum) => {
                let value = if by.is_empty() { "" } else { get(by).unwrap_or("") };
                let shape = match kinds.get(value) {
                    Some(kind) => Shape::Tokens { kind: *kind, part_of: part_of.get(value).copied() },
                    None => Shape::Nothing,
                };
                (TOKENS.to_owned(), shape)
            }
            (What::Counter { to, scale }, Part::Whole) if !native => (to.clone(), Shape::Counter(*scale)),
            (What::Gauge { to, scale }, Part::Whole) if !native => return self.gauge(at, to, *scale, raw),
            (What::Histogram { to, scale }, Part::Sum) => (format!("{to}_sum"), Shape::Counter(*scale)),
            (What::Histogram { to, .. }, Part::Count) => (format!("{to}_count"), Shape::Counter(1.0)),
            (What::Histogram { to, scale }, Part::Bucket) => {
                le = Some(scaled(get("le")?, *scale)?);
                (format!("{to}_bucket"), Shape::Counter(1.0))
            }
            _ => return None,
        };
        let mut out: BTreeMap<&str, &str> = BTreeMap::new();
        for (label, from) in self.labels.iter().chain(&rule.labels) {
            if let Some(value) = from.iter().find_map(|name| get(name)) {
                let word = self.values.get(label).and_then(|words| words.get(value));
                out.insert(label, word.map_or(value, String::as_str));
            }
        }
        out.extend(self.set.iter().map(|(l, v)| (l.as_str(), v.as_str())));
        let session = out.remove(SESSION_LABEL).map(str::to_owned);
        out.insert(METRIC_NAME, &name);
        out.insert(SOURCE_LABEL, &self.name);
        if let Some(le) = &le {
            out.insert("le", le);
        }
        let labels = Labels::from_pairs(out).ok()?;
        let sender = ["job", "service_name", "instance", "service_instance_id"];
        let sender = sender.map(|name| get(name).unwrap_or("")).join("\u{0}");
        Some(Reading { source: at, labels, session, sender, shape })
    }
}

impl Source {
    /// A gauge keeps all of its labels: values of several cannot be added up.
    fn gauge(&self, at: usize, to: &str, scale: f64, raw: &Labels) -> Option<Reading> {
        if raw.metric_name() == Some(to) {
            return None;
        }
        let labels = raw.with(METRIC_NAME, to).with(SOURCE_LABEL, &self.name);
        Some(Reading { source: at, labels, session: None, sender: String::new(), shape: Shape::Gauge(scale) })
    }
}

/// A bucket's upper bound in another unit.
fn scaled(le: &str, scale: f64) -> Option<String> {
    if scale == 1.0 || le == "+Inf" {
        return Some(le.to_owned());
    }
    let bound = le.parse::<f64>().ok()? * scale;
    // 12 digits hide what the factor's binary form adds: 0.25 and not 0.25000000000000006
    format!("{bound:.12}").parse::<f64>().ok().map(|bound| bound.to_string())
}
