use serde::{Deserialize, Serialize};
use std::fmt;

/// What a token was used for. A token is of one kind only, so that kinds add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Input that neither came from the cache nor went into it.
    Input,
    /// Output that is no reasoning.
    Output,
    /// Input that came from the cache.
    CacheRead,
    /// Input that was written to the cache.
    CacheWrite,
    /// Output that only the model sees.
    Reasoning,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Input, Self::Output, Self::CacheRead, Self::CacheWrite, Self::Reasoning];

    /// As the label `token_type` says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::Reasoning => "reasoning",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
