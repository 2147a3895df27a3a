//! Mapping, price book and budgets in the ownership state.

use crate::cluster::Cluster;
use plimsoll_agents::{Book, Budget, Config, Fault, Mapping};
use plimsoll_model::{Epoch, Timestamp};
use plimsoll_ownership::{Action, State};
use std::sync::Arc;

/// Namespace of the mapping; its only key is [`CURRENT`].
pub const MAPPING: &str = "agents.mapping";
/// Namespace of the price book; its only key is [`CURRENT`].
pub const PRICES: &str = "agents.prices";
/// Namespace of the budgets, by name.
pub const BUDGETS: &str = "budgets";
/// The key of a document of which there is one.
pub const CURRENT: &str = "current";
/// Namespace of when agents were heard of first, under [`CURRENT`], in milliseconds. Before that nothing is written.
const HEARD: &str = "agents.heard";
/// Budgets that there may be: each increase of cost is held against all of them.
pub const MOST_BUDGETS: usize = 500;

/// A document as text, and whether somebody applied it.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its text.
    pub text: String,
    /// Its epoch; nothing for the built-in one.
    pub epoch: Option<Epoch>,
}

/// The document of `namespace`, or the one that is built in.
pub fn document(cluster: &Cluster, namespace: &str, builtin: &str) -> Document {
    cluster.read(|state| match state.value(namespace, CURRENT) {
        Some(value) => {
            let text = String::from_utf8_lossy(&value.bytes).into_owned();
            Document { text, epoch: Some(value.epoch) }
        }
        None => Document { text: builtin.to_owned(), epoch: None },
    })
}

/// All budgets that can be read, by name.
pub fn budgets(state: &State) -> Vec<Budget> {
    let texts = state.values(BUDGETS).map(|(name, value)| (name, String::from_utf8_lossy(&value.bytes)));
    let read = |(name, text): (&str, std::borrow::Cow<'_, str>)| {
        Budget::parse(&text).inspect_err(|fault| unreadable(&format!("budget {name}"), fault)).ok()
    };
    texts.filter_map(read).collect()
}

/// When agents were heard of first.
pub fn heard(cluster: &Cluster) -> Option<Timestamp> {
    cluster.read(|state| {
        let value = state.value(HEARD, CURRENT)?;
        Some(std::str::from_utf8(&value.bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
    })
}

/// Writes down that agents were heard of.
pub async fn hear(cluster: &Cluster, now: Timestamp) -> Result<(), crate::cluster::Error> {
    let action = Action::Put {
        namespace: HEARD.to_owned(),
        key: CURRENT.to_owned(),
        value: Some(now.to_string().into_bytes()),
        seen: None,
    };
    cluster.change(&cluster.node_id().to_string(), action).await.map(drop)
}

/// The documents that hold, read again only after a change.
#[derive(Default)]
pub struct Documents {
    seen: Option<Vec<Epoch>>,
    config: Option<Arc<Config>>,
}

impl Documents {
    /// The documents that hold now.
    pub fn now(&mut self, cluster: &Cluster) -> Arc<Config> {
        let seen = cluster.read(|state| {
            let of = |namespace| state.value(namespace, CURRENT).map_or(Epoch(0), |v| v.epoch);
            let budgets = state.values(BUDGETS).map(|(_, value)| value.epoch);
            [of(MAPPING), of(PRICES)].into_iter().chain(budgets).collect::<Vec<_>>()
        });
        if let Some(config) = self.config.as_ref().filter(|_| self.seen.as_ref() == Some(&seen)) {
            return config.clone();
        }
        let config = Arc::new(read(cluster));
        (self.seen, self.config) = (Some(seen), Some(config.clone()));
        config
    }
}

/// The documents that hold. One that cannot be read, which no node lets in, is replaced by the built-in one.
fn read(cluster: &Cluster) -> Config {
    let mapping = document(cluster, MAPPING, Mapping::builtin_text());
    let mapping = Mapping::parse(&mapping.text).unwrap_or_else(|fault| {
        unreadable("mapping", &fault);
        Mapping::builtin()
    });
    Config { mapping, book: book(cluster), budgets: cluster.read(budgets) }
}

/// The price book that holds.
pub fn book(cluster: &Cluster) -> Book {
    let book = document(cluster, PRICES, Book::builtin_text());
    Book::parse(&book.text).unwrap_or_else(|fault| {
        unreadable("price book", &fault);
        Book::builtin()
    })
}

fn unreadable(what: &str, fault: &Fault) {
    metrics::counter!("plimsoll_agents_unreadable_documents_total").increment(1);
    tracing::error!(what, %fault, "a document of the ownership state cannot be read; apply it again");
}
