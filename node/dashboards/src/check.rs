//! What a dashboard must be before it is kept.

use crate::dashboard::{COLUMNS, Dashboard, Kind, Panel};
use crate::expression::with_samples;
use std::collections::BTreeSet;

/// Bytes of a dashboard's JSON.
pub const MOST_BYTES: usize = 512 << 10;
const PANELS: usize = 200;
const QUERIES: usize = 40;
const VARIABLES: usize = 40;
const ID_CHARS: usize = 64;
const TITLE_CHARS: usize = 200;
const TEXT_CHARS: usize = 20_000;
const ROWS: u16 = 2000;

/// Why a dashboard is refused. The text names the place and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The JSON is not that of a dashboard.
    #[error("this is no dashboard: {0}")]
    Form(String),
    /// An id that addresses could not carry.
    #[error(
        "the id {0:?} must have 1 to {ID_CHARS} small letters, digits and `-`, and begin and end with none of these"
    )]
    Id(String),
    /// Something of the dashboard as a whole.
    #[error("{0}")]
    Whole(String),
    /// Something of a panel.
    #[error("panel {number} ({title:?}): {reason}")]
    Panel {
        /// From 1.
        number: usize,
        /// Its title.
        title: String,
        /// What is wrong.
        reason: String,
    },
    /// Something of a variable.
    #[error("variable {name:?}: {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Whether `id` can name a dashboard.
pub fn check_id(id: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = !id.is_empty()
        && id.len() <= ID_CHARS
        && id.chars().all(plain)
        && !id.starts_with('-')
        && !id.ends_with('-');
    if good { Ok(()) } else { Err(Error::Id(id.to_owned())) }
}

/// An id made of a title: `Loop performance` is `loop-performance`.
pub fn id_of(title: &str) -> String {
    let mut id = String::new();
    for c in title.chars() {
        if id.len() >= ID_CHARS {
            break;
        }
        if c.is_ascii_alphanumeric() {
            id.push(c.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    let id = id.trim_end_matches('-');
    if id.is_empty() { "dashboard".to_owned() } else { id.to_owned() }
}

impl Dashboard {
    /// Reads the JSON of a dashboard; does not check what is in it.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        if json.len() > MOST_BYTES {
            return Err(Error::Whole(format!(
                "a dashboard has at most {MOST_BYTES} bytes, this one {}",
                json.len()
            )));
        }
        serde_json::from_slice(json).map_err(|e| Error::Form(e.to_string()))
    }

    /// Checks everything; `parses` says what is wrong with a PromQL text.
    pub fn check(&self, parses: &dyn Fn(&str) -> Result<(), String>) -> Result<(), Error> {
        check_id(&self.id)?;
        let whole = |text: String| Err(Error::Whole(text));
        if self.title.trim().is_empty() || self.title.chars().count() > TITLE_CHARS {
            return whole(format!("a dashboard needs a title of 1 to {TITLE_CHARS} characters"));
        }
        if self.panels.len() > PANELS {
            return whole(format!(
                "a dashboard has at most {PANELS} panels, this one {}: make two of it",
                self.panels.len()
            ));
        }
        if self.variables.len() > VARIABLES {
            return whole(format!("a dashboard has at most {VARIABLES} variables"));
        }
        if let Some(from) = self.from.as_deref().filter(|f| !is_moment(f)) {
            return whole(format!("from {from:?} is no time: write now-1h"));
        }
        self.check_variables()?;
        for (at, panel) in self.panels.iter().enumerate() {
            let broken = |reason| Error::Panel { number: at + 1, title: panel.title.clone(), reason };
            panel.check(parses).map_err(broken)?;
        }
        Ok(())
    }

    fn check_variables(&self) -> Result<(), Error> {
        let mut names = BTreeSet::new();
        for v in &self.variables {
            let broken =
                |reason: &str| Err(Error::Variable { name: v.name.clone(), reason: reason.to_owned() });
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if v.name.is_empty() || !v.name.chars().all(word) || v.name.starts_with("__") {
                return broken("a name has letters, digits and `_`, and no `__` in front");
            }
            if !names.insert(&v.name) {
                return broken("there are two of this name");
            }
            match (&v.query, &v.values) {
                (None, None) => return broken("it needs `query` or `values`"),
                (Some(_), Some(_)) => return broken("it has `query` and `values`: leave one out"),
                (Some(q), None) if !is_label_values(q) => {
                    return broken("a query is label_values(label) or label_values(selector, label)");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Panel {
    fn check(&self, parses: &dyn Fn(&str) -> Result<(), String>) -> Result<(), String> {
        let at = self.at;
        if self.title.chars().count() > TITLE_CHARS {
            return Err(format!("a title has at most {TITLE_CHARS} characters"));
        }
        if at.w == 0 || at.h == 0 || at.x >= COLUMNS || at.w > COLUMNS - at.x || at.y > ROWS || at.h > ROWS {
            return Err(format!(
                "its place must be inside {COLUMNS} columns and {ROWS} rows: x + w <= {COLUMNS}, w and h at least 1"
            ));
        }
        if [&self.text, &self.empty, &self.description]
            .into_iter()
            .flatten()
            .any(|t| t.chars().count() > TEXT_CHARS)
        {
            return Err(format!("a text has at most {TEXT_CHARS} characters"));
        }
        match (self.kind.is_asked(), self.queries.is_empty()) {
            (true, true) => return Err("it needs a query".to_owned()),
            (false, false) => return Err("a panel of this kind asks no query".to_owned()),
            _ => {}
        }
        if self.kind == Kind::Unsupported && self.text.is_none() {
            return Err("`text` must say why it is not shown".to_owned());
        }
        if self.queries.len() > QUERIES {
            return Err(format!("a panel has at most {QUERIES} queries"));
        }
        if self.thresholds.iter().any(|t| !t.at.is_finite()) {
            return Err("a threshold must be a finite number".to_owned());
        }
        for (number, query) in self.queries.iter().enumerate() {
            let Some(sample) = with_samples(&query.expr) else { continue };
            parses(&sample).map_err(|e| format!("query {}: {e}", number + 1))?;
        }
        Ok(())
    }
}

/// `now-1h`, or Unix seconds.
fn is_moment(text: &str) -> bool {
    let digits = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit());
    let span = |t: &str| t.strip_suffix(['s', 'm', 'h', 'd', 'w', 'y']).is_some_and(digits);
    text == "now" || text.strip_prefix("now-").is_some_and(span) || digits(text)
}

fn is_label_values(query: &str) -> bool {
    let inner = query.trim().strip_prefix("label_values(").and_then(|q| q.strip_suffix(')'));
    let label = inner.map(|inner| inner.rsplit(',').next().unwrap_or("").trim());
    label.is_some_and(|l| !l.is_empty() && l.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, Query, Variable};

    fn good() -> Dashboard {
        let mut panel = Panel::new("up", Kind::Line, Place { x: 0, y: 0, w: 12, h: 6 });
        panel.queries.push(Query { expr: "up{job=\"$job\"}".to_owned(), ..Query::default() });
        let job = Variable {
            name: "job".to_owned(),
            query: Some("label_values(up, job)".to_owned()),
            ..Variable::default()
        };
        let json = serde_json::json!({"id": "one", "title": "One", "panels": []});
        let mut d: Dashboard = serde_json::from_value(json).expect("the least dashboard");
        (d.panels, d.variables) = (vec![panel], vec![job]);
        d
    }

    fn refused(change: impl FnOnce(&mut Dashboard)) -> String {
        let mut d = good();
        change(&mut d);
        let parses =
            |text: &str| if text.contains("(((") { Err("unexpected end".to_owned()) } else { Ok(()) };
        d.check(&parses).expect_err("it should be refused").to_string()
    }

    #[test]
    fn a_good_dashboard_passes_and_reads_back_as_it_was() {
        let d = good();
        d.check(&|_| Ok(())).expect("good");
        let json = serde_json::to_vec(&d).expect("plain data");
        assert_eq!(Dashboard::parse(&json).expect("its own JSON"), d);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        type Case<'a> = (&'a dyn Fn(&mut Dashboard), &'a str);
        let cases: [Case<'_>; 10] = [
            (&|d| d.id = "A b".to_owned(), "id \"A b\""),
            (&|d| d.title = " ".to_owned(), "needs a title"),
            (&|d| d.panels[0].at.w = 30, "panel 1 (\"up\"): its place"),
            (&|d| d.panels[0].at.h = 0, "at least 1"),
            (&|d| d.panels[0].queries.clear(), "needs a query"),
            (&|d| d.panels[0].queries[0].expr = "sum(((".to_owned(), "query 1: unexpected end"),
            (&|d| d.variables[0].query = Some("up".to_owned()), "label_values"),
            (&|d| d.variables[0].query = None, "`query` or `values`"),
            (&|d| d.variables.push(d.variables[0].clone()), "two of this name"),
            (&|d| d.from = Some("yesterday".to_owned()), "is no time"),
        ];
        for (change, expected) in cases {
            let text = refused(change);
            assert!(text.contains(expected), "{text} should contain {expected}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_by_its_name() {
        let text = Dashboard::parse(br#"{"id":"a","title":"A","panels":[],"colour":1}"#)
            .expect_err("unknown")
            .to_string();
        assert!(text.contains("colour"), "{text}");
        let large = vec![b' '; MOST_BYTES + 1];
        assert!(matches!(Dashboard::parse(&large), Err(Error::Whole(_))));
    }

    #[test]
    fn a_title_makes_an_id_that_passes() {
        for (title, id) in [
            ("Loop performance", "loop-performance"),
            ("  D1: Überblick! ", "d1-berblick"),
            ("日本", "dashboard"),
        ] {
            assert_eq!(id_of(title), id);
            check_id(&id_of(title)).expect("an id");
        }
        check_id(&id_of(&"x ".repeat(200))).expect("cut to its length");
    }
}
