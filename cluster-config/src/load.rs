//! The sources of settings: a file, the environment, flags.

use crate::error::{Error, Origin};
use crate::setting::Given;
use crate::settings::Settings;
use std::fs;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Prefix of the environment variables that are settings; the part after it has a `__` between section and
/// key. Variables with this prefix but no `__` (`PLIMSOLL_URL`) belong to the command line and are left alone.
const PREFIX: &str = "PLIMSOLL_";

/// Where to take settings from. Later sources win: file, environment, flags.
#[derive(Clone, Debug, Default)]
pub struct LoadArgs {
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
}

/// A value for a key, from one source.
pub(crate) struct Assignment {
    pub(crate) path: String,
    pub(crate) given: Given,
    pub(crate) origin: Origin,
}

impl LoadArgs {
    /// No source at all: the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The TOML file, if one was named. It must exist.
    pub fn file(mut self, file: Option<PathBuf>) -> Self {
        self.file = file;
        self
    }

    /// The environment, such as `std::env::vars()`; what is not a setting is left out.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        // The order of an environment is an accident; that of the messages should not be one.
        self.environment.sort();
        self
    }

    /// A flag of the command line (`--listen`) that sets `path` (`node.listen`); nothing without a value.
    pub fn flag(mut self, flag: &str, path: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.flags.push((flag.to_owned(), path.to_owned(), value.to_string()));
        }
        self
    }

    /// All values in the order in which they are to be set.
    pub(crate) fn assignments(self) -> Result<Vec<Assignment>, Error> {
        let mut all = Vec::new();
        if let Some(path) = &self.file {
            let text =
                fs::read_to_string(path).map_err(|source| Error::File { path: path.clone(), source })?;
            read_toml(path, &text, &mut all)?;
        }
        for (name, value) in self.environment {
            if let Some((section, key)) = name[PREFIX.len()..].split_once("__") {
                all.push(Assignment {
                    path: format!("{}.{}", section.to_lowercase(), key.to_lowercase()),
                    given: Given::Words(value),
                    origin: Origin::Environment(name),
                });
            }
        }
        for (flag, path, value) in self.flags {
            all.push(Assignment { path, given: Given::Words(value), origin: Origin::Flag(flag) });
        }
        Ok(all)
    }
}

/// Takes the sections of a TOML file apart, keeping the line of each key.
fn read_toml(path: &Path, text: &str, all: &mut Vec<Assignment>) -> Result<(), Error> {
    let line_of =
        |at: usize| 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count();
    let document = DeTable::parse(text).map_err(|e| Error::Syntax {
        path: path.to_owned(),
        line: line_of(e.span().map_or(0, |span| span.start)),
        reason: e.message().trim().replace('\n', ", "),
    })?;
    let mut found = Vec::new();
    for (section, content) in document.get_ref() {
        match content.get_ref() {
            DeValue::Table(table) if !table.is_empty() || is_section(section.get_ref()) => {
                for (key, value) in table {
                    found.push((key.span().start, format!("{}.{}", section.get_ref(), key.get_ref()), value));
                }
            }
            // Not in a section, or an empty section that we do not know: named as it stands.
            _ => found.push((section.span().start, section.get_ref().to_string(), content)),
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    for (at, key, value) in found {
        all.push(Assignment {
            path: key,
            given: given(value.get_ref(), &text[value.span()]),
            origin: Origin::File { path: path.to_owned(), line: line_of(at) },
        });
    }
    Ok(())
}

fn is_section(name: &str) -> bool {
    Settings::keys().any(|key| key.section == name)
}

fn given(value: &DeValue<'_>, source: &str) -> Given {
    let other = || Given::Other(source.to_owned());
    match value {
        DeValue::String(text) => Given::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| other(), Given::Whole)
        }
        DeValue::Boolean(on) => Given::Switch(*on),
        DeValue::Array(items) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map_or_else(other, Given::List),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => other(),
    }
}
