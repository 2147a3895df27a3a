//! A pattern that may match anywhere in a text, as Go's `regexp` finds it: for templates.

use super::{SIZE_LIMIT, parse};
use regex_automata::meta;

/// A pattern that is looked for within a text.
#[derive(Clone, Debug)]
pub struct Finder(meta::Regex);

impl Finder {
    /// Compiles `pattern`; the error is for the asker.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let config = meta::Config::new()
            .nfa_size_limit(Some(SIZE_LIMIT))
            .onepass_size_limit(Some(SIZE_LIMIT))
            .hybrid_cache_capacity(SIZE_LIMIT);
        let built = meta::Builder::new().configure(config).build_from_hir(&parse(pattern, false)?);
        built.map(Self).map_err(|_| format!("error parsing regexp: expression is too large: `{pattern}`"))
    }

    /// Whether it is found in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// `text` with each find replaced by `template`, in which `$1` and `${name}` stand for what was matched.
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        let mut out = String::new();
        let mut last = 0;
        for found in self.0.captures_iter(text) {
            let Some(span) = found.get_match().map(|m| m.span()) else { continue };
            out.push_str(&text[last..span.start]);
            super::expand_into(&found, text, template, &mut out);
            last = span.end;
        }
        out.push_str(&text[last..]);
        out
    }
}
