//! Regexes of matchers: the syntax of Go's RE2, anchored at both ends, `.` matches a line break.

use super::translate::translate;
use crate::Error;
use parking_lot::Mutex;
use regex_automata::meta;
use regex_automata::util::syntax;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Dot, Hir, HirKind};
use std::collections::VecDeque;
use std::sync::Arc;

/// Longest regex text.
const LONGEST: usize = 16 << 10;

/// Largest automaton in bytes: `((a{100}){100}){100}` asks for far more, a list of some thousand names for less.
const LARGEST: usize = 4 << 20;

/// Deepest nesting of groups.
const DEEPEST: u32 = 100;

/// A list of more values than this is matched by the automaton.
const MOST_LITERALS: usize = 1024;

/// Compiled patterns that are remembered; a dashboard asks for the same ones on all shards.
const REMEMBERED: usize = 64;

/// A compiled regex.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// `.*`
    Anything,
    /// `.+`
    NotEmpty,
    /// A finite, sorted list of values.
    Literals(Vec<String>),
    /// `text.*`
    Prefix(String),
    /// Everything else.
    Regex(Box<meta::Regex>),
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Pattern { pattern: shorten(pattern), reason };
        if pattern.len() > LONGEST {
            return Err(refuse(format!("it is longer than {LONGEST} bytes")));
        }
        let translated = translate(pattern).map_err(refuse)?;
        let hir = syntax::parse_with(&translated, &syntax_config())
            .map_err(|e| refuse(last_line(&e.to_string())))?;
        if let Some(simple) = simple(&hir) {
            return Ok(simple);
        }
        let anchored = Hir::concat(vec![
            Hir::look(regex_syntax::hir::Look::Start),
            hir,
            Hir::look(regex_syntax::hir::Look::End),
        ]);
        let config = meta::Config::new()
            .nfa_size_limit(Some(LARGEST))
            .onepass(false)
            .dfa(false)
            .hybrid_cache_capacity(1 << 20)
            .utf8_empty(false);
        match meta::Builder::new().configure(config).build_from_hir(&anchored) {
            Ok(regex) => Ok(Self::Regex(Box::new(regex))),
            Err(e) if e.size_limit().is_some() => {
                Err(refuse("it is too large; use fewer repetitions".into()))
            }
            Err(e) => Err(refuse(last_line(&e.to_string()))),
        }
    }

    /// Whether the whole of `value` matches.
    pub(crate) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::NotEmpty => !value.is_empty(),
            Self::Literals(all) => all.binary_search_by(|l| l.as_str().cmp(value)).is_ok(),
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// All values that match, when they are finite and few.
    pub(crate) fn literals(&self) -> Option<&[String]> {
        match self {
            Self::Literals(all) => Some(all),
            _ => None,
        }
    }
}

fn syntax_config() -> syntax::Config {
    syntax::Config::new().dot_matches_new_line(true).utf8(false).nest_limit(DEEPEST)
}

fn shorten(pattern: &str) -> String {
    pattern.chars().take(200).collect()
}

/// The reason without the drawing of the pattern that the parser puts above it.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ").to_owned()
}

/// Forms that need no automaton.
fn simple(hir: &Hir) -> Option<Pattern> {
    if let Some(min) = repeated_anything(hir) {
        return Some(if min == 0 { Pattern::Anything } else { Pattern::NotEmpty });
    }
    if let HirKind::Concat(parts) = hir.kind()
        && let [first, rest] = parts.as_slice()
        && let (HirKind::Literal(text), Some(0)) = (first.kind(), repeated_anything(rest))
    {
        return Some(Pattern::Prefix(String::from_utf8(text.0.to_vec()).ok()?));
    }
    // Look-around would make the extracted texts a superset of what matches.
    if !hir.properties().look_set().is_empty() {
        return None;
    }
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix).limit_class(16).limit_repeat(4).limit_literal_len(LONGEST);
    extractor.limit_total(MOST_LITERALS);
    let found = extractor.extract(hir);
    if !found.is_exact() {
        return None;
    }
    let text = |l: &regex_syntax::hir::literal::Literal| String::from_utf8(l.as_bytes().to_vec()).ok();
    let mut all: Vec<String> = found.literals()?.iter().map(text).collect::<Option<_>>()?;
    all.sort_unstable();
    all.dedup();
    Some(Pattern::Literals(all))
}

/// The least number of characters of `.*` or `.+`; `None` for anything else.
fn repeated_anything(hir: &Hir) -> Option<u32> {
    let HirKind::Repetition(r) = hir.kind() else { return None };
    let any = *r.sub == Hir::dot(Dot::AnyChar);
    (any && r.max.is_none() && r.min <= 1).then_some(r.min)
}

/// The patterns compiled last.
#[derive(Default)]
pub(crate) struct Patterns(Mutex<VecDeque<(String, Arc<Pattern>)>>);

impl Patterns {
    /// The pattern of `text`, compiled at its first use.
    pub(crate) fn get(&self, text: &str) -> Result<Arc<Pattern>, Error> {
        if let Some((_, found)) = self.0.lock().iter().find(|(t, _)| t == text) {
            return Ok(found.clone());
        }
        let new = Arc::new(Pattern::new(text)?);
        let mut all = self.0.lock();
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back((text.to_owned(), new.clone()));
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Pattern::new(pattern).unwrap_or_else(|e| panic!("{e}")).matches(value)
    }

    #[test]
    fn patterns_match_as_in_go() {
        let table = [
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("a.c", "a\nc", true),
            (".*", "", true),
            (".+", "", false),
            ("web-.*", "web-1", true),
            ("web-.*", "eweb-1", false),
            ("(?i)GeT", "gEt", true),
            (r"\d+", "12", true),
            (r"\d+", "١٢", false),
            (r"\w+", "é", false),
            (r"[\w.]+", "a.b_1", true),
            (r"[^\d]+", "é", true),
            (r"\S+", "é", true),
            (r"\Qa.b\E+", "a.bbb", true),
            (r"\Qa.b\E", "axb", false),
            (r"[[:alpha:]]+", "abc", true),
            (r"[[:^alpha:]]+", "12", true),
            (r"[a&&b]+", "&", true),
            (r"[a[]+", "[a", true),
            (r"[]a]+", "]", true),
            (r"[^]a]+", "]", false),
            (r"\pL+", "é", true),
            (r"\p{Greek}", "α", true),
            ("^a$", "a", true),
            (r"\Aa\z", "a", true),
            ("(?:a)(?P<n>b)", "ab", true),
            ("(?U)a+", "aa", true),
            ("a{,2}", "a{,2}", true),
            ("a{2}", "aa", true),
            ("x{", "x{", true),
            (r"a\bb", "ab", false),
            (r"\x41\x{42}\n\t", "AB\n\t", true),
            ("", "", true),
            ("()", "", true),
            ("foo|", "", true),
            (r"\-\_", "-_", false),
        ];
        for (pattern, value, expected) in table {
            if pattern == r"\-\_" {
                // Go refuses to escape a word character that means nothing.
                assert!(Pattern::new(pattern).is_err());
                continue;
            }
            assert_eq!(matches(pattern, value), expected, "{pattern} on {value:?}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "(", "a)", "[", "*a", "a**", "a{1001}", r"\1", r"\8", "(?x)a", "(?<=a)b", "a{2}{3}", r"\y",
            "[b-a]", r"\",
        ] {
            let refused = Pattern::new(pattern);
            assert!(matches!(refused, Err(Error::Pattern { .. })), "{pattern} gave {refused:?}");
        }
    }

    #[test]
    fn bombs_are_refused_quickly() {
        let nested = format!("{}a{}", "(".repeat(5000), ")".repeat(5000));
        for pattern in ["((a{100}){100}){100}", "(\\pL{500}){500}", &nested, &"a".repeat(1 << 20)] {
            assert!(Pattern::new(pattern).is_err());
        }
        assert!(!matches("(a*)*b", &"a".repeat(50_000)));
    }

    #[test]
    fn lists_and_prefixes_need_no_automaton() {
        assert!(matches!(Pattern::new("a|bc|d[ef]").expect("good"), Pattern::Literals(l) if l.len() == 4));
        assert!(matches!(Pattern::new("web.*").expect("good"), Pattern::Prefix(p) if p == "web"));
        assert!(matches!(Pattern::new(".*").expect("good"), Pattern::Anything));
        assert!(matches!(Pattern::new(".+").expect("good"), Pattern::NotEmpty));
    }
}
