//! The price book for tokens whose cost no series tells.

use super::Analytics;
use plimsoll_agents::{Asked, Book, Kind};
use plimsoll_analytics::report::{Pricing, Usage};

/// Prices of the book that holds, as they are at the end of the period.
pub(super) struct ByBook(Book);

impl Pricing for ByBook {
    fn price(&self, usage: &Usage<'_>) -> Option<f64> {
        let kind = Kind::from_name(usage.kind)?;
        let asked = Asked { provider: usage.provider, model: usage.model, kind, tier: "", cache_ttl: "" };
        Some(self.0.price(asked, usage.at)?.times(usage.tokens).dollars())
    }
}

impl Analytics {
    pub(super) fn pricing(&self) -> ByBook {
        ByBook(crate::agents::documents::book(self.0.parts.shards.cluster()))
    }
}
