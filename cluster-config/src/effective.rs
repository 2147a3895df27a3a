//! All values that hold, printed as a file that would set them again.

use crate::error::Origin;
use crate::setting::Key;
use crate::settings::Settings;
use std::fmt;

/// All values with where they came from. Its text is TOML: a line a key, the origin behind it.
pub struct Effective<'a> {
    settings: &'a Settings,
}

impl<'a> Effective<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self { settings }
    }

    /// Each key with its value as TOML (nothing where it is not set) and its origin.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Key, Option<String>, Origin)> + '_ {
        Settings::keys().map(|key| (key, self.settings.show(key), self.settings.origin(&key.path())))
    }
}

impl fmt::Display for Effective<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for (key, value, origin) in self.rows() {
            if key.section != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                writeln!(f, "{gap}[{}]", key.section)?;
                section = key.section;
            }
            let line = match value {
                Some(value) => format!("{} = {value}", key.name),
                None => format!("# {} is not set", key.name),
            };
            writeln!(f, "{line:<42} # {origin}")?;
        }
        Ok(())
    }
}
