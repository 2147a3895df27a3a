//! The price book: what a token of a kind costs, from when on.

mod row;

pub use row::Price;

use crate::document::{Fault, check_revision, matches, read};
use crate::mapping::Kind;
use crate::money::Pico;
use plimsoll_model::Timestamp;
use row::Row;
use serde::Deserialize;

const BUILTIN: &str = include_str!("../../default/prices.toml");
/// Rows of a book; each increase of tokens looks at all of them.
const MOST: usize = 5_000;
/// Names of the service tier that stand for the price without one.
const STANDARD: [&str; 5] = ["", "standard", "default", "auto", "on_demand"];

/// A price book. Rows of one model and tier are its history: the newest that holds counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    revision: String,
    prices: Vec<Price>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    revision: String,
    #[serde(default)]
    price: Vec<Row>,
}

/// What a price is asked for. A text that is not known is empty.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The provider, as the telemetry names it. An empty one fits all.
    pub provider: &'a str,
    /// The model, as the telemetry names it.
    pub model: &'a str,
    /// The kind of the tokens.
    pub kind: Kind,
    /// The service tier, such as `batch`.
    pub tier: &'a str,
    /// The life of what was written to the cache, such as `1h`.
    pub cache_ttl: &'a str,
}

impl Book {
    /// Reads and checks a book.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let Document { revision, price } = read(text)?;
        check_revision(&revision)?;
        if price.len() > MOST {
            return Err(Fault::new("price", format!("{} rows; {MOST} is the most", price.len())));
        }
        let mut prices: Vec<Price> = Vec::with_capacity(price.len());
        for (at, row) in price.into_iter().enumerate() {
            let price =
                row.check().map_err(|e| Fault::new(format!("price {} ({})", at + 1, e.place), e.reason))?;
            if let Some(other) = prices.iter().position(|p| p.collides(&price)) {
                let reason = format!("is for the same model, tier and time as price {}", other + 1);
                return Err(Fault::new(format!("price {}", at + 1), reason));
            }
            prices.push(price);
        }
        Ok(Self { revision, prices })
    }

    /// The book that holds where nobody applied one: list prices, to be checked against one's own contract.
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("a test reads the built-in book")
    }

    /// The built-in book's text.
    pub fn builtin_text() -> &'static str {
        BUILTIN
    }

    /// Which book it is: the value of `price_rev`.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// All rows, in the order of the document.
    pub fn prices(&self) -> &[Price] {
        &self.prices
    }

    /// What a token cost that was used before `at` and was not counted at the sample before. A price that begins at
    /// `at` is for later tokens.
    pub fn price(&self, asked: Asked<'_>, at: Timestamp) -> Option<Pico> {
        if asked.model.is_empty() {
            return None;
        }
        let tier = if STANDARD.contains(&asked.tier) { "" } else { asked.tier };
        let fits = self.prices.iter().filter_map(|price| {
            let closeness = price.fits(asked.provider, asked.model, tier)?;
            (price.from < at).then_some(((closeness, price.from), price))
        });
        // of two that are as close the first of the book counts, whatever their order in memory
        let best = fits.rev().max_by_key(|(rank, _)| *rank)?.1;
        best.of(asked.kind, asked.cache_ttl)
    }
}

/// How closely a pattern names what it fits: letters that are no star.
fn closeness(patterns: &[String], text: &str) -> Option<usize> {
    let fitting = patterns.iter().filter(|p| matches(p, text));
    fitting.map(|p| p.bytes().filter(|b| *b != b'*').count() * 2 + usize::from(!p.contains('*'))).max()
}
