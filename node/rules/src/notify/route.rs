//! Which receivers an alert goes to.

use super::config::RawRoute;
use crate::file::Error;
use plimsoll_model::{MatchOp, Matcher};
use plimsoll_promql::{CompiledMatcher, parse_duration};
use std::collections::BTreeMap;

/// Routes within routes.
const DEPTH: usize = 20;

/// Matchers that all have to fit.
#[derive(Clone, Debug, Default)]
pub struct Matchers(Vec<CompiledMatcher>);

impl Matchers {
    /// Compiles matchers; the error is for the asker.
    pub fn new(matchers: &[Matcher]) -> Result<Self, String> {
        matchers.iter().map(CompiledMatcher::new).collect::<Result<_, _>>().map(Self)
    }

    /// Whether all fit.
    pub fn fit(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|m| m.matches(labels.get(&m.name).map_or("", String::as_str)))
    }
}

/// Reads `name="value"`, `name!=value`, `name=~"a|b"` or `name!~"a|b"`.
pub fn parse_matcher(text: &str) -> Result<Matcher, String> {
    let bad = || format!("{text:?} is no matcher: write name=\"value\", !=, =~ or !~");
    let at = text.find(['=', '!']).ok_or_else(bad)?;
    let (name, rest) = text.split_at(at);
    let ops =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
    let (value, op) = ops.iter().find_map(|(s, op)| Some((rest.strip_prefix(s)?, *op))).ok_or_else(bad)?;
    let (name, value) = (name.trim().trim_matches('"'), value.trim());
    if name.is_empty() {
        return Err(bad());
    }
    let value = match value.strip_prefix('"') {
        Some(inner) => {
            let inner = inner.strip_suffix('"').ok_or_else(bad)?;
            inner.replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\")
        }
        None => value.to_owned(),
    };
    Ok(Matcher::new(name, op, value))
}

/// A route with what it has from the routes around it.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its place in the tree, the same as long as the tree is.
    pub key: String,
    /// The name of its receiver.
    pub receiver: String,
    /// Labels that alerts of one message have in common; nothing for all labels.
    pub group_by: Option<Vec<String>>,
    /// How long a new group waits for more alerts.
    pub group_wait_ms: i64,
    /// How long until a message tells what has changed in a group.
    pub group_interval_ms: i64,
    /// How long until a message is repeated.
    pub repeat_interval_ms: i64,
    matchers: Matchers,
    goes_on: bool,
    routes: Vec<Route>,
}

impl Route {
    /// The root of a tree.
    pub(super) fn new(raw: &RawRoute, receivers: &[&str]) -> Result<Self, Error> {
        let root = Self {
            key: String::new(),
            receiver: String::new(),
            group_by: Some(Vec::new()),
            group_wait_ms: 30_000,
            group_interval_ms: 5 * 60_000,
            repeat_interval_ms: 4 * 3_600_000,
            matchers: Matchers::default(),
            goes_on: false,
            routes: Vec::new(),
        };
        root.child(raw, receivers, 0, String::from("{}"))
            .map_err(|text| Error::whole(format!("route: {text}")))
    }

    fn child(&self, raw: &RawRoute, receivers: &[&str], depth: usize, key: String) -> Result<Self, String> {
        if depth > DEPTH {
            return Err(format!("more than {DEPTH} routes within one another"));
        }
        let mut out = Self { key, routes: Vec::new(), goes_on: raw.goes_on, ..self.clone() };
        if let Some(receiver) = &raw.receiver {
            out.receiver = receiver.clone();
        }
        if !receivers.contains(&out.receiver.as_str()) {
            return Err(format!("there is no receiver {:?}; known are {receivers:?}", out.receiver));
        }
        if let Some(by) = &raw.group_by {
            out.group_by = if by.iter().any(|l| l == "...") { None } else { Some(by.clone()) };
        }
        let lengths = [
            ("group_wait", &raw.group_wait, &mut out.group_wait_ms, 0),
            ("group_interval", &raw.group_interval, &mut out.group_interval_ms, 1),
            ("repeat_interval", &raw.repeat_interval, &mut out.repeat_interval_ms, 1),
        ];
        for (key, text, ms, least) in lengths {
            if let Some(text) = text {
                let parsed = parse_duration(text).filter(|ms| *ms >= least);
                *ms = parsed.ok_or_else(|| format!("{key}: not a valid duration string: {text:?}"))?;
            }
        }
        let mut matchers: Vec<Matcher> =
            raw.matchers.iter().flatten().map(|m| parse_matcher(m)).collect::<Result<_, _>>()?;
        matchers.extend(raw.equal.iter().flatten().map(|(n, v)| Matcher::equal(n, v)));
        matchers.extend(raw.regex.iter().flatten().map(|(n, v)| Matcher::new(n, MatchOp::Regex, v)));
        out.matchers = Matchers::new(&matchers)?;
        for (at, inner) in raw.routes.iter().flatten().enumerate() {
            let key = format!("{}/{at}", out.key);
            let route = out.child(inner, receivers, depth + 1, key)?;
            out.routes.push(route);
        }
        Ok(out)
    }

    /// The routes that an alert takes: the first that fits, further ones after `continue`.
    pub fn of(&self, labels: &BTreeMap<String, String>) -> Vec<&Self> {
        if !self.matchers.fit(labels) {
            return Vec::new();
        }
        let mut out = Vec::new();
        for route in &self.routes {
            let found = route.of(labels);
            let fits = !found.is_empty();
            out.extend(found);
            if fits && !route.goes_on {
                break;
            }
        }
        if out.is_empty() {
            out.push(self);
        }
        out
    }

    /// The labels that stand for the group of an alert.
    pub fn group_of(&self, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        match &self.group_by {
            None => labels.clone(),
            Some(by) => by.iter().filter_map(|n| labels.get(n).map(|v| (n.clone(), v.clone()))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const CONFIG: &str = r#"
route:
  receiver: all
  group_by: [alertname]
  routes:
  - matchers: ['severity="page"']
    receiver: pager
    group_wait: 5s
    continue: true
    routes:
    - match: {team: db}
      receiver: db
      group_by: ['...']
  - matchers: ['severity=~"page|warn"', 'team!=db']
    receiver: chat
receivers: [{name: all}, {name: pager}, {name: db}, {name: chat}]
"#;

    #[test]
    fn alerts_take_the_routes_that_fit() {
        let config = Config::parse(CONFIG).expect("a good tree");
        let taken = |pairs: &[(&str, &str)]| {
            let labels = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            let routes = config.root.of(&labels);
            routes.iter().map(|r| format!("{} {}", r.receiver, r.key)).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(taken(&[]), "all {}");
        assert_eq!(taken(&[("severity", "page")]), "pager {}/0, chat {}/1");
        assert_eq!(taken(&[("severity", "page"), ("team", "db")]), "db {}/0/0");
        assert_eq!(taken(&[("severity", "warn"), ("team", "x")]), "chat {}/1");
        let pager = config.root.of(&[("severity".to_owned(), "page".to_owned())].into())[0];
        assert_eq!((pager.group_wait_ms, pager.group_interval_ms), (5000, 300_000));
    }

    #[test]
    fn matchers_are_read_as_people_write_them() {
        for (text, op, value) in [
            ("a=\"b\"", MatchOp::Equal, "b"),
            ("a = b", MatchOp::Equal, "b"),
            ("a!=\"b\\\"c\"", MatchOp::NotEqual, "b\"c"),
            ("a=~\"b|c\"", MatchOp::Regex, "b|c"),
            ("a!~b.*", MatchOp::NotRegex, "b.*"),
        ] {
            assert_eq!(parse_matcher(text), Ok(Matcher::new("a", op, value)), "{text}");
        }
        for bad in ["a", "=b", "a=\"b", "a!b"] {
            assert!(parse_matcher(bad).is_err(), "{bad}");
        }
    }
}
