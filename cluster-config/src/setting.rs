//! One setting: how its value is read from a file, from text, and written again.

use crate::units::{Period, Size};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a source said, before it is known what the key wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// From the environment or a flag, where all is text.
    Words(String),
    /// A string in a file.
    Text(String),
    /// A whole number in a file.
    Whole(i64),
    /// `true` or `false` in a file.
    Switch(bool),
    /// A list of strings in a file.
    List(Vec<String>),
    /// Something that no setting wants; holds its source text.
    Other(String),
}

impl Given {
    /// For messages.
    pub(crate) fn show(&self) -> String {
        match self {
            Self::Words(text) | Self::Other(text) => text.clone(),
            // Quoted, since the quotes may be what is wrong.
            Self::Text(text) => format!("\"{text}\""),
            Self::Whole(number) => number.to_string(),
            Self::Switch(on) => on.to_string(),
            Self::List(items) => format!("[{}]", items.join(", ")),
        }
    }
}

/// A key that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table in the file: `storage`.
    pub section: &'static str,
    /// The key in its table: `retention`.
    pub name: &'static str,
    /// What it does and why its default is what it is.
    pub doc: &'static str,
    /// What its values look like.
    pub wants: &'static str,
}

impl Key {
    /// As messages name it: `storage.retention`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The environment variable that sets it: `PLIMSOLL_STORAGE__RETENTION`.
    pub fn variable(&self) -> String {
        format!("PLIMSOLL_{}__{}", self.section.to_uppercase(), self.name.to_uppercase())
    }
}

/// A type that a setting can have.
pub(crate) trait Setting: Sized {
    /// Ends the sentence "`x` is not ...".
    const WANTS: &'static str;

    /// From the environment or a flag.
    fn parse(words: &str) -> Option<Self>;

    /// From a file; text unless the type says otherwise.
    fn read(given: &Given) -> Option<Self> {
        match given {
            Given::Words(text) | Given::Text(text) => Self::parse(text),
            _ => None,
        }
    }

    /// As TOML; nothing where it is not set.
    fn show(&self) -> Option<String>;
}

/// A quoted TOML string.
fn quoted(text: impl ToString) -> Option<String> {
    Some(toml::Value::String(text.to_string()).to_string())
}

impl Setting for bool {
    const WANTS: &'static str = "true or false";

    fn parse(words: &str) -> Option<Self> {
        match words.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    fn read(given: &Given) -> Option<Self> {
        match given {
            Given::Switch(on) => Some(*on),
            Given::Words(words) => Self::parse(words),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for u64 {
    const WANTS: &'static str = "a whole number";

    fn parse(words: &str) -> Option<Self> {
        words.replace('_', "").parse().ok()
    }

    fn read(given: &Given) -> Option<Self> {
        match given {
            Given::Whole(number) => Self::try_from(*number).ok(),
            Given::Words(words) => Self::parse(words),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Period {
    const WANTS: &'static str = "a duration such as 30s, 15m, 1h30m or 30d";

    fn parse(words: &str) -> Option<Self> {
        words.parse().ok()
    }

    fn show(&self) -> Option<String> {
        quoted(self)
    }
}

impl Setting for Size {
    const WANTS: &'static str = "a size such as 512KiB, 64MiB or 2GiB";

    fn parse(words: &str) -> Option<Self> {
        words.parse().ok()
    }

    fn read(given: &Given) -> Option<Self> {
        match given {
            Given::Whole(bytes) => u64::try_from(*bytes).ok().map(Self::of),
            Given::Words(text) | Given::Text(text) => Self::parse(text),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        quoted(self)
    }
}

impl Setting for SocketAddr {
    const WANTS: &'static str =
        "an address with a port, such as 127.0.0.1:7777, localhost:7777 or [::1]:7777";

    fn parse(words: &str) -> Option<Self> {
        // `localhost` is the one name that needs no resolver; all others would make a start depend on one.
        match words.strip_prefix("localhost:") {
            Some(port) => Some((std::net::Ipv4Addr::LOCALHOST, port.parse().ok()?).into()),
            None => words.parse().ok(),
        }
    }

    fn show(&self) -> Option<String> {
        quoted(self)
    }
}

impl Setting for String {
    const WANTS: &'static str = "text";

    fn parse(words: &str) -> Option<Self> {
        Some(words.to_owned())
    }

    fn show(&self) -> Option<String> {
        quoted(self)
    }
}

impl Setting for PathBuf {
    const WANTS: &'static str = "a path";

    fn parse(words: &str) -> Option<Self> {
        Some(Self::from(words))
    }

    fn show(&self) -> Option<String> {
        quoted(self.display())
    }
}

impl<T: Setting> Setting for Option<T> {
    const WANTS: &'static str = T::WANTS;

    fn parse(words: &str) -> Option<Self> {
        T::parse(words).map(Some)
    }

    fn read(given: &Given) -> Option<Self> {
        T::read(given).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }
}

impl Setting for Vec<String> {
    const WANTS: &'static str = "a list such as [\"10.0.0.1:7777\", \"10.0.0.2:7777\"]";

    fn parse(words: &str) -> Option<Self> {
        Some(words.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn read(given: &Given) -> Option<Self> {
        match given {
            Given::List(items) => Some(items.clone()),
            Given::Words(words) => Self::parse(words),
            _ => None,
        }
    }

    fn show(&self) -> Option<String> {
        Some(toml::Value::Array(self.iter().cloned().map(toml::Value::String).collect()).to_string())
    }
}
