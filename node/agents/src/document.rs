//! What mapping, price book and budgets have in common as documents that people write.

use plimsoll_model::Timestamp;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Why a document is refused: what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Fault {
    /// The table and key, or the line.
    pub place: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Fault {
    /// A fault at `place`.
    pub fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

/// Reads TOML; unknown keys are faults of the types.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        Fault::new(format!("line {line}"), e.message().to_owned())
    })
}

/// Milliseconds of `2026-01-31` (midnight UTC) or RFC 3339.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    let midnight = if text.len() == 10 { "T00:00:00Z" } else { "" };
    let at = OffsetDateTime::parse(&format!("{text}{midnight}"), &Rfc3339);
    let at =
        at.map_err(|_| format!("{text:?} is no date: write 2026-01-31 (UTC) or 2026-01-31T12:00:00Z"))?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|e| e.to_string())
}

/// The revision of a document: it becomes the value of a label.
pub(crate) fn check_revision(revision: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if revision.is_empty() || revision.len() > 64 || !revision.chars().all(plain) {
        let reason = "a revision has 1 to 64 letters, digits, `.`, `_` and `-`";
        return Err(Fault::new("revision", reason));
    }
    Ok(())
}

/// One text or a list of them.
pub(crate) fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    Ok(match serde::Deserialize::deserialize(from)? {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    })
}

/// Whether `pattern`, in which `*` stands for any text, is `text` as a whole; case does not count.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-5*", "GPT-5-mini", true),
            ("*sonnet-4*", "anthropic.claude-sonnet-4-20250514-v1:0", true),
            ("a*a", "a", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn days_are_utc_and_instants_have_their_offset() {
        assert_eq!(instant("1970-01-02"), Ok(86_400_000));
        assert_eq!(instant("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(instant("yesterday").is_err());
    }
}
