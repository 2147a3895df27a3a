use super::closeness;
use crate::document::{Fault, instant, one_or_many};
use crate::mapping::Kind;
use crate::money::Pico;
use plimsoll_model::Timestamp;
use serde::Deserialize;

/// A row as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    #[serde(deserialize_with = "one_or_many")]
    provider: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    model: Vec<String>,
    #[serde(default)]
    tier: String,
    from: String,
    input: Option<String>,
    output: Option<String>,
    cache_read: Option<String>,
    cache_write: Option<String>,
    cache_write_1h: Option<String>,
    reasoning: Option<String>,
    #[serde(default)]
    source: String,
    #[serde(default)]
    as_of: String,
}

/// What a model costs from a time on, a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Patterns of the provider.
    pub provider: Vec<String>,
    /// Patterns of the model.
    pub model: Vec<String>,
    /// The service tier; empty for the usual one.
    pub tier: String,
    /// From when on.
    pub from: Timestamp,
    /// Input that no cache had.
    pub input: Option<Pico>,
    /// Output without reasoning.
    pub output: Option<Pico>,
    /// Input that came from the cache.
    pub cache_read: Option<Pico>,
    /// Input that was written to the cache.
    pub cache_write: Option<Pico>,
    /// Input that was written to the cache for an hour.
    pub cache_write_1h: Option<Pico>,
    /// Reasoning; where it is not given it costs what output does.
    pub reasoning: Option<Pico>,
    /// Where the price was read.
    pub source: String,
    /// When it was known to hold.
    pub as_of: String,
}

impl Row {
    pub fn check(self) -> Result<Price, Fault> {
        let place = self.model.join(", ");
        let fault = |key: &str, reason: String| Fault::new(format!("{place}: {key}"), reason);
        for (key, patterns) in [("provider", &self.provider), ("model", &self.model)] {
            if patterns.is_empty() || patterns.iter().any(|p| p.is_empty() || p.len() > 200) {
                return Err(fault(
                    key,
                    "name at least one, of 1 to 200 letters; `*` stands for any text".into(),
                ));
            }
        }
        let from = instant(&self.from).map_err(|e| fault("from", e))?;
        let amount = |key: &str, text: Option<String>| {
            text.map(|text| Pico::per_million(&text)).transpose().map_err(|e| fault(key, e))
        };
        let price = Price {
            from,
            input: amount("input", self.input)?,
            output: amount("output", self.output)?,
            cache_read: amount("cache_read", self.cache_read)?,
            cache_write: amount("cache_write", self.cache_write)?,
            cache_write_1h: amount("cache_write_1h", self.cache_write_1h)?,
            reasoning: amount("reasoning", self.reasoning)?,
            provider: self.provider,
            model: self.model,
            tier: self.tier,
            source: self.source,
            as_of: self.as_of,
        };
        if Kind::ALL.iter().all(|kind| price.of(*kind, "").is_none()) {
            return Err(Fault::new(
                place,
                "the row has no price: give input, output, cache_read, cache_write or reasoning",
            ));
        }
        Ok(price)
    }
}

impl Price {
    /// How closely this row names what is asked for; nothing when it is for something else.
    pub(super) fn fits(&self, provider: &str, model: &str, tier: &str) -> Option<(usize, usize)> {
        if self.tier != tier {
            return None;
        }
        let provider = if provider.is_empty() { 0 } else { closeness(&self.provider, provider)? };
        Some((closeness(&self.model, model)?, provider))
    }

    /// The price of a kind.
    pub fn of(&self, kind: Kind, cache_ttl: &str) -> Option<Pico> {
        match kind {
            Kind::Input => self.input,
            Kind::Output => self.output,
            Kind::CacheRead => self.cache_read,
            Kind::CacheWrite if cache_ttl == "1h" => self.cache_write_1h,
            Kind::CacheWrite => self.cache_write,
            Kind::Reasoning => self.reasoning.or(self.output),
        }
    }

    /// Whether nobody could tell which of the two holds.
    pub(super) fn collides(&self, other: &Self) -> bool {
        let common =
            |a: &[String], b: &[String]| a.iter().any(|x| b.iter().any(|y| x.eq_ignore_ascii_case(y)));
        self.from == other.from
            && self.tier == other.tier
            && common(&self.model, &other.model)
            && common(&self.provider, &other.provider)
    }
}
