//! Relabelling as Prometheus documents it:
//! <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config>.

use crate::LabelSet;
use md5::{Digest, Md5};
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;
use std::sync::Arc;

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Sets the target label to the replacement where the regex matches.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops where the joined sources differ from the target label.
    KeepEqual,
    /// Drops where they are the same.
    DropEqual,
    /// Sets the target label to a hash of the joined sources, modulo the modulus.
    HashMod,
    /// Copies labels whose names match to the name that the replacement makes.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets the target label to the joined sources in lower case.
    Lowercase,
    /// The same in upper case.
    Uppercase,
}

impl Action {
    /// All of them with their names.
    pub const ALL: [(&'static str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    /// The action with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, action)| action)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }
}

/// A rule that can be applied.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Labels whose values are joined.
    pub sources: Vec<String>,
    /// What stands between them.
    pub separator: String,
    /// The text of the regex.
    pub pattern: String,
    /// The regex, anchored at both ends.
    pub regex: Arc<Regex>,
    /// The label that is set or compared.
    pub target: String,
    /// What it is set to.
    pub replacement: String,
    /// Of `hashmod`.
    pub modulus: u64,
}

/// The regex is made of the pattern, so the pattern tells all.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (self.action, &self.sources, &self.separator, &self.pattern)
            == (other.action, &other.sources, &other.separator, &other.pattern)
            && (&self.target, &self.replacement, self.modulus)
                == (&other.target, &other.replacement, other.modulus)
    }
}

impl Rule {
    /// The default of `separator`.
    pub const SEPARATOR: &'static str = ";";
    /// The default of `regex`.
    pub const PATTERN: &'static str = "(.*)";
    /// The default of `replacement`.
    pub const REPLACEMENT: &'static str = "$1";

    /// Compiles a pattern as all rules use it: the whole text has to match, a dot takes line ends too.
    pub fn compile(pattern: &str) -> Result<Arc<Regex>, String> {
        // a pattern that closes the group by itself would escape the anchors
        Regex::new(pattern).map_err(|e| why(&e))?;
        Regex::new(&format!("^(?s:{pattern})$")).map(Arc::new).map_err(|e| why(&e))
    }

    fn joined(&self, labels: &LabelSet) -> String {
        let values: Vec<&str> = self.sources.iter().map(|name| labels.get(name)).collect();
        values.join(&self.separator)
    }

    /// Changes `labels`; false where they are dropped.
    fn apply(&self, labels: &mut LabelSet) -> bool {
        let value = self.joined(labels);
        match self.action {
            Action::Keep => return self.regex.is_match(&value),
            Action::Drop => return !self.regex.is_match(&value),
            Action::KeepEqual => return labels.get(&self.target) == value,
            Action::DropEqual => return labels.get(&self.target) != value,
            Action::Replace => self.replace(labels, &value),
            Action::HashMod => labels.set(&self.target, hash_mod(&value, self.modulus)),
            Action::Lowercase => labels.set(&self.target, value.to_lowercase()),
            Action::Uppercase => labels.set(&self.target, value.to_uppercase()),
            Action::LabelMap => self.map_names(labels),
            Action::LabelDrop => labels.retain(|name| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name| self.regex.is_match(name)),
        }
        true
    }

    fn replace(&self, labels: &mut LabelSet, value: &str) {
        let mut found = self.regex.create_captures();
        self.regex.captures(value, &mut found);
        if !found.is_match() {
            return;
        }
        let target = expand(&self.target, &found, value);
        if !target.is_empty() {
            labels.set(&target, expand(&self.replacement, &found, value));
        }
    }

    fn map_names(&self, labels: &mut LabelSet) {
        let mut found = self.regex.create_captures();
        let before = labels.clone();
        for (name, value) in before.iter() {
            self.regex.captures(name, &mut found);
            if found.is_match() {
                let name = expand(&self.replacement, &found, name);
                if !name.is_empty() {
                    labels.set(&name, value);
                }
            }
        }
    }
}

/// Applies `rules` in order; false as soon as one drops the labels.
pub fn relabel(rules: &[Rule], labels: &mut LabelSet) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

/// `$1`, `${1}`, `$name` and `${name}` are replaced by what the group found, `$$` by a dollar.
fn expand(template: &str, found: &Captures, text: &str) -> String {
    if !template.contains('$') {
        return template.to_owned();
    }
    let mut out = String::new();
    found.interpolate_string_into(text, template, &mut out);
    out
}

/// Prometheus takes the last eight bytes of an MD5 sum, big endian.
fn hash_mod(value: &str, modulus: u64) -> String {
    let sum: [u8; 16] = Md5::digest(value.as_bytes()).into();
    let (_, tail) = sum.split_last_chunk::<8>().unwrap_or((&[], &[0; 8]));
    (u64::from_be_bytes(*tail) % modulus.max(1)).to_string()
}

/// The innermost cause, on one line.
fn why(e: &dyn std::error::Error) -> String {
    let mut e = e;
    while let Some(source) = e.source() {
        e = source;
    }
    let text = e.to_string();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
