//! Regular expressions with the meaning that Go's RE2 gives them, anchored at both ends.
//!
//! Differences of syntax are translated (ASCII classes, `\Q..\E`, literal braces and brackets), so that
//! regex-syntax reads the same language. Size is bounded: a pattern that would blow up is refused.

mod find;
mod translate;

pub use find::Finder;

use plimsoll_model::{MatchOp, Matcher};
use regex_automata::meta;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind};
use translate::translate;

/// Bytes that the compiled automaton of one pattern may take.
const SIZE_LIMIT: usize = 4 << 20;
/// Literals of an alternation that are compared directly.
const LITERAL_LIMIT: usize = 4096;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    /// `.*`
    Any,
    /// `.+`
    NonEmpty,
    /// One of these, sorted.
    Set(Vec<String>),
    /// `literal.*` and, when the flag is set, `literal.+`
    Prefix(String, bool),
    /// `.*literal`, `.+literal`
    Suffix(String, bool),
    /// `.*literal.*`
    Contains(String),
    /// Anything else, with the literal that it begins with.
    General(meta::Regex, String),
}

impl Pattern {
    /// Compiles `pattern`; the error is for the asker.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let hir = parse(pattern, true)?;
        if let Some(shape) = simple_shape(&hir) {
            return Ok(Self { shape });
        }
        let prefix = leading_literal(&hir);
        Ok(Self { shape: Shape::General(compile(pattern, &hir)?, prefix) })
    }

    /// Whether all of `text` matches.
    #[inline]
    pub fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Any => true,
            Shape::NonEmpty => !text.is_empty(),
            Shape::Set(set) => set.binary_search_by(|s| s.as_str().cmp(text)).is_ok(),
            Shape::Prefix(p, more) => text.starts_with(p.as_str()) && (!more || text.len() > p.len()),
            Shape::Suffix(s, more) => text.ends_with(s.as_str()) && (!more || text.len() > s.len()),
            Shape::Contains(s) => text.contains(s.as_str()),
            Shape::General(regex, prefix) => text.starts_with(prefix.as_str()) && regex.is_match(text),
        }
    }
}

/// A pattern that gives the parts it matched, for `label_replace`.
#[derive(Clone, Debug)]
pub(crate) struct Captures {
    regex: meta::Regex,
}

impl Captures {
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        Ok(Self { regex: compile(pattern, &parse(pattern, true)?)? })
    }

    /// `template` with `$1`, `${name}` replaced by what matched; `None` when `text` does not match.
    pub(crate) fn expand(&self, text: &str, template: &str) -> Option<String> {
        let mut captures = self.regex.create_captures();
        self.regex.captures(text, &mut captures);
        if !captures.is_match() {
            return None;
        }
        let mut out = String::new();
        expand_into(&captures, text, template, &mut out);
        Some(out)
    }
}

/// Writes `template` with `$1`, `${name}` replaced by what matched in `text`.
fn expand_into(
    captures: &regex_automata::util::captures::Captures,
    text: &str,
    template: &str,
    out: &mut String,
) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = template_name(rest) else {
            out.push('$');
            continue;
        };
        let span = match name.parse::<usize>() {
            Ok(index) => captures.get_group(index),
            Err(_) => captures.get_group_by_name(name),
        };
        if let Some(span) = span {
            out.push_str(&text[span.start..span.end]);
        }
        rest = after;
    }
    out.push_str(rest);
}

/// The name after a `$`, and what follows: `name` or `{name}`.
fn template_name(s: &str) -> Option<(&str, &str)> {
    let word = |s: &str| s.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(s.len());
    if let Some(inner) = s.strip_prefix('{') {
        let n = word(inner);
        return (n > 0 && inner[n..].starts_with('}')).then(|| (&inner[..n], &inner[n + 1..]));
    }
    let n = word(s);
    (n > 0).then(|| s.split_at(n))
}

/// Reads `pattern`; in a matcher of labels a dot means a line's end too.
fn parse(pattern: &str, dot_all: bool) -> Result<Hir, String> {
    let translated = translate(pattern)?;
    ParserBuilder::new()
        .dot_matches_new_line(dot_all)
        .octal(true)
        .nest_limit(200)
        .build()
        .parse(&translated)
        .map_err(|e| match e {
            regex_syntax::Error::Parse(e) => format!("error parsing regexp: {}: `{pattern}`", e.kind()),
            regex_syntax::Error::Translate(e) => format!("error parsing regexp: {}: `{pattern}`", e.kind()),
            _ => format!("error parsing regexp: `{pattern}`"),
        })
}

fn compile(pattern: &str, hir: &Hir) -> Result<meta::Regex, String> {
    use regex_syntax::hir::Look;
    let anchored = Hir::concat(vec![Hir::look(Look::Start), hir.clone(), Hir::look(Look::End)]);
    let config = meta::Config::new()
        .nfa_size_limit(Some(SIZE_LIMIT))
        .onepass_size_limit(Some(SIZE_LIMIT))
        .hybrid_cache_capacity(SIZE_LIMIT);
    meta::Builder::new()
        .configure(config)
        .build_from_hir(&anchored)
        .map_err(|_| format!("error parsing regexp: expression is too large: `{pattern}`"))
}

fn is_dot(hir: &Hir) -> bool {
    let HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = hir.kind() else { return false };
    let ranges = class.ranges();
    ranges.len() == 1 && ranges[0].start() == '\0' && ranges[0].end() == char::MAX
}

/// For `.*` and `.+`: whether at least one character is wanted.
fn dots(hir: &Hir) -> Option<bool> {
    match hir.kind() {
        HirKind::Repetition(r) if is_dot(&r.sub) && r.max.is_none() && r.min <= 1 => Some(r.min == 1),
        HirKind::Capture(c) => dots(&c.sub),
        _ => None,
    }
}

fn literal(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(l) => String::from_utf8(l.0.to_vec()).ok(),
        _ => None,
    }
}

fn simple_shape(hir: &Hir) -> Option<Shape> {
    if let Some(more) = dots(hir) {
        return Some(if more { Shape::NonEmpty } else { Shape::Any });
    }
    if let HirKind::Concat(parts) = hir.kind() {
        let shape = match parts.as_slice() {
            [a, b] => match (literal(a), dots(b), dots(a), literal(b)) {
                (Some(l), Some(more), _, _) => Some(Shape::Prefix(l, more)),
                (_, _, Some(more), Some(l)) => Some(Shape::Suffix(l, more)),
                _ => None,
            },
            [a, b, c] => match (dots(a), literal(b), dots(c)) {
                (Some(false), Some(l), Some(false)) => Some(Shape::Contains(l)),
                _ => None,
            },
            _ => None,
        };
        if shape.is_some() {
            return shape;
        }
    }
    literal_set(hir).map(Shape::Set)
}

fn literal_set(hir: &Hir) -> Option<Vec<String>> {
    if !hir.properties().look_set().is_empty() {
        return None;
    }
    let mut extractor = Extractor::new();
    extractor.limit_total(LITERAL_LIMIT).limit_literal_len(1024).limit_repeat(4).limit_class(16);
    let sequence = extractor.extract(hir);
    if !sequence.is_exact() {
        return None;
    }
    let mut set = Vec::new();
    for l in sequence.literals()? {
        set.push(String::from_utf8(l.as_bytes().to_vec()).ok()?);
    }
    set.sort_unstable();
    set.dedup();
    Some(set)
}

fn leading_literal(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Concat(parts) => parts.first().map(leading_literal).unwrap_or_default(),
        HirKind::Capture(c) => leading_literal(&c.sub),
        _ => literal(hir).unwrap_or_default(),
    }
}

/// A matcher ready to be applied to many values.
#[derive(Clone, Debug)]
pub struct CompiledMatcher {
    /// The label that it looks at.
    pub name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Pattern>,
}

impl CompiledMatcher {
    /// Compiles `matcher`; the error is for the asker.
    pub fn new(matcher: &Matcher) -> Result<Self, String> {
        let pattern = match matcher.op {
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::new(&matcher.value)?),
            MatchOp::Equal | MatchOp::NotEqual => None,
        };
        Ok(Self { name: matcher.name.clone(), op: matcher.op, value: matcher.value.clone(), pattern })
    }

    /// Whether `value` fits; an absent label has the empty value.
    #[inline]
    pub fn matches(&self, value: &str) -> bool {
        let positive = match &self.pattern {
            Some(pattern) => pattern.matches(value),
            None => self.value == value,
        };
        positive == matches!(self.op, MatchOp::Equal | MatchOp::Regex)
    }

    /// All values that `=` or `=~` accepts, sorted, when they are a finite set of literals.
    pub fn literal_set(&self) -> Option<&[String]> {
        match (&self.op, &self.pattern) {
            (MatchOp::Equal, _) => Some(std::slice::from_ref(&self.value)),
            (MatchOp::Regex, Some(Pattern { shape: Shape::Set(set) })) => Some(set),
            _ => None,
        }
    }

    /// What every value that `=~` accepts begins with; empty when nothing is known.
    pub fn prefix(&self) -> &str {
        match (&self.op, &self.pattern) {
            (MatchOp::Equal, _) => &self.value,
            (MatchOp::Regex, Some(Pattern { shape: Shape::Prefix(p, _) | Shape::General(_, p) })) => p,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        let cases = [
            ("foo", "foo", true),
            ("foo", "foobar", false),
            ("foo|bar", "bar", true),
            ("5..", "503", true),
            ("a.*", "a\nb", true),
            (".+", "", false),
            (".*", "", true),
            (".*x.*", "axb", true),
            ("\\d+", "٣", false),
            ("\\w+", "é", false),
            ("(?i)FOO", "foo", true),
            ("\\Qa.b\\E", "a.b", true),
            ("\\Qa.b\\E", "axb", false),
            ("a{,2}", "a{,2}", true),
            ("a{2}", "aa", true),
            ("[[]x", "[x", true),
            ("[a&&b]", "&", true),
            ("host-.*-1[0-9]:9100", "host-3-17:9100", true),
            ("[[:alpha:]]+", "abc", true),
            ("\\<x\\>", "<x>", true),
            ("x|^$", "", true),
            ("(a|b)c(d|e)", "bce", true),
        ];
        for (pattern, text, expected) in cases {
            let p = Pattern::new(pattern).expect(pattern);
            assert_eq!(p.matches(text), expected, "{pattern} on {text:?}: {p:?}");
        }
    }

    #[test]
    fn bombs_and_broken_patterns_are_refused() {
        for pattern in ["(", "a{1001}", "((a{100}){100}){100}", "\\C", "*", "[b-a]", "(?:x{1000}){1000}"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn finite_sets_and_prefixes_are_known() {
        let m = |op, v: &str| CompiledMatcher::new(&Matcher::new("l", op, v)).expect("a matcher");
        let set = m(MatchOp::Regex, "b|a|foo(x|y)");
        assert_eq!(set.literal_set().map(<[String]>::len), Some(4));
        assert_eq!(m(MatchOp::Regex, "host-[0-9]+").prefix(), "host-");
        assert!(m(MatchOp::NotRegex, "a|b").literal_set().is_none());
        assert!(m(MatchOp::NotEqual, "a").matches(""));
    }

    #[test]
    fn templates_expand_as_in_go() {
        let c = Captures::new("([a-z]+)-(?P<n>[0-9]+)").expect("a pattern");
        assert_eq!(c.expand("abc-12", "${1}_$2 ${n}$$ $1x").as_deref(), Some("abc_12 12$ "));
        assert_eq!(c.expand("12", "$1"), None);
    }
}
