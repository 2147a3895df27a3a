//! Which of a source's series and samples are wanted.

use super::super::csv::{take_quoted, unescape};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};

/// Matchers, all of which must hold, and a range of time with both its ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    pub matchers: Vec<Matcher>,
    pub start: Timestamp,
    pub end: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matcher {
    pub name: String,
    pub op: Op,
    pub value: String,
}

/// The operators, by their numbers in remote read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal = 0,
    NotEqual = 1,
    Matches = 2,
    MatchesNot = 3,
}

impl Filter {
    /// Whether a series is wanted, by the matchers that need no regular expression.
    pub fn takes(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| {
            let value = labels.get(&matcher.name).unwrap_or_default();
            match matcher.op {
                Op::Equal => value == matcher.value,
                Op::NotEqual => value != matcher.value,
                Op::Matches | Op::MatchesNot => true,
            }
        })
    }

    pub fn has_regular_expressions(&self) -> bool {
        self.matchers.iter().any(|m| matches!(m.op, Op::Matches | Op::MatchesNot))
    }
}

/// Reads `name{label="value",other!="x"}`.
pub(super) fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    let bad = || format!("{text:?} is no selector: write it as name{{label=\"value\"}}");
    let text = text.trim();
    let (name, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
    let mut matchers = Vec::new();
    if !name.trim().is_empty() {
        matchers.push(Matcher { name: METRIC_NAME.into(), op: Op::Equal, value: name.trim().to_owned() });
    }
    let Some(mut rest) = rest.strip_prefix('{') else {
        return if matchers.is_empty() { Err(bad()) } else { Ok(matchers) };
    };
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(end) = rest.strip_prefix('}') {
            return if end.trim().is_empty() { Ok(matchers) } else { Err(bad()) };
        }
        let name = if rest.starts_with('"') {
            unescape(&take_quoted(&mut rest).ok_or_else(bad)?)?
        } else {
            let end = rest.find(['=', '!']).ok_or_else(bad)?;
            let name = rest[..end].trim().to_owned();
            rest = &rest[end..];
            name
        };
        rest = rest.trim_start();
        let ops = [("=~", Op::Matches), ("!~", Op::MatchesNot), ("!=", Op::NotEqual), ("=", Op::Equal)];
        let found = ops.iter().find_map(|(sign, op)| rest.strip_prefix(sign).map(|more| (more, *op)));
        let (more, op) = found.ok_or_else(bad)?;
        rest = more.trim_start();
        let value = unescape(&take_quoted(&mut rest).ok_or_else(bad)?)?;
        if name.is_empty() {
            return Err(bad());
        }
        matchers.push(Matcher { name, op, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read() {
        let read = selector("up{job=\"a,}\", b!=\"x\" ,c=~\"d.*\",\"e.f\"!~\"\"}").expect("a selector");
        let shown: Vec<_> = read.iter().map(|m| (m.name.as_str(), m.op as u8, m.value.as_str())).collect();
        let expected =
            [("__name__", 0, "up"), ("job", 0, "a,}"), ("b", 1, "x"), ("c", 2, "d.*"), ("e.f", 3, "")];
        assert_eq!(shown, expected);
        assert_eq!(selector("{}").expect("all"), []);
        for bad in ["", "up{", "up{a}", "up{a=b}", "up{a=\"b\"} x", "{=\"x\"}", "up{a=\"b"] {
            assert!(selector(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn series_are_taken_by_their_labels() {
        let filter = |text: &str| Filter { matchers: selector(text).expect("a selector"), start: 0, end: 0 };
        let up = Labels::from_pairs([("__name__", "up"), ("job", "a")]).expect("labels");
        for (text, taken) in [
            ("up", true),
            ("{job!=\"b\"}", true),
            ("up{job=\"b\"}", false),
            ("{x=\"\"}", true),
            ("{job!=\"a\"}", false),
        ] {
            assert_eq!(filter(text).takes(&up), taken, "{text}");
        }
    }
}
