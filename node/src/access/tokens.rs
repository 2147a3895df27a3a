//! Tokens as the ownership state holds them.

use super::Role;
use super::secret::{Hash, id_of};
use parking_lot::RwLock;
use plimsoll_model::Epoch;
use plimsoll_ownership::State;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Where tokens are kept in the general store of the ownership state, by name.
pub const NAMESPACE: &str = "tokens";

/// A token without its secret. The JSON of it is what the ownership state holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Its name, unique among tokens.
    pub name: String,
    /// Finds it by what a client sends.
    pub id: String,
    /// Of all that a client sends.
    pub hash: Hash,
    /// What it is for.
    pub role: Role,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// From when on it is not taken any more.
    pub expires_ms: Option<i64>,
}

impl Token {
    /// Whether its time is over.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|at| at <= now_ms)
    }

    /// As bytes for the ownership state.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and text are always JSON")
    }
}

/// All tokens, by id.
#[derive(Debug, Default)]
pub struct Table(HashMap<String, Token>);

impl Table {
    /// All that `state` holds.
    pub fn read(state: &State) -> Self {
        let mut all = HashMap::new();
        for (name, value) in state.values(NAMESPACE) {
            match serde_json::from_slice::<Token>(&value.bytes) {
                Ok(token) => drop(all.insert(token.id.clone(), token)),
                // of a newer version, perhaps: nobody gets in with it here
                Err(e) => tracing::warn!(name, error = %e, "a token cannot be read; it is not taken"),
            }
        }
        Self(all)
    }

    /// The token that a client sent, if there is one.
    pub fn find(&self, sent: &str) -> Option<&Token> {
        // the id is no secret; what is compared in constant time is the hash of all
        self.0.get(id_of(sent)?).filter(|token| token.hash.is_of(sent))
    }

    /// By name.
    pub fn sorted(&self) -> Vec<&Token> {
        let mut all: Vec<&Token> = self.0.values().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The table of the last state seen. A request pays for one look at the epoch; after a change the table is read anew.
#[derive(Default)]
pub struct Tokens(RwLock<Option<(Epoch, Arc<Table>)>>);

impl Tokens {
    /// The tokens of `state`.
    pub fn of(&self, state: &State) -> Arc<Table> {
        let epoch = state.epoch();
        if let Some((seen, table)) = &*self.0.read()
            && *seen == epoch
        {
            return table.clone();
        }
        let table = Arc::new(Table::read(state));
        *self.0.write() = Some((epoch, table.clone()));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;
    use plimsoll_ownership::{Action, ClusterId, Command};

    fn apply(state: &mut State, action: Action) {
        state.apply(Command { author: "test".to_owned(), at_ms: 1, action });
    }

    fn put(state: &mut State, name: &str, value: Option<Vec<u8>>) {
        let (namespace, key) = (NAMESPACE.to_owned(), name.to_owned());
        apply(state, Action::Put { namespace, key, value, seen: None });
    }

    #[test]
    fn a_token_is_taken_from_the_change_that_makes_it_to_the_change_that_removes_it() {
        let mut state = State::default();
        apply(&mut state, Action::Found { cluster: ClusterId(7), shards: 1, replication: 1 });
        let (tokens, secret) = (Tokens::default(), Secret::random());
        assert!(tokens.of(&state).find(secret.expose()).is_none());
        let token = Token {
            name: "agent".to_owned(),
            id: secret.id().to_owned(),
            hash: secret.hash(),
            role: Role::Write,
            created_ms: 1,
            expires_ms: Some(10),
        };
        put(&mut state, "agent", Some(token.encode()));
        put(&mut state, "damaged", Some(b"{".to_vec()));
        let found = tokens.of(&state).find(secret.expose()).cloned().expect("it was put");
        assert_eq!((found.name.as_str(), found.role), ("agent", Role::Write));
        assert!(!found.is_expired(9) && found.is_expired(10));
        // the right id with another secret is no token
        let forged = format!("plimsoll_{}_{}", secret.id(), "0".repeat(64));
        assert!(tokens.of(&state).find(&forged).is_none());
        put(&mut state, "agent", None);
        assert!(tokens.of(&state).find(secret.expose()).is_none());
    }
}
